/**
 * Attaches a program of any kind as its section specifies.
 *
 * @module
 */

import type { AttachKind } from "../../object/section/attach_spec.ts";
import type { AttachableProgram } from "./attachable.ts";
import type { CgroupOptions } from "./cgroup.ts";
import type { FreplaceOptions } from "./freplace.ts";
import type { IteratorOptions } from "./iterator.ts";
import { attachKinds, type AttachOptionsByKind } from "./kinds.ts";
import type { KprobeOptions } from "./kprobe.ts";
import type { KprobeMultiOptions } from "./kprobe_multi.ts";
import type { KsyscallOptions } from "./ksyscall.ts";
import type { Link } from "./link.ts";
import type { LircOptions } from "./lirc.ts";
import type { NetfilterOptions } from "./netfilter.ts";
import type { NetkitOptions } from "./netkit.ts";
import type { NetnsOptions } from "./netns.ts";
import type { PerfEventOptions } from "./perf_event.ts";
import type { RawTracepointOptions } from "./raw_tracepoint.ts";
import type { SocketOptions } from "./socket.ts";
import type { SockmapOptions } from "./sockmap.ts";
import type { TcOptions } from "./tc.ts";
import type { TcxOptions } from "./tcx.ts";
import type { TracepointOptions } from "./tracepoint.ts";
import type { UprobeOptions } from "./uprobe.ts";
import type { UprobeMultiOptions } from "./uprobe_multi.ts";
import type { UsdtOptions } from "./usdt.ts";
import type { XdpOptions } from "./xdp.ts";

/**
 * Attach options of all kinds, for a program whose kind is not known at compile time. An option that the
 * program's kind does not read is refused with EINVAL. Options override the section.
 *
 * Where the kind is known, prefer that kind's function (`attachXdp`, `attachKprobe` …), which accepts only
 * the options of its kind.
 */
export interface AttachOptions
  extends
    Omit<CgroupOptions, "via">,
    FreplaceOptions,
    IteratorOptions,
    KprobeOptions,
    KprobeMultiOptions,
    KsyscallOptions,
    LircOptions,
    NetfilterOptions,
    Omit<NetkitOptions, "via">,
    NetnsOptions,
    PerfEventOptions,
    RawTracepointOptions,
    SocketOptions,
    Omit<SockmapOptions, "via">,
    TcOptions,
    Omit<TcxOptions, "via">,
    TracepointOptions,
    UprobeOptions,
    UprobeMultiOptions,
    UsdtOptions,
    Omit<XdpOptions, "via"> {
  /**
   * Attaches without a link: `"netlink"` for XDP; `"command"` (BPF_PROG_ATTACH) for cgroups, tcx, netkit and
   * sockmaps.
   */
  readonly via?: "link" | "netlink" | "command" | undefined;
}

/** Names of the options of all kinds. */
export type AttachOptionName = {
  [Kind in AttachKind]: keyof AttachOptionsByKind[Kind];
}[AttachKind];

/**
 * Attaches a program as its section specifies. Options add to the section or override it.
 *
 * @throws {AttachError} when an option is not one of the program's kind, or the target is missing or does
 * not exist.
 * @throws {KernelError} when the kernel refuses.
 * @throws {DelegationError} when it refuses because a privilege is missing.
 */
export function attachProgram(program: AttachableProgram, options: AttachOptions = {}): Link {
  // A type error on this line means that AttachOptions lacks the options of a kind.
  const given: Pick<AttachOptions, AttachOptionName> = options;
  return attachKinds[program.spec.attach.kind].attach(program, given);
}
