/**
 * Codecs: decode bytes of a BTF type to JS values, and encode them.
 *
 * @module
 */

import type { Btf } from "../btf.ts";
import { BtfError } from "../error.ts";
import { describeShape } from "./describe.ts";
import { makeWriter, Misfit, type Writer } from "./encode.ts";
import { generateReader, type Reader } from "./generate.ts";
import { interpretReader } from "./interpret.ts";
import { hasMoreMembers, type Shape, shapeOf } from "./shape.ts";
import type { BtfValue, CodecOptions } from "./value.ts";

/** V8 compiles object literals with more properties slowly, and they are read no faster. */
const MOST_GENERATED = 1024;

/** Options of {@linkcode Codec.encode}. */
export interface EncodeOptions {
  /**
   * Whether members may be missing: their bytes then stay unchanged, and arrays may be shorter. Otherwise a
   * missing member is an error.
   *
   * @default {false}
   */
  readonly partial?: boolean | undefined;
}

/**
 * Decodes and encodes the values of one BTF type.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { Btf, BtfBuilder, codecFor } from "@skep/skep/btf";
 *
 * const builder = new BtfBuilder();
 * const u32 = builder.addInt("unsigned int", 4, "unsigned");
 * const id = builder.addStruct("event", 8, [
 *   { name: "pid", type: u32, bitOffset: 0, bitSize: 0 },
 *   { name: "uid", type: u32, bitOffset: 32, bitSize: 0 },
 * ]);
 * const codec = codecFor(Btf.parse(builder.build()), id);
 * const bytes = codec.encodeBytes({ pid: 7, uid: 1000 });
 * assertEquals(codec.decodeBytes(bytes), { pid: 7, uid: 1000 });
 * ```
 */
export class Codec<T = BtfValue> {
  /** The type's id. */
  readonly typeId: number;
  /** Size in bytes; for a struct with a flexible array member, without that. */
  readonly size: number;
  /**
   * Decodes a value without checking the length: the fastest way, for data of known length.
   *
   * `end` is where the data ends in the view; only flexible arrays use it.
   *
   * @throws {RangeError} when the view is too short.
   */
  readonly decodeUnchecked: (view: DataView, at: number, end: number) => T;

  readonly #name: string;
  readonly #shape: Shape;
  readonly #little: boolean;
  readonly #narrowed: boolean;
  #writer: Writer | undefined;
  #partialWriter: Writer | undefined;

  /** Use {@linkcode codecFor}, which caches codecs. */
  constructor(
    btf: Btf,
    typeId: number,
    options: CodecOptions & { readonly generate?: boolean | undefined },
  ) {
    this.typeId = typeId;
    this.#name = btf.nameOf(typeId) || btf.nameOf(btf.resolve(typeId)) || "value";
    this.#shape = shapeOf(btf, typeId);
    this.size = btf.size(typeId);
    this.#little = btf.littleEndian;
    this.#narrowed = options.bigints === "when-needed";
    const read: Reader =
      (options.generate === false || hasMoreMembers(this.#shape, MOST_GENERATED)
        ? undefined
        : generateReader(this.#shape, this.#little, this.#narrowed)) ??
        interpretReader(this.#shape, this.#little, this.#narrowed);
    this.decodeUnchecked = read as (view: DataView, at: number, end: number) => T;
  }

  /**
   * Decodes a value.
   *
   * The value starts at `at` and its data ends at `end` in the view: a flexible array member has the
   * elements before `end`.
   *
   * @throws {BtfError} when the data is shorter than the type.
   */
  decode(view: DataView, at = 0, end: number = at + this.size): T {
    if (at < 0 || at + this.size > end || end > view.byteLength) {
      const length = Math.max(0, Math.min(end, view.byteLength) - at);
      throw new BtfError({
        doing: "decode",
        subject: this.#name,
        why: `the data has ${length} bytes, the type takes ${this.size}`,
        stage: "stream",
      });
    }
    return this.decodeUnchecked(view, at, end);
  }

  /** Decodes a value from bytes; a flexible array member has all elements that the bytes hold. */
  decodeBytes(bytes: Uint8Array): T {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    return this.decode(view, 0, Math.max(this.size, bytes.byteLength));
  }

  /**
   * Encodes a value into a view at an offset.
   *
   * @throws {BtfError} EINVAL with the member's path (`event.comm: expected text of at most 16 bytes, got
   * the number 7`) for a value that does not fit, an unknown member, or a missing one unless `partial`. The
   * bytes may then be partly written.
   */
  encode(value: unknown, view: DataView, at = 0, options: EncodeOptions = {}): void {
    const partial = options.partial === true;
    if (at < 0 || at + this.size > view.byteLength) {
      const room = Math.max(0, view.byteLength - at);
      throw this.#refuse("", `there is room for ${room} bytes, the type takes ${this.size}`);
    }
    if (!partial) clear(view, at, this.size);
    const writer = partial
      ? this.#partialWriter ??= makeWriter(this.#shape, this.#little, true)
      : this.#writer ??= makeWriter(this.#shape, this.#little, false);
    try {
      writer(value, view, at, view.byteLength);
    } catch (error) {
      if (error instanceof Misfit) throw this.#refuse(error.path, error.why);
      throw error;
    }
  }

  /** Encodes a value into new bytes; `size` makes room for a flexible array member. */
  encodeBytes(value: unknown, size: number = this.size): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(Math.max(size, this.size));
    this.encode(value, new DataView(bytes.buffer));
    return bytes;
  }

  /** Returns the TypeScript type of the values: `{ pid: number; comm: string }`. */
  describe(): string {
    return describeShape(this.#shape, this.#narrowed);
  }

  #refuse(path: string, why: string): BtfError {
    return new BtfError({ doing: "encode", subject: `${this.#name}${path}`, why, stage: "usage" });
  }
}

/** Zeroes bytes; for few bytes, creating a typed array costs more than a loop. */
function clear(view: DataView, at: number, size: number): void {
  if (size > 256) {
    new Uint8Array(view.buffer, view.byteOffset + at, size).fill(0);
    return;
  }
  let next = at;
  for (; next + 4 <= at + size; next += 4) view.setUint32(next, 0);
  for (; next < at + size; next++) view.setUint8(next, 0);
}

const codecs = new WeakMap<Btf, Map<string, Codec>>();

/**
 * Returns the codec of a type. It is compiled on first use and cached.
 *
 * @throws {BtfError} for a type without values (void, a function, a forward declaration) and for malformed
 * BTF.
 */
export function codecFor(btf: Btf, typeId: number, options: CodecOptions = {}): Codec {
  let known = codecs.get(btf);
  if (known === undefined) {
    known = new Map();
    codecs.set(btf, known);
  }
  const key = `${typeId} ${options.bigints ?? "always"}`;
  let codec = known.get(key);
  if (codec === undefined) {
    codec = new Codec(btf, typeId, options);
    known.set(key, codec);
  }
  return codec;
}
