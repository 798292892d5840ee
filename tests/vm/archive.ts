/**
 * Writes the initramfs archive: cpio in the newc format.
 *
 * @module
 */

const FILE = 0o100000;
const FOLDER = 0o040000;

/** Collects files and directories. */
export class Archive {
  readonly #parts: Uint8Array<ArrayBuffer>[] = [];
  #inode = 1;

  /** Adds an empty directory. */
  folder(name: string): this {
    return this.#add(name, FOLDER | 0o755, new Uint8Array(0));
  }

  /** Adds an executable file. */
  file(name: string, content: Uint8Array | string): this {
    const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
    return this.#add(name, FILE | 0o755, bytes);
  }

  /** Returns the whole archive. */
  bytes(): Blob {
    this.#add("TRAILER!!!", 0, new Uint8Array(0));
    return new Blob(this.#parts);
  }

  #add(name: string, mode: number, content: Uint8Array): this {
    const nameBytes = new TextEncoder().encode(`${name}\0`);
    const fields = [
      this.#inode++,
      mode,
      0,
      0,
      1,
      0,
      content.length,
      0,
      0,
      0,
      0,
      nameBytes.length,
      0,
    ];
    const header = `070701${fields.map((field) => field.toString(16).padStart(8, "0")).join("")}`;
    this.#parts.push(padded(new TextEncoder().encode(header), nameBytes), padded(content));
    return this;
  }
}

/** Joins pieces and pads them to a multiple of four bytes. */
function padded(...pieces: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const length = pieces.reduce((sum, piece) => sum + piece.length, 0);
  const bytes = new Uint8Array((length + 3) & ~3);
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}
