/**
 * Tracks the descriptors of BPF objects that this isolate has open.
 *
 * An isolate can end without running code (`worker.terminate()`, `deno run --watch`; Deno 2.9 dispatches no
 * `unload` event in workers, not even after `close()`). Its descriptors stay
 * open in the process and its programs stay attached. So each descriptor is registered in memory that all
 * isolates of the process share ({@linkcode IsolateRegistry}), and the next isolate that opens a BPF object
 * closes those of ended isolates.
 *
 * @module
 */

import type { HeldDescriptor } from "../leaks.ts";
import type { Result } from "../result.ts";
import type { Native } from "./ffi/native.ts";
import { IsolateRegistry } from "./isolate_registry.ts";

/** The open descriptors of one kernel interface. */
export class HeldDescriptors {
  readonly #native: Native;
  readonly #held: Map<number, HeldDescriptor> = new Map();
  #registry: IsolateRegistry | undefined;
  #tracking = 0;

  /** Tracks descriptors opened by system calls of `native`. */
  constructor(native: Native) {
    this.#native = native;
  }

  /** Registers a descriptor that a command returned, and returns the result unchanged. */
  opened(result: Result, kind: string): Result {
    if (result < 0) return result;
    this.#registry ??= new IsolateRegistry(this.#native);
    this.#registry.add(result);
    const stack = this.#tracking > 0 ? new Error().stack : undefined;
    this.#held.set(result, { fd: result, kind, stack });
    return result;
  }

  /** Registers a duplicate of a descriptor if that one is registered. */
  copied(result: Result, of: number): Result {
    const original = this.#held.get(of);
    return original === undefined ? result : this.opened(result, original.kind);
  }

  /**
   * Unregisters a descriptor that is about to be closed or given to another owner. Another isolate may
   * have opened it.
   */
  closed(fd: number): void {
    this.#held.delete(fd);
    this.#registry?.delete(fd);
  }

  /** Returns the open descriptors in the order of opening. */
  list(): readonly HeldDescriptor[] {
    return [...this.#held.values()];
  }

  /** Records the stack of each opening until disposal, which costs about 10 µs each. */
  track(): Disposable {
    this.#tracking++;
    return {
      [Symbol.dispose]: () => {
        this.#tracking--;
      },
    };
  }
}
