/**
 * Descriptors of kernel modules' BTF that one load uses: each opened once, all closed at its end.
 *
 * @module
 */

import { SkepError } from "../../errors/skep_error.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import { kernelTypes } from "../features/kernel_btf.ts";

/** Opens modules' BTF and keeps `fd_array`, which the `off` field of kfunc calls indexes; index 0 is vmlinux. */
export class ModuleDescriptors implements Disposable {
  readonly #kernel: Kernel;
  readonly #tokenFd: number | undefined;
  readonly #open = new Map<string, number>();
  readonly #stack = new DisposableStack();
  /** `fd_array` of BPF_PROG_LOAD. */
  readonly array: number[] = [0];

  /** Creates an empty set; opens nothing. */
  constructor(kernel: Kernel, tokenFd: number | undefined) {
    this.#kernel = kernel;
    this.#tokenFd = tokenFd;
  }

  /**
   * Returns the descriptor of a module's BTF, opened on first use.
   *
   * @throws {SkepError} ENOENT when no BTF id that this process may open belongs to the module.
   */
  open(name: string): number {
    let fd = this.#open.get(name);
    if (fd !== undefined) return fd;
    const descriptor = kernelTypes(this.#kernel).openModule(name, this.#tokenFd);
    if (descriptor === undefined) {
      throw new SkepError({
        doing: "open the BTF of module",
        subject: name,
        errno: "ENOENT",
        stage: "btf",
        why: "none of the BTF ids that this process may open belongs to it",
        fix: "delegate btf_get_fd_by_id, and hold CAP_SYS_ADMIN in the user namespace",
      });
    }
    fd = this.#stack.use(descriptor).fd;
    this.#open.set(name, fd);
    return fd;
  }

  /** Returns the index of a module's BTF in {@linkcode array}, which goes into a kfunc call's `off`. */
  indexOf(name: string): number {
    const fd = this.open(name);
    const at = this.array.indexOf(fd, 1);
    return at > 0 ? at : this.array.push(fd) - 1;
  }

  /** Closes all descriptors. */
  [Symbol.dispose](): void {
    this.#stack[Symbol.dispose]();
  }
}
