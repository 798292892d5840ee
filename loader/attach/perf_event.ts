/**
 * Attaches to perf events: software and hardware counters, by period or frequency.
 *
 * @module
 */

import { AttachMethod } from "./kind.ts";
import { BIGINT, type Expected, INTEGER, isObject, oneOf } from "./options.ts";
import { attachError } from "./target/error.ts";
import type { AttachableProgram } from "./attachable.ts";
import { Link } from "./link.ts";
import { attachToPerfEvent, checkPerfOpen, PERF, type PerfLinkOptions } from "./perf.ts";

/** Perf event by its name in `include/uapi/linux/perf_event.h`, without the prefix, in lower case. */
export type PerfEventName =
  | "cpu_cycles"
  | "instructions"
  | "cache_references"
  | "cache_misses"
  | "branch_instructions"
  | "branch_misses"
  | "bus_cycles"
  | "cpu_clock"
  | "task_clock"
  | "page_faults"
  | "context_switches"
  | "cpu_migrations"
  | "page_faults_minor"
  | "page_faults_major";

/** Type (0: PERF_TYPE_HARDWARE, 1: PERF_TYPE_SOFTWARE) and config of each event. */
const EVENTS: { readonly [name in PerfEventName]: readonly [type: number, config: number] } = {
  cpu_cycles: [0, 0],
  instructions: [0, 1],
  cache_references: [0, 2],
  cache_misses: [0, 3],
  branch_instructions: [0, 4],
  branch_misses: [0, 5],
  bus_cycles: [0, 6],
  cpu_clock: [1, 0],
  task_clock: [1, 1],
  page_faults: [1, 2],
  context_switches: [1, 3],
  cpu_migrations: [1, 4],
  page_faults_minor: [1, 5],
  page_faults_major: [1, 6],
};

/** Attach options of perf_event programs. */
export interface PerfEventOptions extends PerfLinkOptions {
  /** The event, by name or by type and config. */
  readonly event?: PerfEventName | { readonly type: number; readonly config: bigint } | undefined;
  /** Number of events between two runs of the program. Excludes `frequency`. */
  readonly period?: number | undefined;
  /** Approximate runs of the program per second. Excludes `period`. */
  readonly frequency?: number | undefined;
  /** Thread id (a process id selects its main thread), or -1 for all threads. @default {-1} */
  readonly pid?: number | undefined;
  /** CPU to measure on. @default {every online CPU; with `pid`, any CPU} */
  readonly cpu?: number | undefined;
  /** Descriptor of an event that is already open, used in place of `event`. The caller keeps it. */
  readonly eventFd?: number | undefined;
}

const NAME = oneOf(EVENTS);
const EVENT: Expected<PerfEventName | { readonly type: number; readonly config: bigint }> = {
  text: `${NAME.text}, or { type, config }`,
  words: Object.keys(EVENTS),
  accepts: (value): value is PerfEventName | { readonly type: number; readonly config: bigint } =>
    NAME.accepts(value) ||
    isObject(value) && INTEGER.accepts(value["type"]) && BIGINT.accepts(value["config"]),
};

/** Attach method for `perf_event` hooks. */
export const perfEvent: AttachMethod<"perf_event", PerfEventOptions> = new AttachMethod<
  "perf_event",
  PerfEventOptions
>({
  kind: "perf_event",
  options: {
    ...PERF,
    event: EVENT,
    period: INTEGER,
    frequency: INTEGER,
    pid: INTEGER,
    cpu: INTEGER,
    eventFd: INTEGER,
  },
  attach,
});

/**
 * Opens a perf event on each CPU and attaches to all of them. Minimum kernel: Linux 4.9.
 *
 * @throws {AttachError} when an option is not one of this kind's, or the target is missing or does not exist.
 * @throws {KernelError} when the kernel refuses.
 * @throws {DelegationError} when it refuses because a privilege is missing.
 * @example
 * ```ts ignore
 * import { attachPerfEvent } from "@skep/skep/attach";
 *
 * const program = object.programs.get("sample");
 * using link = attachPerfEvent(program, { event: "cpu_clock", frequency: 99 });
 * ```
 */
export function attachPerfEvent(program: AttachableProgram, options: PerfEventOptions = {}): Link {
  return perfEvent.attach(program, options);
}

function attach(program: AttachableProgram, options: PerfEventOptions): Link {
  const { kernel } = program;
  if (options.eventFd !== undefined) {
    const fd = kernel.dup(options.eventFd);
    checkPerfOpen(fd, program.name, { eventFd: options.eventFd });
    const target = `event ${options.eventFd}`;
    return attachToPerfEvent(kernel, program, { fd, kind: "perf_event", target }, options);
  }
  const { event } = options;
  if (event === undefined || (options.period === undefined) === (options.frequency === undefined)) {
    throw attachError(program.name, "an event and either a period or a frequency must be given", {
      errno: "EINVAL",
      fix: 'attach({ event: "cpu_clock", frequency: 99 })',
    });
  }
  const { type, config } = typeof event === "string"
    ? { type: EVENTS[event][0], config: BigInt(EVENTS[event][1]) }
    : event;
  const target = typeof event === "string" ? event : `${type}:${config}`;
  const pid = options.pid ?? -1;
  const cpus = options.cpu !== undefined
    ? [options.cpu]
    : pid >= 0
    ? [-1]
    : kernel.machine.onlineCpus;
  const links: Link[] = [];
  try {
    for (const cpu of cpus) {
      const fd = kernel.perfEventOpen({
        type,
        config,
        samplePeriod: BigInt(options.period ?? options.frequency ?? 0),
        frequency: options.frequency !== undefined,
        pid,
        cpu,
      });
      checkPerfOpen(fd, program.name, { event: target, cpu });
      links.push(attachToPerfEvent(kernel, program, { fd, kind: "perf_event", target }, options));
    }
  } catch (error) {
    for (const link of links) link.close();
    throw error;
  }
  const [only] = links;
  if (links.length === 1 && only !== undefined) return only;
  return new Link(kernel, {
    kind: "perf_event",
    program: program.name,
    target,
    fd: -1,
    parts: links,
  });
}
