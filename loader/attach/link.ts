/**
 * A program's place at a hook: what `attach()` gives, and what takes the program away again.
 *
 * @module
 */

import type { Kernel } from "../../kernel/kernel.ts";
import { Errno, failed } from "../../uapi/errno.ts";
import { disposedError } from "../../errors/disposed.ts";
import { KernelError } from "../../errors/kernel_error.ts";
import { attachError } from "./target/error.ts";
import { type LinkInfo, parseLinkInfo, readLinkInfo } from "./link_info.ts";
import { structSizes } from "../../uapi/layouts.ts";

/** A loaded program: its descriptor, and what messages call it. */
export interface ProgramHandle {
  /** The loaded program. */
  readonly fd: number;
  /** The program's name. */
  readonly name: string;
}

/** How an attachment without a link of the kernel's own is undone and changed. */
export interface Legacy {
  /** Takes the program away. Called once. Answers zero or `-errno`. */
  detach(): number;
  /** Puts another program in its place, where the hook can. Answers zero or `-errno`. */
  readonly update?: ((programFd: number) => number) | undefined;
}

/** What a link is made of. */
export interface LinkParts {
  /** The hook's kind: `"xdp"`, `"kprobe"` … */
  readonly kind: string;
  /** The program's name, for messages. */
  readonly program: string;
  /** What it is attached to, in words: `"eth0"`, `"sched/sched_switch"`. */
  readonly target: string;
  /** The kernel's link, or -1. */
  readonly fd: number;
  /** Descriptors that live as long as the link: perf events, tokens of a hook. */
  readonly descriptors?: readonly number[] | undefined;
  /** Set where the kernel has no link for the hook. */
  readonly legacy?: Legacy | undefined;
  /** Links that make up this one. */
  readonly parts?: readonly Link[] | undefined;
  /** Called once, after the program is gone. */
  readonly closed?: (() => void) | undefined;
}

/**
 * An attachment. Disposing of it detaches the program, unless the link is pinned.
 *
 * A kernel that knows links takes the program away by itself when the process ends, also when it is
 * killed. Attachments without a kernel link say so by {@linkcode Link.fd} being -1.
 *
 * @example
 * ```ts ignore
 * import { BpfObject } from "@skep/skep";
 *
 * using object = await BpfObject.load("xdp_count.bpf.o");
 * using link = object.programs.get("count").attach({ interface: "veth0" });
 * console.log(link.info());
 * ```
 */
export class Link implements Disposable {
  /** The hook's kind. */
  readonly kind: string;
  /** The program's name. */
  readonly program: string;
  /** What it is attached to, in words. */
  readonly target: string;

  readonly #kernel: Kernel;
  readonly #parts: LinkParts;
  #fd: number;
  #open = true;

  /**
   * Takes over the descriptors. Made by the attach functions.
   *
   * @internal
   */
  constructor(kernel: Kernel, parts: LinkParts) {
    this.#kernel = kernel;
    this.#parts = parts;
    this.#fd = parts.fd;
    this.kind = parts.kind;
    this.program = parts.program;
    this.target = parts.target;
  }

  /** A pinned link. */
  static open(kernel: Kernel, path: string): Link {
    const fd = kernel.objectGet(path);
    if (fd < 0) throw refusal("open link", path, "BPF_OBJ_GET", fd);
    return Link.fromFd(kernel, fd, path);
  }

  /** A link of any process, by its id. Needs CAP_SYS_ADMIN. */
  static fromId(kernel: Kernel, id: number): Link {
    const fd = kernel.getFdById("link", id);
    if (fd < 0) throw refusal("open link", String(id), "BPF_LINK_GET_FD_BY_ID", fd);
    return Link.fromFd(kernel, fd, `id ${id}`);
  }

  /** Takes over a descriptor of a link. */
  static fromFd(kernel: Kernel, fd: number, target: string = `fd ${fd}`): Link {
    const { result, bytes } = kernel.objectInfo(fd, structSizes.bpf_link_info);
    if (result < 0) {
      kernel.close(fd);
      throw refusal("open link", target, "BPF_OBJ_GET_INFO_BY_FD", result);
    }
    const info = parseLinkInfo(bytes);
    return new Link(kernel, { kind: info.type, program: `id ${info.programId}`, target, fd });
  }

  /** The kernel's link, or -1 where the hook has none or the link is closed. */
  get fd(): number {
    return this.#fd;
  }

  /** Whether the program is attached, as far as this side knows. */
  get attached(): boolean {
    return this.#open;
  }

  /** The links that this one is made of; empty for most. */
  get parts(): readonly Link[] {
    return this.#parts.parts ?? [];
  }

  /** What the kernel says of the link; undefined where the hook has none. Minimum kernel: Linux 5.8. */
  info(): LinkInfo | undefined {
    this.#mustBeOpen("inspect");
    if (this.#fd < 0) return undefined;
    const info = readLinkInfo(this.#kernel, this.#fd);
    if (typeof info !== "number") return info;
    throw refusal("read link", this.program, "BPF_OBJ_GET_INFO_BY_FD", info);
  }

  /**
   * Puts another program in the place of this one, without a gap.
   *
   * @param program The new program, of the same type and attach type.
   * @param options `replace`: only if this program is still there (else EPERM).
   */
  update(
    program: ProgramHandle,
    options: { readonly replace?: ProgramHandle | undefined } = {},
  ): void {
    this.#mustBeOpen("update");
    if (program.fd < 0) throw disposedError("attach program", program.name, "attach");
    const { legacy, parts } = this.#parts;
    let result: number;
    if (this.#fd >= 0) {
      result = this.#kernel.linkUpdate(this.#fd, program.fd, options.replace?.fd);
    } else if (legacy?.update !== undefined) {
      result = legacy.update(program.fd);
    } else if (parts !== undefined) {
      for (const part of parts) part.update(program, options);
      return;
    } else {
      throw attachError(program.name, `${this.kind} attachments cannot change their program`, {
        errno: "EOPNOTSUPP",
        fix: "detach it and attach the new program",
      });
    }
    if (result >= 0) return;
    const why = failed(result, Errno.EPERM) && options.replace !== undefined
      ? `${options.replace.name} is not the program that is there`
      : failed(result, Errno.EINVAL)
      ? `${program.name} is of another type or attach type, or links of ${this.kind} keep their program`
      : undefined;
    throw refusal("update link", this.program, "BPF_LINK_UPDATE", result, why);
  }

  /**
   * Takes the program away now, even if the link is pinned or held by others.
   *
   * Where the kernel cannot do this (tracing, perf events: EOPNOTSUPP), the link is closed, which
   * detaches the program unless the link is pinned.
   */
  detach(): void {
    if (!this.#open) return;
    if (this.#fd >= 0) this.#kernel.linkDetach(this.#fd);
    this.close();
  }

  /** Makes the link outlive this process, as a file on a bpffs. */
  pin(path: string): void {
    this.#mustBeOpen("pin");
    if (this.#fd < 0) {
      throw attachError(this.program, `${this.kind} attachments without a link cannot be pinned`, {
        errno: "EOPNOTSUPP",
      });
    }
    const result = this.#kernel.objectPin(this.#fd, path);
    const why = failed(result, Errno.EPERM)
      ? "its directory is not in a BPF filesystem"
      : undefined;
    if (result < 0) throw refusal("pin link", path, "BPF_OBJ_PIN", result, why);
  }

  /** A closed link has lost its descriptors; updating it would re-create a filter that nothing removes. */
  #mustBeOpen(doing: string): void {
    if (this.#open) return;
    throw disposedError(`${doing} link`, this.program, "attach");
  }

  /**
   * Gives the descriptor away: disposing of the link then does nothing, and the new owner keeps the
   * program attached.
   */
  release(): number {
    const fd = this.#fd;
    this.#fd = -1;
    this.#open = false;
    for (const descriptor of this.#parts.descriptors ?? []) this.#kernel.close(descriptor);
    return fd;
  }

  /** Closes the link: the program is gone, unless the link is pinned. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    const { legacy, parts, descriptors, closed } = this.#parts;
    legacy?.detach();
    if (this.#fd >= 0) this.#kernel.close(this.#fd);
    this.#fd = -1;
    for (const part of parts ?? []) part.close();
    for (const descriptor of descriptors ?? []) this.#kernel.close(descriptor);
    closed?.();
  }

  /** Closes the link. */
  [Symbol.dispose](): void {
    this.close();
  }
}

function refusal(
  doing: string,
  subject: string,
  command: string,
  result: number,
  why?: string,
): KernelError {
  return new KernelError({ doing, subject, command, result, stage: "attach", why });
}
