/**
 * From what a section says to a link: one function for all kinds.
 *
 * @module
 */

import { Errno } from "../../uapi/errno.ts";
import { KernelError } from "../../errors/kernel_error.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import type { AttachSpec } from "../../object/section/attach_spec.ts";
import { AttachType, type AttachTypeName } from "../../uapi/enums.ts";
import { explainRefusal } from "../../token/explain/refusal.ts";
import { explainUnavailable } from "../features/availability.ts";
import type { RequirementKind } from "../features/requirements.ts";
import type { AnchorOptions } from "./anchor.ts";
import {
  attachKprobeAsMulti,
  attachUprobeAsMulti,
  isKprobeMulti,
  isUprobeMulti,
} from "./probe_as_multi.ts";
import { attachCgroup } from "./cgroup.ts";
import { attachError } from "./error.ts";
import { attachFreplace, type FreplaceOptions } from "./freplace.ts";
import { attachIterator, type CgroupOrder } from "./iterator.ts";
import { attachKprobe } from "./kprobe.ts";
import { attachKprobeMulti } from "./kprobe_multi.ts";
import { attachKsyscall } from "./ksyscall.ts";
import type { AttachableProgram, Link } from "./link.ts";
import { attachLirc } from "./lirc.ts";
import { attachNetfilter, type NetfilterOptions } from "./netfilter.ts";
import { attachNetkit } from "./netkit.ts";
import { attachNetns } from "./netns.ts";
import type { PerfLinkOptions } from "./perf.ts";
import { attachPerfEvent, type PerfEventOptions } from "./perf_event.ts";
import { attachRawTracepoint } from "./raw_tracepoint.ts";
import { attachReuseport, attachSocketFilter } from "./socket.ts";
import { attachSockmap } from "./sockmap.ts";
import type { PathOrDescriptor } from "./targets.ts";
import { attachTc, type TcOptions } from "./tc.ts";
import { attachTcx } from "./tcx.ts";
import { attachTracepoint } from "./tracepoint.ts";
import { attachTracing } from "./tracing.ts";
import { attachUprobe } from "./uprobe.ts";
import { attachUprobeMulti } from "./uprobe_multi.ts";
import { attachUsdt } from "./usdt.ts";
import { attachXdp, type XdpMode } from "./xdp.ts";

/**
 * The options of every kind; which ones count depends on the program's section. What the section names
 * need not be given, and what is given goes before it.
 */
export interface AttachOptions
  extends
    AnchorOptions,
    PerfLinkOptions,
    FreplaceOptions,
    Omit<TcOptions, "interface" | "direction">,
    Omit<NetfilterOptions, "priority">,
    Omit<PerfEventOptions, "cookie" | "forceIoctl" | "pid"> {
  /** Tracing and probes: what `bpf_get_attach_cookie` answers in the program. */
  readonly cookie?: bigint;
  /** Multi probes: a cookie for each place. */
  readonly cookies?: readonly bigint[];
  /** XDP, tc, tcx, netkit: the network interface, by name or index. */
  readonly interface?: string | number;
  /** XDP: where in the receive path. */
  readonly mode?: XdpMode;
  /** tc, tcx: packets coming in or going out. */
  readonly direction?: "ingress" | "egress";
  /** netkit: the peer's side. */
  readonly peer?: boolean;
  /** tc, netfilter: the place among the others. */
  readonly priority?: number;
  /** Cgroup hooks, and `iter/cgroup`: the directory, or a descriptor of it. */
  readonly cgroup?: PathOrDescriptor;
  /** Cgroup hooks whose section leaves it open. */
  readonly attachType?: AttachTypeName;
  /** sk_lookup, flow_dissector: the network namespace. */
  readonly netns?: PathOrDescriptor;
  /** Infrared: the device. */
  readonly lirc?: PathOrDescriptor;
  /** Socket filters, reuseport: a descriptor of the socket. */
  readonly socket?: number;
  /** Sockmap programs, and iterators over the elements of a map: the map. */
  readonly map?: { readonly fd: number };
  /** Tracepoints: the category. */
  readonly category?: string;
  /** Tracepoints: the name. */
  readonly tracepoint?: string;
  /** Kprobes, uprobes: the function. */
  readonly function?: string;
  /** Multi probes: the functions. */
  readonly functions?: readonly string[];
  /** Multi probes: a name with `*` and `?`. */
  readonly pattern?: string;
  /** Kprobes: an address. */
  readonly address?: bigint;
  /** kprobe.multi: addresses. */
  readonly addresses?: readonly bigint[];
  /** Kprobes, uprobes: bytes from the function's start. */
  readonly offset?: number;
  /** uprobe.multi: bytes from the file's start. */
  readonly offsets?: readonly bigint[];
  /** Kprobes: how the probe is made. */
  readonly probe?: "perf" | "tracefs";
  /** ksyscall: the system call's bare name. */
  readonly syscall?: string;
  /** Uprobes, USDT: the executable or library. */
  readonly path?: string;
  /** Uprobes: the symbol's version. */
  readonly version?: string;
  /** Uprobes: a counter that the kernel raises while the probe is there. */
  readonly referenceCounterOffset?: number;
  /** uprobe.multi: such counters. */
  readonly referenceCounterOffsets?: readonly bigint[];
  /** USDT: the provider. */
  readonly provider?: string;
  /** USDT: the probe's name. */
  readonly name?: string;
  /** Uprobes, USDT, perf events, task iterators: the process. */
  readonly pid?: number;
  /** Task iterators: the thread. */
  readonly tid?: number;
  /** `iter/cgroup`: the way through the cgroups. */
  readonly order?: CgroupOrder;
  /** Without a link: `"netlink"` for XDP, `"command"` for cgroups, tcx, netkit and sockmaps. */
  readonly via?: "link" | "netlink" | "command";
}

/**
 * Attaches a program as its section says, with what the options add.
 *
 * @throws AttachError when a target is missing or does not exist; KernelError when the kernel refuses;
 * DelegationError when it refuses for a reason that has to do with privileges.
 */
export function attachProgram(
  kernel: Kernel,
  program: AttachableProgram,
  plan: AttachSpec,
  options: AttachOptions = {},
): Link {
  try {
    return attachByPlan(kernel, program, plan, options);
  } catch (error) {
    throw explained(kernel, program, error);
  }
}

/** The error, or a better one that knows which privilege is missing. */
function explained(kernel: Kernel, program: AttachableProgram, error: unknown): unknown {
  if (!(error instanceof KernelError)) return error;
  if (error.number !== Errno.EPERM && error.number !== Errno.EACCES) return error;
  const { type, section, expectedAttachType } = program.spec;
  return explainRefusal(kernel, {
    command: error.command,
    doing: error.doing,
    subject: error.subject,
    errno: -error.number,
    program: {
      type,
      section,
      attachType: expectedAttachType === undefined ? 0 : AttachType[expectedAttachType],
    },
  }) ?? error;
}

function attachByPlan(
  kernel: Kernel,
  program: AttachableProgram,
  plan: AttachSpec,
  options: AttachOptions,
): Link {
  if (plan.problem !== undefined) {
    throw attachError(program.name, plan.problem, {
      errno: "EINVAL",
      data: { section: program.spec.section },
    });
  }
  try {
    return attachAs(kernel, program, plan, options);
  } catch (error) {
    throw explainUnavailable(kernel, error, featuresOf(plan)) ?? error;
  }
}

/** What the kernel has to have for a plan. */
function featuresOf(plan: AttachSpec): readonly (readonly [RequirementKind, string])[] {
  const session = "session" in plan && plan.session;
  return [
    ["hook", plan.kind],
    ...(session && plan.kind === "kprobe_multi" ? [["ability", "kprobe_session"] as const] : []),
    ...(session && plan.kind === "uprobe_multi" ? [["ability", "uprobe_session"] as const] : []),
  ];
}

function attachAs(
  kernel: Kernel,
  program: AttachableProgram,
  plan: AttachSpec,
  options: AttachOptions,
): Link {
  // The kinds take what concerns them; `via` has fewer words in each than in all.
  const { via, ...own } = options;
  const byCommand = via === "command" ? { via } : {};
  switch (plan.kind) {
    case "kprobe": {
      const attach = isKprobeMulti(program) ? attachKprobeAsMulti : attachKprobe;
      return attach(kernel, program, merge(plan, options, ["function", "offset", "returns"]));
    }
    case "kprobe_multi":
      return attachKprobeMulti(kernel, program, {
        ...onePlace(plan.pattern, options, ["pattern", "functions", "addresses"]),
        returns: plan.returns,
        session: plan.session,
      });
    case "ksyscall":
      return attachKsyscall(kernel, program, merge(plan, options, ["syscall", "returns"]));
    case "uprobe": {
      const keys = ["path", "function", "version", "offset", "returns"] as const;
      const attach = isUprobeMulti(program) ? attachUprobeAsMulti : attachUprobe;
      return attach(kernel, program, merge(plan, options, keys));
    }
    case "uprobe_multi":
      return attachUprobeMulti(kernel, program, {
        ...onePlace(plan.pattern, options, ["pattern", "functions", "offsets"]),
        ...merge(plan, options, ["path"]),
        ...onePlace(plan.pattern, options, ["pattern", "functions", "offsets"]),
        returns: plan.returns,
        session: plan.session,
      });
    case "usdt":
      return attachUsdt(kernel, program, merge(plan, options, ["path", "provider", "name"]));
    case "tracepoint":
      // Loaded with a token, a program that does not look at its context is one for raw tracepoints.
      if (program.spec.type === "raw_tracepoint") {
        const tracepoint = (options.tracepoint ?? plan.name)?.replace(/^.*\//, "");
        return attachRawTracepoint(kernel, program, { ...own, ...defined({ tracepoint }) });
      }
      return attachTracepoint(kernel, program, {
        ...merge(plan, options, ["category"]),
        ...defined({ tracepoint: options.tracepoint ?? plan.name }),
      });
    case "raw_tracepoint":
      return attachRawTracepoint(kernel, program, {
        ...own,
        ...defined({ tracepoint: options.tracepoint ?? plan.name }),
      });
    case "tp_btf":
      return attachTracing(kernel, program, plan.kind, plan.name ?? "", own);
    case "fentry":
    case "fexit":
    case "fmod_ret":
    case "fsession":
      return attachTracing(kernel, program, plan.kind, plan.function ?? "", own);
    case "lsm":
      return attachTracing(kernel, program, plan.kind, plan.hook ?? "", own);
    case "freplace":
      return attachFreplace(kernel, program, plan.function ?? "", own);
    case "iter":
      return attachIterator(kernel, program, plan.target ?? "", own);
    case "xdp":
      if (plan.at !== "device") {
        throw notAttachable(program, `it runs from a ${plan.at}: put it into the map's value`);
      }
      return attachXdp(kernel, program, via === "netlink" ? { ...own, via } : own);
    case "tcx":
      return attachTcx(kernel, program, { direction: plan.direction, ...own, ...byCommand });
    case "tc":
      return attachTc(kernel, program, own);
    case "netkit":
      return attachNetkit(kernel, program, { peer: plan.peer, ...own, ...byCommand });
    case "cgroup":
    case "lsm_cgroup":
      return attachCgroup(kernel, program, { ...own, ...byCommand });
    case "netns":
      return attachNetns(kernel, program, plan.hook, own);
    case "netfilter":
      return attachNetfilter(kernel, program, own);
    case "sockmap":
    case "sk_msg":
      return attachSockmap(kernel, program, { ...own, ...byCommand });
    case "socket":
      return attachSocketFilter(kernel, program, own);
    case "reuseport":
      return attachReuseport(kernel, program, own);
    case "perf_event":
      return attachPerfEvent(kernel, program, own);
    case "lirc":
      return attachLirc(kernel, program, own);
    case "struct_ops":
      throw notAttachable(program, "it is registered with its map: attach the struct_ops map");
    case "syscall":
      throw notAttachable(program, "it is run by hand: testRun()");
    case "lwt":
      throw notAttachable(program, "it is set up by a route: ip route add … encap bpf");
    case "tracing_multi":
      throw notAttachable(
        program,
        "links to many trampolines at once (Linux 7.2) are not made yet: use a kprobe.multi section",
      );
    case "none":
      throw notAttachable(program, `section "${program.spec.section}" does not say where`);
  }
}

/** The options with the plan's values for `keys` where the options have none. */
function merge<P extends object, O extends object>(
  plan: P,
  options: O,
  keys: readonly (keyof P & string)[],
): O & P {
  const merged = { ...options } as Record<string, unknown>;
  for (const key of keys) {
    if (merged[key] === undefined && plan[key] !== undefined) merged[key] = plan[key];
  }
  return merged as O & P;
}

/** The options, with the plan's pattern unless they name their places in another way. */
function onePlace<O extends { readonly pattern?: string }>(
  pattern: string | undefined,
  options: O,
  keys: readonly (keyof O & string)[],
): O {
  const given = keys.some((key) => options[key] !== undefined);
  return given || pattern === undefined ? options : { ...options, pattern };
}

/** Without the fields that are undefined. */
function defined<T extends object>(fields: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  const result = Object.entries(fields).filter(([, value]) => value !== undefined);
  return Object.fromEntries(result) as { [K in keyof T]?: Exclude<T[K], undefined> };
}

function notAttachable(program: AttachableProgram, why: string): Error {
  return attachError(program.name, why, { errno: "EOPNOTSUPP" });
}
