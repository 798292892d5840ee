/**
 * Traffic control by link: tcx, with a place among others.
 *
 * @module
 */

import type { Kernel } from "../../kernel/kernel.ts";
import { AttachType } from "../../uapi/enums.ts";
import type { AnchorOptions } from "./anchor.ts";
import { attachToInterface } from "./interface_hook.ts";
import type { AttachableProgram, Link } from "./link.ts";
import { interfaceIndex } from "./targets.ts";

const EINVAL = -22;

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
  return attachToInterface(kernel, program, {
    kind: "tcx",
    target,
    index,
    attachType,
    data: { interface: index, direction },
    refusals: { [EINVAL]: { fix: 'before Linux 6.6 attach it as SEC("tc")' } },
  }, options);
}
