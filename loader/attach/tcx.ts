/**
 * Traffic control by link: tcx, with a place among others.
 *
 * @module
 */

import type { Kernel } from "../../kernel/kernel.ts";
import { AttachType } from "../../object/kernel_enums.ts";
import { anchorOf, type AnchorOptions } from "./anchor.ts";
import { attachByCommand } from "./command.ts";
import { checkAttach } from "./error.ts";
import { type AttachableProgram, Link } from "./link.ts";
import { interfaceIndex } from "./targets.ts";

/** Where a tcx program goes. */
export interface TcxOptions extends AnchorOptions {
  /** The network interface, by name or index. */
  readonly interface?: string | number;
  /** Packets coming in or going out. */
  readonly direction?: "ingress" | "egress";
  /** `"command"` attaches without a link (BPF_PROG_ATTACH): it stays when the process ends. */
  readonly via?: "link" | "command";
}

/** Attaches to a network interface's traffic control hook. Minimum kernel: Linux 6.6. */
export function attachTcx(kernel: Kernel, program: AttachableProgram, options: TcxOptions): Link {
  const index = interfaceIndex(kernel, program.name, options.interface);
  const direction = options.direction ??
    (program.spec.expectedAttachType === "tcx_egress" ? "egress" : "ingress");
  const target = `${options.interface} ${direction}`;
  const attachType = direction === "egress" ? AttachType.tcx_egress : AttachType.tcx_ingress;
  const data = { interface: index, direction };
  if (options.via === "command") {
    return attachByCommand(kernel, program, {
      kind: "tcx",
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
    ...(anchor === undefined ? {} : { flags: anchor.flags, extra: { kind: "anchor", anchor } }),
  });
  checkAttach(fd, program.name, "BPF_LINK_CREATE", {
    data,
    ...(fd === -22 ? { fix: 'before Linux 6.6 attach it as SEC("tc")' } : {}),
    ...(fd === -2 ? { why: `what it is to stand beside is not attached to ${target}` } : {}),
    ...(fd === -116 ? { why: "the hook's programs have changed since the revision given" } : {}),
  });
  return new Link(kernel, { kind: "tcx", program: program.name, target, fd });
}
