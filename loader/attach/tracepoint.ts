/**
 * Attaches to tracepoints through perf events.
 *
 * @module
 */

import { componentFault } from "../../kernel/path_component.ts";
import { AttachMethod } from "./kind.ts";
import { TEXT } from "./options.ts";
import type { TracepointAttachSpec } from "../../object/section/attach_spec.ts";
import { attachError, checkAttach, noSuchTarget } from "./target/error.ts";
import type { AttachableProgram } from "./attachable.ts";
import type { Link } from "./link.ts";
import { nearestEvents, tracefs } from "./target/nearest.ts";
import {
  attachToPerfEvent,
  checkPerfOpen,
  PERF,
  type PerfLinkOptions,
  refusePerfOptions,
} from "./perf.ts";
import { attachToRawTracepoint } from "./raw_tracepoint.ts";
import { PERF_TYPE_TRACEPOINT } from "../../uapi/perf.ts";
import { Errno, failed } from "../../uapi/errno.ts";

/** Attach options of tracepoint programs. */
export interface TracepointOptions extends PerfLinkOptions {
  /** Category: `sched` of `sched/sched_switch`. */
  readonly category?: string | undefined;
  /** Name: `sched_switch`, or `sched/sched_switch` without `category`. */
  readonly tracepoint?: string | undefined;
}

/** Attach method for `tracepoint` hooks. */
export const tracepoint: AttachMethod<"tracepoint", TracepointOptions> = new AttachMethod<
  "tracepoint",
  TracepointOptions
>({
  kind: "tracepoint",
  options: {
    ...PERF,
    category: TEXT,
    tracepoint: TEXT,
  },
  attach,
});

/**
 * Attaches to a tracepoint through a perf event. Requires a readable tracefs.
 *
 * A program loaded as raw_tracepoint (the token form) is attached to the raw tracepoint of that name.
 * Minimum kernel: Linux 4.7.
 *
 * @throws {AttachError} when an option is not one of this kind's, or the target is missing or does not exist.
 * @throws {KernelError} when the kernel refuses.
 * @throws {DelegationError} when it refuses because a privilege is missing.
 * @example
 * ```ts ignore
 * import { attachTracepoint } from "@skep/skep/attach";
 *
 * using link = attachTracepoint(object.programs.get("trace"), { tracepoint: "sched/sched_switch" });
 * ```
 */
export function attachTracepoint(
  program: AttachableProgram,
  options: TracepointOptions = {},
): Link {
  return tracepoint.attach(program, options);
}

function attach(
  program: AttachableProgram,
  options: TracepointOptions,
  spec: TracepointAttachSpec | undefined,
): Link {
  const { kernel } = program;
  const { category = spec?.category, tracepoint = spec?.name, cookie, forceIoctl } = options;
  // With a token, a program that does not read its context is loaded as raw_tracepoint.
  if (program.spec.type === "raw_tracepoint") {
    refusePerfOptions(program, "raw_tp", { forceIoctl });
    return attachToRawTracepoint(program, tracepoint?.replace(/^.*\//, ""), cookie);
  }
  const { group, name } = split(program.name, category, tracepoint);
  const target = `${group}/${name}`;
  // Both are directory names in tracefs. Names from an object file could otherwise point anywhere.
  for (const part of [group, name]) {
    const fault = componentFault(part);
    if (fault === undefined) continue;
    throw attachError(program.name, `${target} is not a tracepoint: a part of its name ${fault}`, {
      errno: "EINVAL",
      fix: 'name it as category/name: "sched/sched_switch"',
      data: { target },
    });
  }
  const root = tracefs(kernel);
  if (root === undefined) {
    throw attachError(program.name, "the list of tracepoints (tracefs) cannot be read", {
      errno: "ENOENT",
      fix: "mount -t tracefs tracefs /sys/kernel/tracing, or use a raw_tp or tp_btf section",
      data: { target },
    });
  }
  const file = kernel.readFile(`${root}/events/${target}/id`);
  if (failed(file.result, Errno.ENOENT)) {
    throw noSuchTarget(
      program.name,
      "tracepoint",
      target,
      nearestEvents(kernel, group, name),
    );
  }
  checkAttach(file.result, program.name, "read", { data: { path: `${root}/events/${target}/id` } });
  const id = Number(new TextDecoder().decode(file.bytes).trim());
  const fd = kernel.perfEventOpen({
    type: PERF_TYPE_TRACEPOINT,
    config: BigInt(id),
    pid: -1,
    cpu: 0,
  });
  checkPerfOpen(fd, program.name, { target });
  return attachToPerfEvent(kernel, program, { fd, kind: "tracepoint", target }, {
    cookie,
    forceIoctl,
  });
}

function split(
  program: string,
  category: string | undefined,
  tracepoint: string | undefined,
): { readonly group: string; readonly name: string } {
  if (tracepoint !== undefined && category !== undefined) {
    return { group: category, name: tracepoint };
  }
  const slash = tracepoint?.indexOf("/") ?? -1;
  if (tracepoint === undefined || slash <= 0) {
    throw attachError(program, "no tracepoint was given as category/name", {
      errno: "EINVAL",
      fix: 'attach({ tracepoint: "sched/sched_switch" })',
    });
  }
  return { group: tracepoint.slice(0, slash), name: tracepoint.slice(slash + 1) };
}
