/**
 * Kprobes: entry, return or any instruction of a kernel function.
 *
 * @module
 */

import type { Kernel } from "../../kernel/kernel.ts";
import { attachError, checkAttach, noSuchTarget } from "./error.ts";
import type { AttachableProgram, Link } from "./link.ts";
import { nearestFunctions, tracefs } from "./nearest.ts";
import { attachToPerfEvent, checkPerfOpen, type PerfLinkOptions } from "./perf.ts";
import { PERF_TYPE_TRACEPOINT } from "../../uapi/perf.ts";
import { O_APPEND, O_WRONLY } from "../../uapi/files.ts";

const EVENT_SOURCES = "/sys/bus/event_source/devices";

/** Where a kprobe goes. */
export interface KprobeOptions extends PerfLinkOptions {
  /** The kernel function. */
  readonly function?: string;
  /** Bytes from the function's start. @default {0} */
  readonly offset?: number;
  /** An address instead of a function. */
  readonly address?: bigint;
  /** On return instead of entry; the section says it. */
  readonly returns?: boolean;
  /** `"tracefs"` makes the probe in a file, the only way before Linux 4.17. Default: perf_event_open, and tracefs where the kernel has no such perf events. */
  readonly probe?: "perf" | "tracefs";
}

/** Attaches to a kernel function. Minimum kernel: Linux 4.1 by tracefs, 4.17 by perf_event_open. */
export function attachKprobe(
  kernel: Kernel,
  program: AttachableProgram,
  options: KprobeOptions,
): Link {
  const { function: name, offset = 0, address, returns = false } = options;
  if (name === undefined && address === undefined) {
    throw attachError(program.name, "no kernel function was given", {
      errno: "EINVAL",
      fix: 'attach({ function: "NAME" }), or name it in the section: kprobe/NAME',
    });
  }
  const target = name === undefined
    ? `0x${(address as bigint).toString(16)}`
    : offset === 0
    ? name
    : `${name}+${offset}`;
  const kind = returns ? "kretprobe" : "kprobe";
  const type = options.probe === "tracefs" ? undefined : eventSource(kernel, "kprobe");
  if (type === undefined) return attachByTracefs(kernel, program, target, options, kind);
  const fd = kernel.perfEventOpen({
    type: type.number,
    config: returns ? type.returns : 0n,
    ...(name === undefined ? {} : { name }),
    offset: address ?? BigInt(offset),
    pid: -1,
    cpu: 0,
  });
  if (fd === -2 && name !== undefined) throw noSuchFunction(kernel, program, name);
  if (fd === -22 && name !== undefined) throw notProbeable(kernel, program, name);
  checkPerfOpen(fd, program.name, { target });
  return attachToPerfEvent(kernel, program, { fd, kind, target }, options);
}

/** A kind of perf event that the kernel has in sysfs: its number, and the config bit of return probes. */
export function eventSource(
  kernel: Kernel,
  name: "kprobe" | "uprobe",
): { readonly number: number; readonly returns: bigint } | undefined {
  const type = kernel.readFile(`${EVENT_SOURCES}/${name}/type`);
  if (type.result < 0) return undefined;
  const format = kernel.readFile(`${EVENT_SOURCES}/${name}/format/retprobe`);
  const text = new TextDecoder().decode(format.bytes);
  const bit = /config:(\d+)/.exec(text)?.[1] ?? "0";
  return {
    number: Number(new TextDecoder().decode(type.bytes).trim()),
    returns: 1n << BigInt(bit),
  };
}

/** Probes made so far: kernels that wrap one another share one tracefs, so that this is no kernel's own. */
let probes = 0;

/** Makes the probe as a line of tracefs, opens it as a tracepoint, and takes the line away with the link. */
function attachByTracefs(
  kernel: Kernel,
  program: AttachableProgram,
  target: string,
  options: KprobeOptions,
  kind: string,
): Link {
  const root = tracefs(kernel);
  const path = `${root}/kprobe_events`;
  const file = root === undefined ? -2 : kernel.open(path, O_WRONLY | O_APPEND);
  if (file === -2) {
    throw attachError(program.name, "this kernel has no kprobes (CONFIG_KPROBE_EVENTS)", {
      errno: "EOPNOTSUPP",
      fix: "use a fentry, tp_btf or raw_tp section",
      data: { target },
    });
  }
  checkAttach(file, program.name, "open", { data: { path } });
  try {
    // Unique among processes by PID namespace and thread, and in the thread (a worker has its own) by number.
    const namespace = kernel.stat("/proc/self/ns/pid").inode % 100_000n;
    const thread = kernel.readLink("/proc/thread-self")?.split("/").at(-1) ?? "0";
    const event = `skep_${namespace}_${thread}_${probes++}`;
    const text = `${options.returns === true ? "r" : "p"}:skep/${event} ${target}`;
    const written = kernel.write(file, new TextEncoder().encode(text));
    if (written === -2 && options.function !== undefined) {
      throw noSuchFunction(kernel, program, options.function);
    }
    checkAttach(written, program.name, "write", { data: { path, text } });
    const remove = (): void => {
      const again = kernel.open(path, O_WRONLY | O_APPEND);
      if (again < 0) return;
      kernel.write(again, new TextEncoder().encode(`-:skep/${event}`));
      kernel.close(again);
    };
    const { result, bytes } = kernel.readFile(`${root}/events/skep/${event}/id`);
    const fd = result < 0 ? result : kernel.perfEventOpen({
      type: PERF_TYPE_TRACEPOINT,
      config: BigInt(new TextDecoder().decode(bytes).trim()),
      pid: -1,
      cpu: 0,
    });
    if (fd < 0) remove();
    checkPerfOpen(fd, program.name, { target });
    return attachToPerfEvent(kernel, program, { fd, kind, target, closed: remove }, options);
  } finally {
    kernel.close(file);
  }
}

/** The error for a function that the kernel does not have. */
export function noSuchFunction(kernel: Kernel, program: AttachableProgram, name: string): Error {
  return noSuchTarget(
    program.name,
    "kernel function",
    name,
    nearestFunctions(kernel, name),
    "the compiler may have inlined it: probe its caller",
  );
}

function notProbeable(kernel: Kernel, program: AttachableProgram, name: string): Error {
  return attachError(program.name, `the kernel does not let "${name}" be probed at this place`, {
    errno: "EINVAL",
    fix:
      "functions that probing itself needs (noinstr, NOKPROBE_SYMBOL) are excluded; probe a caller",
    data: { nearest: nearestFunctions(kernel, name) },
  });
}
