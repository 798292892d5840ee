/**
 * From the bytes of a record to a value.
 *
 * @module
 */

import { bytesOf } from "./record_view.ts";

/** Turns bytes into a value: what {@linkcode Codec} has, and all that a stream needs of it. */
export interface Decoder<T> {
  /** Bytes that {@linkcode Decoder.decode} reads. */
  readonly size: number;
  /** The value at `offset`. */
  decode(view: DataView, offset: number): T;
}

/** How a stream of records is read. */
export interface ReadOptions {
  /** Ends the stream, also while it waits. The loop ends without an error. */
  readonly signal?: AbortSignal | undefined;
}

/** Called for each record. The record's bytes are `view`'s from `offset` on, `length` of them, and are valid during the call alone. Answer `false` to stop. */
export type RecordCallback = (view: DataView, offset: number, length: number) => void | boolean;

/**
 * Decodes one record. A record may be longer than its type (perf pads; flexible arrays) and shorter
 * (programs send only the used part of a long last array): what is missing reads as zero.
 */
export function decodeRecord<T>(
  decoder: Decoder<T>,
  view: DataView,
  offset: number,
  length: number,
): T {
  if (length >= decoder.size) return decoder.decode(view, offset);
  const padded = new Uint8Array(decoder.size);
  padded.set(bytesOf(view, offset, length));
  return decoder.decode(new DataView(padded.buffer), 0);
}

/** A copy of a record's bytes, the caller's own. */
export function copyRecord(
  view: DataView,
  offset: number,
  length: number,
): Uint8Array<ArrayBuffer> {
  return bytesOf(view, offset, length).slice();
}
