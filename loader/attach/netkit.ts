/**
 * netkit devices: a program on either side of a pair.
 *
 * @module
 */

import type { Kernel } from "../../kernel/kernel.ts";
import { AttachType } from "../../uapi/enums.ts";
import type { AnchorOptions } from "./anchor.ts";
import { attachToInterface } from "./interface_hook.ts";
import type { AttachableProgram, Link } from "./link.ts";
import { interfaceIndex } from "./targets.ts";

const ENXIO = -6;
const EACCES = -13;

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
  return attachToInterface(kernel, program, {
    kind: "netkit",
    target,
    index,
    attachType,
    data: { interface: index },
    refusals: {
      [ENXIO]: { why: `"${options.interface}" is not a netkit device` },
      [EACCES]: { why: `"${options.interface}" is the peer of its pair: attach to the primary` },
    },
  }, options);
}
