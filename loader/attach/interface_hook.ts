/**
 * Hooks of a network interface that hold several programs in order (mprog): tcx and netkit.
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

/** Which hook, of which interface. */
export interface InterfaceHook {
  /** The link's kind. */
  readonly kind: "tcx" | "netkit";
  /** What messages call the place. */
  readonly target: string;
  /** The interface. */
  readonly index: number;
  /** The number of the attach type. */
  readonly attachType: number;
  /** For errors. */
  readonly data: { readonly [key: string]: string | number };
  /** What the kernel means by the errnos that are the hook's own. */
  readonly refusals: {
    readonly [result: number]: {
      readonly why?: string | undefined;
      readonly fix?: string | undefined;
    };
  };
}

/** Attaches by link, or by command where the options say so. */
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
      ? "the hook's programs have changed since the revision given"
      : undefined,
    ...hook.refusals[fd],
  });
  return new Link(kernel, { kind, program: program.name, target, fd });
}
