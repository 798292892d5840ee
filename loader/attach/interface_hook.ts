/**
 * Attaches to interface hooks that hold an ordered list of programs (mprog): tcx and netkit.
 *
 * @module
 */

import type { Kernel } from "../../kernel/kernel.ts";
import { anchorOf, type AnchorOptions } from "./anchor.ts";
import { attachByCommand } from "./command.ts";
import { checkAttach } from "./target/error.ts";
import type { AttachableProgram } from "./attachable.ts";
import { Link } from "./link.ts";
import { Errno, failed } from "../../uapi/errno.ts";

/** One hook of one interface. */
export interface InterfaceHook {
  /** The hook's kind, for {@linkcode Link.kind}. */
  readonly kind: "tcx" | "netkit";
  /** Name of the target, for messages. */
  readonly target: string;
  /** Index of the interface. */
  readonly index: number;
  /** Number of the attach type. */
  readonly attachType: number;
  /** Data of errors. */
  readonly data: { readonly [key: string]: string | number };
  /** Explanations of refusals specific to this hook, by `-errno`. */
  readonly refusals: {
    readonly [result: number]: {
      readonly why?: string | undefined;
      readonly fix?: string | undefined;
    };
  };
}

/** Attaches by a link, or by BPF_PROG_ATTACH with `via: "command"`. */
export function attachToInterface(
  kernel: Kernel,
  program: AttachableProgram,
  hook: InterfaceHook,
  options: AnchorOptions & { readonly via?: "link" | "command" | undefined },
): Link {
  const { kind, target, index, attachType, data } = hook;
  if (options.via === "command") {
    return attachByCommand(kernel, program, {
      kind,
      target,
      hook: { index },
      attachType,
      anchor: options,
      replaces: true,
      data,
    });
  }
  const anchor = anchorOf(program.name, options);
  const fd = kernel.linkCreate({
    programFd: program.fd,
    target: index,
    attachType,
    flags: anchor?.flags,
    extra: anchor && { kind: "anchor", anchor },
  });
  checkAttach(fd, program.name, "BPF_LINK_CREATE", {
    data,
    why: failed(fd, Errno.ENOENT)
      ? `the program named by before/after is not attached to ${target}`
      : failed(fd, Errno.ESTALE)
      ? "the hook's programs have changed since expectedRevision was read"
      : undefined,
    ...hook.refusals[fd],
  });
  return new Link(kernel, { kind, program: program.name, target, fd });
}
