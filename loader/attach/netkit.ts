/**
 * netkit devices: a program on either side of a pair.
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

/** Where a netkit program goes. */
export interface NetkitOptions extends AnchorOptions {
  /** The primary netkit device, by name or index. */
  readonly interface?: string | number | undefined;
  /** Whether on the peer's side; the section says it. */
  readonly peer?: boolean | undefined;
  /** `"command"` attaches without a link (BPF_PROG_ATTACH): it stays when the process ends. */
  readonly via?: "link" | "command" | undefined;
}

/** How programs attach to `netkit` hooks. */
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
 * @throws AttachError, KernelError or DelegationError, as {@linkcode attachProgram}.
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
        why: `"${options.interface}" is the peer of its pair: attach to the primary`,
      },
    },
  }, options);
}
