/**
 * Memory shared with the kernel, as typed arrays that are detached when it is unmapped.
 *
 * @module
 */

/**
 * A mapping and its views.
 *
 * Disposal first detaches every view, copies held elsewhere included (they get length 0), and then unmaps
 * the memory: a stale view cannot crash the process.
 *
 * Views are created on first use and are always the same objects. Words are in the machine's byte order.
 * `Atomics` works on all integer views; words shared with another writer must be accessed through it.
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
  /** Size in bytes as requested; 0 after disposal. */
  get size(): number {
    return this.#buffer.byteLength;
  }

  /** The address in this process; 0 for fakes and after disposal. */
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
   * Takes ownership of a buffer at `address`. `release` unmaps it and is called once; its argument is
   * `true` when the buffer was transferred (`structuredClone`, `postMessage`): its new owner's views cannot
   * be detached, and the address must stay valid.
   */
  constructor(buffer: ArrayBuffer, address: number = 0, release?: (given: boolean) => void) {
    this.#buffer = buffer;
    this.#address = address;
    this.#release = release;
  }

  /** Whether the mapping was disposed of. */
  get closed(): boolean {
    return this.#closed;
  }

  /** The bytes. */
  get u8(): Uint8Array<ArrayBuffer> {
    return this.#u8 ??= new Uint8Array(this.#buffer);
  }

  /** The unsigned 32-bit words; trailing bytes are omitted. */
  get u32(): Uint32Array<ArrayBuffer> {
    return this.#u32 ??= new Uint32Array(this.#buffer, 0, this.#buffer.byteLength >>> 2);
  }

  /** The signed 32-bit words, for `Atomics` on positions and headers. */
  get i32(): Int32Array<ArrayBuffer> {
    return this.#i32 ??= new Int32Array(this.#buffer, 0, this.#buffer.byteLength >>> 2);
  }

  /** The 64-bit words as bigint; trailing bytes are omitted. */
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

  /** Detaches every view, then unmaps the memory. Later calls do nothing. */
  [Symbol.dispose](): void {
    if (this.#closed) return;
    const release = this.#release;
    this.#release = undefined;
    const given = this.#buffer.detached;
    if (!given) this.#buffer.transfer(0);
    // Views created from now on are empty.
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
