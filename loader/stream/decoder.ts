/**
 * Decodes the bytes of a record into a value.
 *
 * @module
 */

import { bytesOf } from "./record_view.ts";

/** Decodes bytes into a value. {@linkcode Codec} implements it. */
export interface Decoder<T> {
  /** Number of bytes that {@linkcode Decoder.decode} reads. */
  readonly size: number;
  /** Decodes the value at `offset`, in bytes. */
  decode(view: DataView, offset: number): T;
}

/** Options of reading a stream. */
export interface ReadOptions {
  /** Ends the stream, also while it waits. A loop over the stream ends without an error. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Receives one record: the `length` bytes of `view` from `offset`. They are valid only during the call. Return
 * `false` to stop reading.
 */
export type RecordCallback = (view: DataView, offset: number, length: number) => void | boolean;

/**
 * Decodes one record.
 *
 * A record may be longer than its type (perf padding, flexible arrays): the rest is ignored. It may be shorter
 * (programs may send only the used part of a trailing array): missing bytes read as zero.
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

/** Copies the bytes of a record. */
export function copyRecord(
  view: DataView,
  offset: number,
  length: number,
): Uint8Array<ArrayBuffer> {
  return bytesOf(view, offset, length).slice();
}
