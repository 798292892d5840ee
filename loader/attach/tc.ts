/**
 * Attaches classic traffic control filters on a clsact qdisc over netlink.
 *
 * @module
 */

import { AttachMethod } from "./kind.ts";
import { INTEGER, oneOf, TEXT_OR_NUMBER } from "./options.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import { attachError, checkAttach } from "./target/error.ts";
import type { AttachableProgram } from "./attachable.ts";
import { Link } from "./link.ts";
import { attributes, NetlinkMessage, REQUEST_ACK } from "./target/netlink.ts";
import { interfaceIndex } from "./target/targets.ts";
import {
  ETH_P_ALL,
  NLM_F_CREATE,
  NLM_F_ECHO,
  NLM_F_EXCL,
  NLM_F_REPLACE,
  RTM_DELTFILTER,
  RTM_NEWQDISC,
  RTM_NEWTFILTER,
  TC_H_CLSACT,
  TC_H_MIN_EGRESS,
  TC_H_MIN_INGRESS,
  TCA_BPF_FD,
  TCA_BPF_FLAG_ACT_DIRECT,
  TCA_BPF_FLAGS,
  TCA_BPF_NAME,
  TCA_KIND,
  TCA_OPTIONS,
} from "../../uapi/netlink.ts";
import { Errno, failed } from "../../uapi/errno.ts";
import { getNumber, viewOf } from "../../uapi/fields.ts";
import { systemStructs, systemStructSizes } from "../../uapi/system_layouts.ts";

/** `TC_H_MAKE(TC_H_CLSACT, minor)`. */
const handle = (minor: number): number => ((TC_H_CLSACT & 0xffff0000) | minor) >>> 0;
const TC_H_CLSACT_HANDLE = handle(0);
const PARENTS = { ingress: handle(TC_H_MIN_INGRESS), egress: handle(TC_H_MIN_EGRESS) } as const;
/** In network byte order. */
const ETH_P_ALL_BE = ETH_P_ALL << 8;

/** Attach options of classic tc programs. */
export interface TcOptions {
  /** The network interface, by name or index. */
  readonly interface?: string | number | undefined;
  /** Direction of the packets. @default {"ingress"} */
  readonly direction?: "ingress" | "egress" | undefined;
  /** Preference of the filter, 1 to 65535: lower runs earlier. @default {chosen by the kernel} */
  readonly priority?: number | undefined;
  /** Handle of the filter. @default {chosen by the kernel} */
  readonly handle?: number | undefined;
}

/** Attach method for `tc` hooks. */
export const tc: AttachMethod<"tc", TcOptions> = new AttachMethod<"tc", TcOptions>({
  kind: "tc",
  options: {
    interface: TEXT_OR_NUMBER,
    direction: oneOf(PARENTS),
    priority: INTEGER,
    handle: INTEGER,
  },
  attach,
});

/**
 * Attaches to a network interface as a direct-action filter of its clsact qdisc. Creates the qdisc if it is
 * missing, and leaves it in place when the filter is detached.
 *
 * There is no link: the filter stays until it is detached or the interface is removed. Prefer
 * `SEC("tcx/ingress")` on Linux 6.6 and later. Minimum kernel: Linux 4.5.
 *
 * @throws {AttachError} when an option is not one of this kind's, or the target is missing or does not exist.
 * @throws {KernelError} when the kernel refuses.
 * @throws {DelegationError} when it refuses because a privilege is missing.
 * @example
 * ```ts ignore
 * import { attachTc } from "@skep/skep/attach";
 *
 * using link = attachTc(object.programs.get("filter"), { interface: "veth0", direction: "egress" });
 * ```
 */
export function attachTc(program: AttachableProgram, options: TcOptions = {}): Link {
  return tc.attach(program, options);
}

function attach(program: AttachableProgram, options: TcOptions): Link {
  const { kernel } = program;
  const index = interfaceIndex(kernel, program.name, options.interface);
  const { direction = "ingress", priority = 0, handle = 0 } = options;
  if (priority < 0 || priority > 0xffff || !Number.isInteger(priority)) {
    throw attachError(program.name, `${priority} is not a priority from 1 to 65535`, {
      errno: "EINVAL",
    });
  }
  const qdisc = kernel.netlink(
    new NetlinkMessage(RTM_NEWQDISC, REQUEST_ACK | NLM_F_CREATE | NLM_F_EXCL)
      .u8(0, 0, 0, 0).u32(index, TC_H_CLSACT_HANDLE, TC_H_CLSACT, 0)
      .attributeText(TCA_KIND, "clsact").build(),
  ).result;
  // EEXIST: the qdisc exists, created earlier by this or another process.
  if (!failed(qdisc, Errno.EEXIST)) {
    checkAttach(qdisc, program.name, "RTM_NEWQDISC", { data: { interface: index } });
  }
  const parent = PARENTS[direction];
  const filter = (programFd: number, flags: number, at: Filter): ReturnType<Kernel["netlink"]> =>
    kernel.netlink(
      new NetlinkMessage(RTM_NEWTFILTER, REQUEST_ACK | NLM_F_CREATE | NLM_F_ECHO | flags)
        .u8(0, 0, 0, 0).u32(index, at.handle, parent, ((at.priority << 16) | ETH_P_ALL_BE) >>> 0)
        .attributeText(TCA_KIND, "bpf")
        .begin(TCA_OPTIONS)
        .attribute32(TCA_BPF_FD, programFd)
        .attributeText(TCA_BPF_NAME, program.name)
        .attribute32(TCA_BPF_FLAGS, TCA_BPF_FLAG_ACT_DIRECT)
        .end().build(),
    );
  const made = filter(program.fd, NLM_F_EXCL, { priority, handle });
  checkAttach(made.result, program.name, "RTM_NEWTFILTER", {
    data: { interface: index, direction, priority, handle },
    why: failed(made.result, Errno.EEXIST)
      ? "a filter with this priority and handle already exists"
      : undefined,
  });
  const place = placeOf(made.answers) ?? { priority, handle };
  return new Link(kernel, {
    kind: "tc",
    program: program.name,
    target: `${options.interface} ${direction}`,
    fd: -1,
    legacy: {
      detach: () =>
        kernel.netlink(
          new NetlinkMessage(RTM_DELTFILTER, REQUEST_ACK)
            .u8(0, 0, 0, 0)
            .u32(index, place.handle, parent, ((place.priority << 16) | ETH_P_ALL_BE) >>> 0)
            .attributeText(TCA_KIND, "bpf").build(),
        ).result,
      update: (programFd) => filter(programFd, NLM_F_REPLACE, place).result,
    },
  });
}

interface Filter {
  readonly priority: number;
  readonly handle: number;
}

/** Reads the filter's priority and handle from the kernel's echo: `struct tcmsg` after the header. */
function placeOf(answers: readonly Uint8Array[]): Filter | undefined {
  for (const answer of answers) {
    const { nlmsghdr, tcmsg } = systemStructs;
    const start = systemStructSizes.nlmsghdr;
    const end = start + systemStructSizes.tcmsg;
    if (answer.length < end) continue;
    if (getNumber(viewOf(answer), nlmsghdr.nlmsg_type) !== RTM_NEWTFILTER) continue;
    const kind = attributes(answer.subarray(end)).get(TCA_KIND);
    if (kind === undefined || !new TextDecoder().decode(kind).startsWith("bpf")) continue;
    const message = viewOf(answer.subarray(start));
    return {
      handle: getNumber(message, tcmsg.tcm_handle),
      priority: getNumber(message, tcmsg.tcm_info) >>> 16,
    };
  }
  return undefined;
}
