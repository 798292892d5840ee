/**
 * From what a section says to a link: one function for all kinds.
 *
 * @module
 */

import type { Kernel } from "../../kernel/kernel.ts";
import type { AttachPlan } from "../../object/section_table.ts";
import { attachCgroup, type CgroupOptions } from "./cgroup.ts";
import { attachError } from "./error.ts";
import type { AttachableProgram, Link } from "./link.ts";
import { attachNetns, type NetnsOptions } from "./netns.ts";
import { attachRawTracepoint, type RawTracepointOptions } from "./raw_tracepoint.ts";
import { attachTcx, type TcxOptions } from "./tcx.ts";
import { attachTracepoint, type TracepointOptions } from "./tracepoint.ts";
import { attachTracing, type TracingOptions } from "./tracing.ts";
import { attachXdp, type XdpOptions } from "./xdp.ts";

/** The options of every kind; which ones count depends on the program's section. */
export interface AttachOptions
  extends
    RawTracepointOptions,
    TracingOptions,
    Omit<TracepointOptions, "cookie">,
    Omit<XdpOptions, "via">,
    TcxOptions,
    Omit<CgroupOptions, "via">,
    NetnsOptions {
  /** Without a link: `"netlink"` for XDP, `"command"` for cgroups. */
  readonly via?: "link" | "netlink" | "command";
}

/**
 * Attaches a program as its section says, with what the options add.
 *
 * @throws AttachError when a target is missing or does not exist; KernelError when the kernel refuses.
 */
export function attachProgram(
  kernel: Kernel,
  program: AttachableProgram,
  plan: AttachPlan,
  options: AttachOptions = {},
): Link {
  if (plan.problem !== undefined) {
    throw attachError(program.name, plan.problem, {
      errno: "EINVAL",
      data: { section: program.spec.section },
    });
  }
  switch (plan.kind) {
    case "raw_tracepoint":
      return attachRawTracepoint(kernel, program, {
        ...given({ tracepoint: plan.name }),
        ...options,
      });
    case "tp_btf":
      return attachTracing(kernel, program, plan.kind, plan.name ?? "", options);
    case "tracepoint":
      return attachTracepoint(kernel, program, {
        ...given({ category: plan.category, tracepoint: plan.name }),
        ...options,
      });
    case "xdp":
      if (plan.at !== "device") {
        throw notAttachable(program, `it runs from a ${plan.at}: put it into the map's value`);
      }
      return attachXdp(kernel, program, options as XdpOptions);
    case "tcx":
      return attachTcx(kernel, program, { direction: plan.direction, ...options });
    case "cgroup":
    case "lsm_cgroup":
      return attachCgroup(kernel, program, options as CgroupOptions);
    case "netns":
      return attachNetns(kernel, program, plan.hook, options);
    default:
      throw notAttachable(program, `section "${program.spec.section}" does not say where`);
  }
}

/** Without the fields that are undefined, so that options can take their place. */
function given<T extends object>(fields: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  const result = Object.entries(fields).filter(([, value]) => value !== undefined);
  return Object.fromEntries(result) as { [K in keyof T]?: Exclude<T[K], undefined> };
}

function notAttachable(program: AttachableProgram, why: string): Error {
  return attachError(program.name, why, { errno: "EOPNOTSUPP" });
}
