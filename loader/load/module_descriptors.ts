/**
 * Descriptors of modules' BTF that one load uses: opened once, closed at its end.
 *
 * @module
 */

import { SkepError } from "../../errors/skep_error.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import { kernelTypes } from "../features/kernel_btf.ts";

/** The modules' BTF descriptors, as the array that kfunc calls index; index 0 stands for vmlinux. */
export class ModuleDescriptors implements Disposable {
  readonly #kernel: Kernel;
  readonly #tokenFd: number | undefined;
  readonly #open = new Map<string, number>();
  readonly #stack = new DisposableStack();
  /** The descriptor array of the program load. */
  readonly array: number[] = [0];

  /** Opens nothing yet. */
  constructor(kernel: Kernel, tokenFd: number | undefined) {
    this.#kernel = kernel;
    this.#tokenFd = tokenFd;
  }

  /** The descriptor of a module's BTF. Throws a {@linkcode SkepError} when the kernel gives none. */
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
        why: "no BTF id of the kernel that this process may open is this module's",
        fix: "delegate btf_get_fd_by_id, and CAP_SYS_ADMIN in the user namespace",
      });
    }
    fd = this.#stack.use(descriptor).fd;
    this.#open.set(name, fd);
    return fd;
  }

  /** The index of a module's BTF in {@linkcode array}: what stands in a kfunc call's `off`. */
  indexOf(name: string): number {
    const fd = this.open(name);
    const at = this.array.indexOf(fd, 1);
    return at > 0 ? at : this.array.push(fd) - 1;
  }

  /** Closes all of them. */
  [Symbol.dispose](): void {
    this.#stack[Symbol.dispose]();
  }
}
