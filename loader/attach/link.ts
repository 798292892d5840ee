/**
 * An attachment, as `attach()` returns it: updates, pins and detaches the program.
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

/** A loaded program: its descriptor, and its name for messages. */
export interface ProgramHandle {
  /** Descriptor of the program. */
  readonly fd: number;
  /** The program's name. */
  readonly name: string;
}

/** Detaches or updates an attachment that has no kernel link. */
export interface Legacy {
  /** Detaches the program. Called once. Returns zero or `-errno`. */
  detach(): number;
  /** Replaces the program, if the hook supports it. Returns zero or `-errno`. */
  readonly update?: ((programFd: number) => number) | undefined;
}

/** Constructor arguments of {@linkcode Link}. */
export interface LinkParts {
  /** The hook's kind: `"xdp"`, `"kprobe"` … */
  readonly kind: string;
  /** The program's name, for messages. */
  readonly program: string;
  /** Name of the target, for messages: `"eth0"`, `"sched/sched_switch"`. */
  readonly target: string;
  /** Descriptor of the kernel's link, or -1. */
  readonly fd: number;
  /** Descriptors that are closed with the link: perf events, targets. */
  readonly descriptors?: readonly number[] | undefined;
  /** Set when there is no kernel link. */
  readonly legacy?: Legacy | undefined;
  /** Links that this one consists of. */
  readonly parts?: readonly Link[] | undefined;
  /** Called once, after the program is detached. */
  readonly closed?: (() => void) | undefined;
}

/**
 * An attachment. Disposing it detaches the program, unless the link is pinned.
 *
 * The kernel detaches a link when its last descriptor closes, also when the process is killed. An attachment
 * without a kernel link has {@linkcode Link.fd} -1 and may outlive the process.
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
  /** Name of the target, for messages. */
  readonly target: string;

  readonly #kernel: Kernel;
  readonly #parts: LinkParts;
  #fd: number;
  #open = true;

  /**
   * Takes over the descriptors. Called by the attach functions.
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

  /** Opens a pinned link. */
  static open(kernel: Kernel, path: string): Link {
    const fd = kernel.objectGet(path);
    if (fd < 0) throw refusal("open link", path, "BPF_OBJ_GET", fd);
    return Link.fromFd(kernel, fd, path);
  }

  /** Opens a link of any process by its id. Requires CAP_SYS_ADMIN. */
  static fromId(kernel: Kernel, id: number): Link {
    const fd = kernel.getFdById("link", id);
    if (fd < 0) throw refusal("open link", String(id), "BPF_LINK_GET_FD_BY_ID", fd);
    return Link.fromFd(kernel, fd, `id ${id}`);
  }

  /** Takes over a descriptor of a link. Closes it when it throws. */
  static fromFd(kernel: Kernel, fd: number, target: string = `fd ${fd}`): Link {
    const { result, bytes } = kernel.objectInfo(fd, structSizes.bpf_link_info);
    if (result < 0) {
      kernel.close(fd);
      throw refusal("open link", target, "BPF_OBJ_GET_INFO_BY_FD", result);
    }
    const info = parseLinkInfo(bytes);
    kernel.takeOver(fd, "link");
    return new Link(kernel, { kind: info.type, program: `id ${info.programId}`, target, fd });
  }

  /** Descriptor of the kernel's link, or -1 when there is none or the link is closed. */
  get fd(): number {
    return this.#fd;
  }

  /** Whether this link has not been closed. Another process may have detached the program since. */
  get attached(): boolean {
    return this.#open;
  }

  /** The links that this one consists of; empty for most. */
  get parts(): readonly Link[] {
    return this.#parts.parts ?? [];
  }

  /** Reads `bpf_link_info`; undefined when there is no kernel link. Minimum kernel: Linux 5.8. */
  info(): LinkInfo | undefined {
    this.#mustBeOpen("inspect");
    if (this.#fd < 0) return undefined;
    const info = readLinkInfo(this.#kernel, this.#fd);
    if (typeof info !== "number") return info;
    throw refusal("read link", this.program, "BPF_OBJ_GET_INFO_BY_FD", info);
  }

  /**
   * Replaces the program atomically.
   *
   * @param program The new program, of the same type and attach type.
   * @param options `replace`: the program expected to be attached; the kernel refuses with EPERM when another
   * is. Attachments without a kernel link ignore it.
   * @throws {KernelError} when the kernel refuses.
   * @throws {AttachError} EOPNOTSUPP when attachments of this kind cannot be updated.
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
      throw attachError(program.name, `${this.kind} attachments cannot be updated`, {
        errno: "EOPNOTSUPP",
        fix: "detach it and attach the new program",
      });
    }
    if (result >= 0) return;
    const why = failed(result, Errno.EPERM) && options.replace !== undefined
      ? `${options.replace.name} is not the attached program`
      : failed(result, Errno.EINVAL)
      ? `${program.name} has another type or attach type, or ${this.kind} links cannot be updated`
      : undefined;
    throw refusal("update link", this.program, "BPF_LINK_UPDATE", result, why);
  }

  /**
   * Detaches the program now, even if the link is pinned or open elsewhere.
   *
   * Link types without BPF_LINK_DETACH (tracing, perf events: EOPNOTSUPP) are closed instead, which detaches
   * the program unless the link is pinned or open elsewhere.
   */
  detach(): void {
    if (!this.#open) return;
    if (this.#fd >= 0) this.#kernel.linkDetach(this.#fd);
    this.close();
  }

  /** Pins the link in a BPF file system, so that it outlives this process. */
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

  /** A closed link has lost its descriptors: updating it would re-create a filter that nothing removes. */
  #mustBeOpen(doing: string): void {
    if (this.#open) return;
    throw disposedError(`${doing} link`, this.program, "attach");
  }

  /**
   * Hands over the link's descriptor without detaching: disposing the link then has no effect, and the program
   * stays attached until the caller closes the descriptor. Other descriptors of the attachment are closed.
   *
   * @returns The descriptor, or -1 when there is no kernel link.
   */
  release(): number {
    const fd = this.#fd;
    this.#fd = -1;
    this.#open = false;
    for (const descriptor of this.#parts.descriptors ?? []) this.#kernel.close(descriptor);
    if (fd >= 0) this.#kernel.handOver(fd);
    return fd;
  }

  /** Closes the link, which detaches the program unless the link is pinned or open elsewhere. */
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
