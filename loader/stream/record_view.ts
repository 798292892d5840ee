/**
 * A view on memory that the kernel maps read-only.
 *
 * @module
 */

import { SkepError } from "../../errors/skep_error.ts";

const bufferGetter = Object.getOwnPropertyDescriptor(DataView.prototype, "buffer")?.get;

/** Bytes of a view, to be read: also of a {@linkcode RecordView}. Whoever gets them must not write. */
export function bytesOf(view: DataView, offset: number, length: number): Uint8Array<ArrayBuffer> {
  const buffer = bufferGetter === undefined ? view.buffer : Reflect.apply(bufferGetter, view, []);
  return new Uint8Array(buffer as ArrayBuffer, view.byteOffset + offset, length);
}

/**
 * A `DataView` that reads and does not write: the memory beneath is read-only, and a write would end the
 * process. Its setters and its `buffer`, over which others could write, throw; {@linkcode bytes} gives a copy.
 */
export class RecordView extends DataView<ArrayBuffer> {
  /** Throws: a typed array over the buffer could write. */
  override get buffer(): ArrayBuffer {
    throw readOnly("use the buffer of");
  }

  static {
    // What console.log() shows: it would ask for the buffer.
    Object.defineProperty(this.prototype, Symbol.for("Deno.customInspect"), {
      value(this: RecordView): string {
        return `RecordView { byteLength: ${this.byteLength} }`;
      },
    });
  }

  /** A copy of some bytes, the caller's own. */
  bytes(offset: number, length: number): Uint8Array<ArrayBuffer> {
    return bytesOf(this, offset, length).slice();
  }

  /** Throws. */
  override setInt8(): never {
    throw readOnly("write to");
  }
  /** Throws. */
  override setUint8(): never {
    throw readOnly("write to");
  }
  /** Throws. */
  override setInt16(): never {
    throw readOnly("write to");
  }
  /** Throws. */
  override setUint16(): never {
    throw readOnly("write to");
  }
  /** Throws. */
  override setInt32(): never {
    throw readOnly("write to");
  }
  /** Throws. */
  override setUint32(): never {
    throw readOnly("write to");
  }
  /** Throws. */
  override setFloat16(): never {
    throw readOnly("write to");
  }
  /** Throws. */
  override setFloat32(): never {
    throw readOnly("write to");
  }
  /** Throws. */
  override setFloat64(): never {
    throw readOnly("write to");
  }
  /** Throws. */
  override setBigInt64(): never {
    throw readOnly("write to");
  }
  /** Throws. */
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
    why: "it lies in memory that the kernel maps read-only",
    fix: "copy it with view.bytes(offset, length)",
  });
}
