/**
 * Attaches XDP programs to network devices.
 *
 * @module
 */

import { AttachMethod } from "./kind.ts";
import { oneOf, TEXT_OR_NUMBER } from "./options.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import type { XdpAttachSpec } from "../../object/section/attach_spec.ts";
import { AttachType } from "../../uapi/enums.ts";
import { attachError, checkAttach } from "./target/error.ts";
import type { AttachableProgram } from "./attachable.ts";
import { Link } from "./link.ts";
import { NetlinkMessage, REQUEST_ACK } from "./target/netlink.ts";
import { interfaceIndex } from "./target/targets.ts";
import {
  IFLA_XDP,
  IFLA_XDP_EXPECTED_FD,
  IFLA_XDP_FD,
  IFLA_XDP_FLAGS,
  RTM_SETLINK,
  XDP_FLAGS_DRV_MODE,
  XDP_FLAGS_HW_MODE,
  XDP_FLAGS_REPLACE,
  XDP_FLAGS_SKB_MODE,
  XDP_FLAGS_UPDATE_IF_NOEXIST,
} from "../../uapi/netlink.ts";
import { Errno, failed } from "../../uapi/errno.ts";

/** Where XDP runs: on the socket buffer (generic), in the driver, or on the device (offload). */
export type XdpMode = "generic" | "driver" | "offload";

const MODES: { readonly [mode in XdpMode]: number } = {
  generic: XDP_FLAGS_SKB_MODE,
  driver: XDP_FLAGS_DRV_MODE,
  offload: XDP_FLAGS_HW_MODE,
};

/** Attach options of XDP programs. */
export interface XdpOptions {
  /** The network interface, by name or index. Required. */
  readonly interface?: string | number | undefined;
  /** Where the program runs. @default {"driver" if the driver supports XDP, else "generic"} */
  readonly mode?: XdpMode | undefined;
  /**
   * `"netlink"` attaches without a link, as kernels before Linux 5.9 require: the program stays on the device
   * until it is detached, also after the process has ended. @default {"link"}
   */
  readonly via?: "link" | "netlink" | undefined;
}

/** Attach method for `xdp` hooks. */
export const xdp: AttachMethod<"xdp", XdpOptions> = new AttachMethod<"xdp", XdpOptions>({
  kind: "xdp",
  options: {
    interface: TEXT_OR_NUMBER,
    mode: oneOf(MODES),
    via: oneOf({ link: true, netlink: true }),
  },
  attach,
});

/**
 * Attaches to a network interface. Minimum kernel: Linux 5.9 for a link, 4.8 by netlink.
 *
 * @throws {AttachError} when an option is not one of this kind's, or the target is missing or does not exist.
 * @throws {KernelError} when the kernel refuses.
 * @throws {DelegationError} when it refuses because a privilege is missing.
 * @example
 * ```ts ignore
 * import { attachXdp } from "@skep/skep/attach";
 *
 * using link = attachXdp(object.programs.get("count"), { interface: "veth0", mode: "generic" });
 * ```
 */
export function attachXdp(program: AttachableProgram, options: XdpOptions = {}): Link {
  return xdp.attach(program, options);
}

function attach(
  program: AttachableProgram,
  options: XdpOptions,
  spec: XdpAttachSpec | undefined,
): Link {
  const { kernel } = program;
  if (spec !== undefined && spec.at !== "device") {
    throw attachError(program.name, `it runs from a ${spec.at}: store it in the map's value`, {
      errno: "EOPNOTSUPP",
    });
  }
  const index = interfaceIndex(kernel, program.name, options.interface);
  const target = String(options.interface);
  const flags = options.mode === undefined ? 0 : MODES[options.mode];
  const data = { interface: index, mode: options.mode ?? "default" };
  if (options.via === "netlink") return attachByNetlink(kernel, program, index, target, flags);
  const fd = kernel.linkCreate({
    programFd: program.fd,
    target: index,
    attachType: AttachType.xdp,
    flags,
  });
  checkAttach(fd, program.name, "BPF_LINK_CREATE", {
    data,
    why: failed(fd, Errno.EINVAL) && typeof options.interface === "number"
      ? `this network namespace has no interface ${target} that supports XDP`
      : failed(fd, Errno.EBUSY)
      ? `an XDP program is already attached to ${target}`
      : failed(fd, Errno.EOPNOTSUPP)
      ? `${target} does not support XDP in ${data.mode} mode`
      : undefined,
  });
  return new Link(kernel, { kind: "xdp", program: program.name, target, fd });
}

function attachByNetlink(
  kernel: Kernel,
  program: AttachableProgram,
  index: number,
  target: string,
  mode: number,
): Link {
  const result = setXdp(kernel, index, program.fd, mode | XDP_FLAGS_UPDATE_IF_NOEXIST);
  checkAttach(result, program.name, "RTM_SETLINK", {
    data: { interface: index },
    why: failed(result, Errno.EBUSY, Errno.EEXIST)
      ? `an XDP program is already attached to ${target}`
      : undefined,
  });
  // XDP_FLAGS_REPLACE names the expected program by descriptor. The duplicate keeps it identified, so that
  // detaching never removes a program that another process attached meanwhile.
  let expected = checkAttach(kernel.dup(program.fd), program.name, "fcntl");
  return new Link(kernel, {
    kind: "xdp",
    program: program.name,
    target,
    fd: -1,
    legacy: {
      detach: () => setXdp(kernel, index, -1, mode | XDP_FLAGS_REPLACE, expected),
      update: (programFd) => {
        const replaced = setXdp(kernel, index, programFd, mode | XDP_FLAGS_REPLACE, expected);
        if (replaced < 0) return replaced;
        kernel.close(expected);
        expected = kernel.dup(programFd);
        return replaced;
      },
    },
    closed: () => kernel.close(expected),
  });
}

function setXdp(
  kernel: Kernel,
  index: number,
  fd: number,
  flags: number,
  expectedFd?: number,
): number {
  const message = new NetlinkMessage(RTM_SETLINK, REQUEST_ACK)
    .u8(0, 0).u16(0).u32(index, 0, 0)
    .begin(IFLA_XDP).attribute32(IFLA_XDP_FD, fd).attribute32(IFLA_XDP_FLAGS, flags);
  if (expectedFd !== undefined) message.attribute32(IFLA_XDP_EXPECTED_FD, expectedFd);
  return kernel.netlink(message.end().build()).result;
}
