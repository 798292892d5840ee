/**
 * Codecs: BTF types to JS values and back, compiled once per type.
 *
 * Imports: errors, btf.
 *
 * @module
 */

export { Codec, codecFor, type EncodeOptions } from "./codec.ts";
export type { BtfRecord, BtfValue, CodecOptions } from "./value.ts";
