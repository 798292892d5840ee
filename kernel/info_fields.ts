/**
 * Reads fields of a struct of the kernel that may be shorter than it is known today; what a kernel does not write reads as zero.
 *
 * @module
 */

/** Reads fields of a struct that may be shorter than it is known today. */
export class Fields {
  readonly #view: DataView;

  constructor(bytes: Uint8Array) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  u32(at: number): number {
    return at + 4 <= this.#view.byteLength ? this.#view.getUint32(at, true) : 0;
  }

  u64(at: number): bigint {
    return at + 8 <= this.#view.byteLength ? this.#view.getBigUint64(at, true) : 0n;
  }

  text(at: number, size: number): string {
    let text = "";
    for (let i = at; i < at + size && i < this.#view.byteLength; i++) {
      const code = this.#view.getUint8(i);
      if (code === 0) break;
      text += String.fromCharCode(code);
    }
    return text;
  }

  hex(at: number, size: number): string {
    let text = "";
    for (let i = at; i < at + size && i < this.#view.byteLength; i++) {
      text += this.#view.getUint8(i).toString(16).padStart(2, "0");
    }
    return text;
  }
}
