/**
 * netkit devices: a program on either side of a pair.
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

/** Where a netkit program goes. */
export interface NetkitOptions extends AnchorOptions {
  /** The primary netkit device, by name or index. */
  readonly interface?: string | number;
  /** Whether on the peer's side; the section says it. */
  readonly peer?: boolean;
  /** `"command"` attaches without a link (BPF_PROG_ATTACH): it stays when the process ends. */
  readonly via?: "link" | "command";
}

/** Attaches to a netkit device. Minimum kernel: Linux 6.7. */
export function attachNetkit(
  kernel: Kernel,
  program: AttachableProgram,
  options: NetkitOptions,
): Link {
  const index = interfaceIndex(kernel, program.name, options.interface);
  const target = `${options.interface}${options.peer === true ? " peer" : ""}`;
  const attachType = options.peer === true ? AttachType.netkit_peer : AttachType.netkit_primary;
  const data = { interface: index };
  if (options.via === "command") {
    return attachByCommand(kernel, program, {
      kind: "netkit",
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
    ...(fd === -6 ? { why: `"${options.interface}" is not a netkit device` } : {}),
    ...(fd === -13
      ? { why: `"${options.interface}" is the peer of its pair: attach to the primary` }
      : {}),
    ...(fd === -116 ? { why: "the hook's programs have changed since the revision given" } : {}),
  });
  return new Link(kernel, { kind: "netkit", program: program.name, target, fd });
}
