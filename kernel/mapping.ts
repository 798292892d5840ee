/**
 * A piece of memory shared with the kernel, as typed arrays that end when it does.
 *
 * @module
 */

/**
 * Memory that was mapped: views on it, and the end of them.
 *
 * Disposing it first takes the memory away from every view (they get length 0 and read nothing, also
 * copies of them that others hold) and then unmaps it: a stale view cannot crash the process.
 *
 * The views are made on first use and are always the same objects. Words are in the machine's byte
 * order. `Atomics` works on all of the integer views; words shared with another writer must be read
 * and written by it.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { Mapping } from "@skep/skep/kernel";
 *
 * const mapping = new Mapping(new ArrayBuffer(4096));
 * const view = mapping.u32;
 * view[0] = 7;
 * mapping[Symbol.dispose]();
 * assertEquals(view.length, 0);
 * ```
 */
export class Mapping implements Disposable {
  /** Bytes, as asked for when it was mapped; 0 after disposal. */
  get size(): number {
    return this.#buffer.byteLength;
  }

  /** Where it lies in this process, or 0 where it lies nowhere (fakes, after disposal). */
  get address(): number {
    return this.#address;
  }

  #buffer: ArrayBuffer;
  #address: number;
  #closed = false;
  #release: ((given: boolean) => void) | undefined;
  #u8: Uint8Array<ArrayBuffer> | undefined;
  #u32: Uint32Array<ArrayBuffer> | undefined;
  #i32: Int32Array<ArrayBuffer> | undefined;
  #big64: BigUint64Array<ArrayBuffer> | undefined;
  #view: DataView<ArrayBuffer> | undefined;

  /**
   * Takes over a buffer that lies at `address`. `release` unmaps it and is called once; with `true` where the
   * buffer was given to another owner (`structuredClone`, `postMessage`), whose views cannot be taken away:
   * the address must then stay valid.
   */
  constructor(buffer: ArrayBuffer, address: number = 0, release?: (given: boolean) => void) {
    this.#buffer = buffer;
    this.#address = address;
    this.#release = release;
  }

  /** Whether it has been disposed of. */
  get closed(): boolean {
    return this.#closed;
  }

  /** The bytes. */
  get u8(): Uint8Array<ArrayBuffer> {
    return this.#u8 ??= new Uint8Array(this.#buffer);
  }

  /** The 32-bit words, unsigned; a rest of less than a word is left out. */
  get u32(): Uint32Array<ArrayBuffer> {
    return this.#u32 ??= new Uint32Array(this.#buffer, 0, this.#buffer.byteLength >>> 2);
  }

  /** The 32-bit words, signed: what `Atomics` on positions and headers uses. */
  get i32(): Int32Array<ArrayBuffer> {
    return this.#i32 ??= new Int32Array(this.#buffer, 0, this.#buffer.byteLength >>> 2);
  }

  /** The 64-bit words as bigint; a rest of less than a word is left out. */
  get big64(): BigUint64Array<ArrayBuffer> {
    return this.#big64 ??= new BigUint64Array(
      this.#buffer,
      0,
      Math.floor(this.#buffer.byteLength / 8),
    );
  }

  /** The bytes as a `DataView`, for codecs. */
  get view(): DataView<ArrayBuffer> {
    return this.#view ??= new DataView(this.#buffer);
  }

  /** Takes the memory from every view, then unmaps it. A second call does nothing. */
  [Symbol.dispose](): void {
    if (this.#closed) return;
    const release = this.#release;
    this.#release = undefined;
    const given = this.#buffer.detached;
    if (!given) this.#buffer.transfer(0);
    // What is made from now on is empty too.
    this.#u8 =
      this.#u32 =
      this.#i32 =
      this.#big64 =
      this.#view =
        undefined;
    this.#buffer = new ArrayBuffer(0);
    this.#closed = true;
    this.#address = 0;
    release?.(given);
  }
}
