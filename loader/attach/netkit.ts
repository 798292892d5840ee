/**
 * Attaches to netkit devices, on either side of the pair.
 *
 * @module
 */

import { AttachMethod } from "./kind.ts";
import { BOOLEAN, LINK_OR_COMMAND, TEXT_OR_NUMBER } from "./options.ts";
import type { NetkitAttachSpec } from "../../object/section/attach_spec.ts";
import { AttachType } from "../../uapi/enums.ts";
import { ANCHOR, type AnchorOptions } from "./anchor.ts";
import { attachToInterface } from "./interface_hook.ts";
import { type AttachableProgram, loadedFor } from "./attachable.ts";
import type { Link } from "./link.ts";
import { interfaceIndex } from "./target/targets.ts";
import { Errno } from "../../uapi/errno.ts";

/** Attach options of netkit programs. */
export interface NetkitOptions extends AnchorOptions {
  /** The primary netkit device, by name or index. Required. */
  readonly interface?: string | number | undefined;
  /** Attaches to the peer's side. @default {as in the section} */
  readonly peer?: boolean | undefined;
  /**
   * `"command"` attaches without a link (BPF_PROG_ATTACH): the program then stays attached when the process
   * is killed. @default {"link"}
   */
  readonly via?: "link" | "command" | undefined;
}

/** Attach method for `netkit` hooks. */
export const netkit: AttachMethod<"netkit", NetkitOptions> = new AttachMethod<
  "netkit",
  NetkitOptions
>({
  kind: "netkit",
  options: {
    ...ANCHOR,
    interface: TEXT_OR_NUMBER,
    peer: BOOLEAN,
    via: LINK_OR_COMMAND,
  },
  attach,
});

/**
 * Attaches to a netkit device. Minimum kernel: Linux 6.7.
 *
 * @throws {AttachError} when an option is not one of this kind's, or the target is missing or does not exist.
 * @throws {KernelError} when the kernel refuses.
 * @throws {DelegationError} when it refuses because a privilege is missing.
 * @example
 * ```ts ignore
 * import { attachNetkit } from "@skep/skep/attach";
 *
 * using link = attachNetkit(object.programs.get("filter"), { interface: "nk0", peer: true });
 * ```
 */
export function attachNetkit(program: AttachableProgram, options: NetkitOptions = {}): Link {
  return netkit.attach(program, options);
}

function attach(
  program: AttachableProgram,
  options: NetkitOptions,
  spec: NetkitAttachSpec | undefined,
): Link {
  const { kernel } = program;
  const peer = options.peer ?? spec?.peer ?? loadedFor(program) === "netkit_peer";
  const index = interfaceIndex(kernel, program.name, options.interface);
  const target = `${options.interface}${peer ? " peer" : ""}`;
  const attachType = peer ? AttachType.netkit_peer : AttachType.netkit_primary;
  return attachToInterface(kernel, program, {
    kind: "netkit",
    target,
    index,
    attachType,
    data: { interface: index },
    refusals: {
      [-Errno.ENXIO]: { why: `"${options.interface}" is not a netkit device` },
      [-Errno.EACCES]: {
        why: `"${options.interface}" is the peer of its pair; attach to the primary device`,
      },
    },
  }, options);
}
