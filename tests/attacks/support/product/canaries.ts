/**
 * What belongs to nobody under attack, and must be as it was after every call.
 *
 * @module
 */

import { type AnyMap, linuxKernel } from "../../../../mod.ts";
import { createMap } from "./create.ts";

const PATTERN = 0x5a;
const kernel = linuxKernel();

/** Maps, buffers, descriptors and a file. */
export class Canaries implements Disposable {
  /** A descriptor of a file that is no case's. */
  readonly descriptor: number;

  readonly #zero: AnyMap<number, number>;
  readonly #maps: AnyMap[] = [];
  readonly #files: Map<number, bigint> = new Map();
  readonly #path: string = Deno.makeTempFileSync();

  /** Takes descriptor 0: a number that is no number becomes 0 on its way to the kernel. */
  constructor() {
    kernel.close(0);
    this.#zero = createMap({ type: "hash", keySize: 4, valueSize: 4, maxEntries: 8 });
    if (this.#zero.fd !== 0) throw new Error(`descriptor 0 was not free: ${this.#zero.fd}`);
    for (let key = 0; key < 4; key++) this.#zero.set(key, key);
    this.bury();
    Deno.writeTextFileSync(this.#path, "canary");
    this.descriptor = kernel.open(this.#path, 2);
    for (const fd of [0, 1, 2, this.descriptor, ...this.#maps.map(({ fd }) => fd)]) {
      this.#files.set(fd, kernel.stat(fd).inode);
    }
  }

  /** Puts buffers of every size behind those that were made until now. */
  bury(): void {
    for (const valueSize of [8, 64, 256, 1024, 4096, 16384, 65536]) {
      const map = createMap({ type: "hash", keySize: 4, valueSize, maxEntries: 1 });
      map.raw.elements.key.fill(PATTERN);
      map.raw.elements.value.fill(PATTERN);
      map.raw.update();
      this.#maps.push(map);
    }
  }

  /** What was done to them; each harm is told once. */
  harms(): string[] {
    const harms: string[] = [];
    for (const { raw: { elements }, valueSize } of this.#maps) {
      if (spoilt(elements.key) || spoilt(elements.value)) {
        harms.push(`overwrote the buffer of another map (${valueSize} bytes)`);
        elements.key.fill(PATTERN);
        elements.value.fill(PATTERN);
      }
    }
    const { elements } = this.#zero.raw;
    for (let key = 0; key < 8; key++) {
      elements.key.fill(0);
      elements.key[0] = key;
      const found = elements.lookup() >= 0;
      if (found !== key < 4 || (found && elements.value[0] !== key)) {
        harms.push("changed the map at descriptor 0");
        break;
      }
    }
    for (const [fd, inode] of this.#files) {
      if (kernel.stat(fd).inode === inode) continue;
      harms.push(`closed descriptor ${fd}, which is another's`);
      this.#files.delete(fd);
    }
    if (kernel.stat(this.#path).result === 0 && Deno.readTextFileSync(this.#path) !== "canary") {
      harms.push("wrote to another's file");
      Deno.writeTextFileSync(this.#path, "canary");
    }
    return harms;
  }

  [Symbol.dispose](): void {
    for (const map of [this.#zero, ...this.#maps]) map[Symbol.dispose]();
    kernel.close(this.descriptor);
    Deno.removeSync(this.#path);
  }
}

function spoilt(bytes: Uint8Array): boolean {
  // By words: this runs after each of thousands of calls.
  const words = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length >>> 2);
  const word = PATTERN * 0x01010101;
  for (let index = 0; index < words.length; index++) if (words[index] !== word) return true;
  return false;
}
