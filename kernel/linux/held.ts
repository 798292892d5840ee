/**
 * The descriptors of BPF objects that this isolate has open.
 *
 * An isolate can end without running a line of code: `worker.terminate()`, `deno run --watch`. Its
 * descriptors stay open in the process, and programs stay attached. So they are noted where other isolates
 * of the process see them ({@linkcode IsolateRegistry}), and the next one that opens a BPF object closes
 * what is left of those that have ended.
 *
 * @module
 */

import type { HeldDescriptor } from "../leaks.ts";
import type { Result } from "../result.ts";
import type { Native } from "./ffi/native.ts";
import { IsolateRegistry } from "./isolate_registry.ts";

/** The descriptors that one kernel interface has opened. */
export class HeldDescriptors {
  readonly #native: Native;
  readonly #held: Map<number, HeldDescriptor> = new Map();
  #registry: IsolateRegistry | undefined;
  #tracking = 0;

  /** Notes what is opened by system calls of `native`. */
  constructor(native: Native) {
    this.#native = native;
  }

  /** Notes a descriptor that a command has returned, and passes its result on. */
  opened(result: Result, kind: string): Result {
    if (result < 0) return result;
    this.#registry ??= this.#register();
    this.#registry.add(result);
    const stack = this.#tracking > 0 ? new Error().stack : undefined;
    this.#held.set(result, { fd: result, kind, stack });
    return result;
  }

  /** Notes a copy of a descriptor, if that one is noted. */
  copied(result: Result, of: number): Result {
    const original = this.#held.get(of);
    return original === undefined ? result : this.opened(result, original.kind);
  }

  /** Notes that a descriptor is about to be closed. */
  closed(fd: number): void {
    if (this.#held.delete(fd)) this.#registry?.delete(fd);
  }

  /** What is open, in the order of opening. */
  list(): readonly HeldDescriptor[] {
    return [...this.#held.values()];
  }

  /** From now on until disposal, notes where each descriptor is opened: some 10 µs each. */
  track(): Disposable {
    this.#tracking++;
    return {
      [Symbol.dispose]: () => {
        this.#tracking--;
      },
    };
  }

  #register(): IsolateRegistry {
    const registry = new IsolateRegistry(this.#native);
    // At the end of the main isolate the process closes everything, and its own handlers may still read maps.
    if ("WorkerGlobalScope" in globalThis) {
      globalThis.addEventListener("unload", () => registry.closeAll());
    }
    return registry;
  }
}
