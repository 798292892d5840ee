/**
 * Attaches kprobes through perf events, created by perf_event_open or through tracefs.
 *
 * @module
 */

import type { Kernel } from "../../kernel/kernel.ts";
import { attachError, checkAttach } from "./target/error.ts";
import type { AttachableProgram } from "./attachable.ts";
import type { Link } from "./link.ts";
import { nearestFunctions, noSuchFunction, tracefs } from "./target/nearest.ts";
import { attachToPerfEvent, checkPerfOpen, eventSource, type PerfLinkOptions } from "./perf.ts";
import { PERF_TYPE_TRACEPOINT } from "../../uapi/perf.ts";
import { O_APPEND, O_WRONLY } from "../../uapi/files.ts";
import { Errno, failed } from "../../uapi/errno.ts";

/** Place of a kprobe: a function and an offset, or an address. */
export interface KprobePlace {
  /** Name of the kernel function. */
  readonly function: string | undefined;
  /** Offset from the function's start in bytes. */
  readonly offset: number;
  /** Kernel address, in place of a function. */
  readonly address: bigint | undefined;
  /** Probes the return instead of the entry. */
  readonly returns: boolean;
}

/** How the probe is created and bound. */
export interface KprobeWay extends PerfLinkOptions {
  /** By perf_event_open, or through `kprobe_events` of tracefs. */
  readonly probe?: "perf" | "tracefs" | undefined;
}

/** Attaches to one place in the kernel through a perf event. */
export function attachKprobeByPerf(
  program: AttachableProgram,
  place: KprobePlace,
  options: KprobeWay,
): Link {
  const { kernel } = program;
  const { function: name, offset, address, returns } = place;
  const target = name === undefined
    ? `0x${address?.toString(16)}`
    : offset === 0
    ? name
    : `${name}+${offset}`;
  const kind = returns ? "kretprobe" : "kprobe";
  const type = options.probe === "tracefs" ? undefined : eventSource(kernel, "kprobe");
  if (type === undefined) return attachByTracefs(program, target, place, options, kind);
  const fd = kernel.perfEventOpen({
    type: type.number,
    config: returns ? type.returns : 0n,
    name,
    offset: address ?? BigInt(offset),
    pid: -1,
    cpu: 0,
  });
  if (failed(fd, Errno.ENOENT) && name !== undefined) throw noSuchFunction(kernel, program, name);
  if (failed(fd, Errno.EINVAL) && name !== undefined) throw notProbeable(kernel, program, name);
  checkPerfOpen(fd, program.name, { target });
  return attachToPerfEvent(kernel, program, { fd, kind, target }, options);
}

/** Probes made so far. Kernel objects that wrap each other share one tracefs, so the count is not per Kernel. */
let probes = 0;

/** Creates the probe in `kprobe_events`, opens it as a tracepoint, and removes it when the link is closed. */
function attachByTracefs(
  program: AttachableProgram,
  target: string,
  place: KprobePlace,
  options: PerfLinkOptions,
  kind: string,
): Link {
  const { kernel } = program;
  // The file takes one probe per line: a name with a newline would create further probes.
  if (!/^[\w.$+:@-]+$/.test(target)) {
    throw attachError(program.name, `"${target}" is not the name of a kernel function`, {
      errno: "EINVAL",
      data: { target },
    });
  }
  const root = tracefs(kernel);
  const path = `${root}/kprobe_events`;
  const file = root === undefined ? -Errno.ENOENT : kernel.open(path, O_WRONLY | O_APPEND);
  if (failed(file, Errno.ENOENT)) {
    throw attachError(program.name, "this kernel has no kprobes (CONFIG_KPROBE_EVENTS)", {
      errno: "EOPNOTSUPP",
      fix: "use an fentry, tp_btf or raw_tp section",
      data: { target },
    });
  }
  checkAttach(file, program.name, "open", { data: { path } });
  try {
    // Unique by PID namespace, thread and count. Each worker has its own module instance, hence the thread.
    const namespace = kernel.stat("/proc/self/ns/pid").inode % 100_000n;
    const thread = kernel.readLink("/proc/thread-self")?.split("/").at(-1) ?? "0";
    const event = `skep_${namespace}_${thread}_${probes++}`;
    const text = `${place.returns ? "r" : "p"}:skep/${event} ${target}`;
    const written = kernel.write(file, new TextEncoder().encode(text));
    if (failed(written, Errno.ENOENT) && place.function !== undefined) {
      throw noSuchFunction(kernel, program, place.function);
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

function notProbeable(kernel: Kernel, program: AttachableProgram, name: string): Error {
  return attachError(program.name, `"${name}" cannot be probed at this offset`, {
    errno: "EINVAL",
    fix:
      "functions that probing itself needs (noinstr, NOKPROBE_SYMBOL) are excluded; probe a caller",
    data: { nearest: nearestFunctions(kernel, name) },
  });
}
