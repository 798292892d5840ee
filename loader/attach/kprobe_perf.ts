/**
 * Kprobes by perf events: entry, return or any instruction of a kernel function.
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

/** Where a kprobe goes: a function and an offset, or an address. */
export interface KprobePlace {
  /** The kernel function. */
  readonly function: string | undefined;
  /** Bytes from the function's start. */
  readonly offset: number;
  /** An address instead of a function. */
  readonly address: bigint | undefined;
  /** On return instead of entry. */
  readonly returns: boolean;
}

/** How it is made there. */
export interface KprobeWay extends PerfLinkOptions {
  /** By perf_event_open, or by a file of tracefs. */
  readonly probe?: "perf" | "tracefs" | undefined;
}

/** Attaches to one place of the kernel by a perf event. */
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

/** Probes made so far: kernels that wrap one another share one tracefs, so that this is no kernel's own. */
/** Probes made so far: kernels that wrap one another share one tracefs, so that this is no kernel's own. */
let probes = 0;

/** Makes the probe as a line of tracefs, opens it as a tracepoint, and takes the line away with the link. */
function attachByTracefs(
  program: AttachableProgram,
  target: string,
  place: KprobePlace,
  options: PerfLinkOptions,
  kind: string,
): Link {
  const { kernel } = program;
  // The file takes one probe a line: a name with a newline in it would make others.
  if (!/^[\w.$+:@-]+$/.test(target)) {
    throw attachError(program.name, `"${target}" is no name of a kernel function`, {
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
  return attachError(program.name, `the kernel does not let "${name}" be probed at this place`, {
    errno: "EINVAL",
    fix:
      "functions that probing itself needs (noinstr, NOKPROBE_SYMBOL) are excluded; probe a caller",
    data: { nearest: nearestFunctions(kernel, name) },
  });
}
