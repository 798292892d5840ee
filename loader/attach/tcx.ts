/**
 * Attaches to tcx hooks: traffic control by link, with an ordered list of programs.
 *
 * @module
 */

import { AttachMethod } from "./kind.ts";
import { LINK_OR_COMMAND, oneOf, TEXT_OR_NUMBER } from "./options.ts";
import type { TcxAttachSpec } from "../../object/section/attach_spec.ts";
import { AttachType } from "../../uapi/enums.ts";
import { ANCHOR, type AnchorOptions } from "./anchor.ts";
import { attachToInterface } from "./interface_hook.ts";
import { type AttachableProgram, loadedFor } from "./attachable.ts";
import type { Link } from "./link.ts";
import { interfaceIndex } from "./target/targets.ts";
import { Errno } from "../../uapi/errno.ts";

/** Attach options of tcx programs. */
export interface TcxOptions extends AnchorOptions {
  /** The network interface, by name or index. */
  readonly interface?: string | number | undefined;
  /** Direction of the packets. @default {as in the section} */
  readonly direction?: "ingress" | "egress" | undefined;
  /**
   * `"command"` attaches without a link (BPF_PROG_ATTACH): the program then stays attached when the process
   * is killed. @default {"link"}
   */
  readonly via?: "link" | "command" | undefined;
}

/** Attach method for `tcx` hooks. */
export const tcx: AttachMethod<"tcx", TcxOptions> = new AttachMethod<"tcx", TcxOptions>({
  kind: "tcx",
  options: {
    ...ANCHOR,
    interface: TEXT_OR_NUMBER,
    direction: oneOf({ ingress: true, egress: true }),
    via: LINK_OR_COMMAND,
  },
  attach,
});

/**
 * Attaches to a network interface's traffic control hook. Minimum kernel: Linux 6.6.
 *
 * @throws {AttachError} when an option is not one of this kind's, or the target is missing or does not exist.
 * @throws {KernelError} when the kernel refuses.
 * @throws {DelegationError} when it refuses because a privilege is missing.
 * @example
 * ```ts ignore
 * import { attachTcx } from "@skep/skep/attach";
 *
 * using link = attachTcx(object.programs.get("filter"), { interface: "veth0", before: "all" });
 * ```
 */
export function attachTcx(program: AttachableProgram, options: TcxOptions = {}): Link {
  return tcx.attach(program, options);
}

function attach(
  program: AttachableProgram,
  options: TcxOptions,
  spec: TcxAttachSpec | undefined,
): Link {
  const { kernel } = program;
  const index = interfaceIndex(kernel, program.name, options.interface);
  const direction = options.direction ?? spec?.direction ??
    (loadedFor(program) === "tcx_egress" ? "egress" : "ingress");
  const target = `${options.interface} ${direction}`;
  const attachType = direction === "egress" ? AttachType.tcx_egress : AttachType.tcx_ingress;
  return attachToInterface(kernel, program, {
    kind: "tcx",
    target,
    index,
    attachType,
    data: { interface: index, direction },
    refusals: { [-Errno.EINVAL]: { fix: 'use SEC("tc") before Linux 6.6' } },
  }, options);
}
