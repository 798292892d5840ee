/**
 * Read-only view of memory that the kernel maps read-only.
 *
 * @module
 */

import { SkepError } from "../../errors/skep_error.ts";

const bufferGetter = Object.getOwnPropertyDescriptor(DataView.prototype, "buffer")?.get;

/**
 * Returns the bytes of a view without a copy, also of a {@linkcode RecordView}. The caller must not write to
 * them.
 */
export function bytesOf(view: DataView, offset: number, length: number): Uint8Array<ArrayBuffer> {
  const buffer = bufferGetter === undefined ? view.buffer : Reflect.apply(bufferGetter, view, []);
  return new Uint8Array(buffer as ArrayBuffer, view.byteOffset + offset, length);
}

/**
 * A read-only `DataView`. Its memory is mapped read-only, and a write would end the process with SIGSEGV.
 *
 * Its setters throw, and so does its `buffer`, through which a caller could write; {@linkcode bytes} returns a copy.
 */
export class RecordView extends DataView<ArrayBuffer> {
  /** Throws a {@linkcode SkepError} with EACCES: a typed array over the buffer could write. */
  override get buffer(): ArrayBuffer {
    throw readOnly("use the buffer of");
  }

  static {
    // console.log() would read the buffer otherwise.
    Object.defineProperty(this.prototype, Symbol.for("Deno.customInspect"), {
      value(this: RecordView): string {
        return `RecordView { byteLength: ${this.byteLength} }`;
      },
    });
  }

  /** Returns a copy of `length` bytes from `offset`. */
  bytes(offset: number, length: number): Uint8Array<ArrayBuffer> {
    return bytesOf(this, offset, length).slice();
  }

  /** Throws a {@linkcode SkepError} with EACCES: the memory is read-only. */
  override setInt8(): never {
    throw readOnly("write to");
  }
  /** Throws a {@linkcode SkepError} with EACCES: the memory is read-only. */
  override setUint8(): never {
    throw readOnly("write to");
  }
  /** Throws a {@linkcode SkepError} with EACCES: the memory is read-only. */
  override setInt16(): never {
    throw readOnly("write to");
  }
  /** Throws a {@linkcode SkepError} with EACCES: the memory is read-only. */
  override setUint16(): never {
    throw readOnly("write to");
  }
  /** Throws a {@linkcode SkepError} with EACCES: the memory is read-only. */
  override setInt32(): never {
    throw readOnly("write to");
  }
  /** Throws a {@linkcode SkepError} with EACCES: the memory is read-only. */
  override setUint32(): never {
    throw readOnly("write to");
  }
  /** Throws a {@linkcode SkepError} with EACCES: the memory is read-only. */
  override setFloat16(): never {
    throw readOnly("write to");
  }
  /** Throws a {@linkcode SkepError} with EACCES: the memory is read-only. */
  override setFloat32(): never {
    throw readOnly("write to");
  }
  /** Throws a {@linkcode SkepError} with EACCES: the memory is read-only. */
  override setFloat64(): never {
    throw readOnly("write to");
  }
  /** Throws a {@linkcode SkepError} with EACCES: the memory is read-only. */
  override setBigInt64(): never {
    throw readOnly("write to");
  }
  /** Throws a {@linkcode SkepError} with EACCES: the memory is read-only. */
  override setBigUint64(): never {
    throw readOnly("write to");
  }
}

function readOnly(doing: string): SkepError {
  return new SkepError({
    doing,
    subject: "a record",
    errno: "EACCES",
    stage: "stream",
    why: "it is in memory that the kernel maps read-only",
    fix: "copy it with view.bytes(offset, length)",
  });
}
