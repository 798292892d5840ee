/**
 * From what a section says to a link: one function for all kinds.
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
 * The options of every kind, for a program whose kind the compiler does not know: an option that the
 * program's kind does not read is refused. Options override the section.
 *
 * Where the kind is known, use the function of the kind (`attachXdp`, `attachKprobe` …), which takes
 * its options alone.
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
  /** Without a link: `"netlink"` for XDP, `"command"` for cgroups, tcx, netkit and sockmaps. */
  readonly via?: "link" | "netlink" | "command" | undefined;
}

/** The names of the options of all kinds. */
export type AttachOptionName = {
  [Kind in AttachKind]: keyof AttachOptionsByKind[Kind];
}[AttachKind];

/**
 * Attaches a program as its section says, with what the options add.
 *
 * @throws AttachError for an option that its kind does not read, and when a target is missing or does not
 * exist; KernelError when the kernel refuses; DelegationError when it refuses for a reason that has to do
 * with privileges.
 */
export function attachProgram(program: AttachableProgram, options: AttachOptions = {}): Link {
  // A type error here: AttachOptions lacks the options of a kind.
  const given: Pick<AttachOptions, AttachOptionName> = options;
  return attachKinds[program.spec.attach.kind].attach(program, given);
}
