/**
 * Many functions of an executable or library with one link: uprobe.multi, and uprobe.session.
 *
 * @module
 */

import type { Kernel } from "../../kernel/kernel.ts";
import { AttachType } from "../../uapi/enums.ts";
import { attachError, checkAttach } from "./error.ts";
import { functionPlace, matchingFunctions, withExecutable } from "./executable.ts";
import { isGlob } from "./glob.ts";
import { type AttachableProgram, Link } from "./link.ts";
import { requirePath } from "./uprobe.ts";
import { BPF_F_UPROBE_MULTI_RETURN } from "../../uapi/bpf_flags.ts";

/** Where a uprobe.multi program goes: exactly one of pattern, functions and offsets. */
export interface UprobeMultiOptions {
  /** The file: a path, or a name that is looked for in PATH or among the libraries. */
  readonly path?: string;
  /** A function's name with `*` and `?`. */
  readonly pattern?: string;
  /** Functions by name. */
  readonly functions?: readonly string[];
  /** Bytes from the start of the file. */
  readonly offsets?: readonly bigint[];
  /** What `bpf_get_attach_cookie` answers, one for each function or offset. */
  readonly cookies?: readonly bigint[];
  /** Counters in the file that the kernel raises while a probe is there, one for each offset. */
  readonly referenceCounterOffsets?: readonly bigint[];
  /** A process; 0 is this one, -1 all that run the file. @default {-1} */
  readonly pid?: number;
  /** On return instead of entry; the section says it. */
  readonly returns?: boolean;
  /** On both; the section says it (Linux 6.13). */
  readonly session?: boolean;
}

/** Attaches to many functions of a file. Minimum kernel: Linux 6.6. */
export function attachUprobeMulti(
  kernel: Kernel,
  program: AttachableProgram,
  options: UprobeMultiOptions,
): Link {
  const { cookies, referenceCounterOffsets, returns = false, session = false } = options;
  const path = requirePath(kernel, program, options.path);
  const offsets = offsetsOf(kernel, program, path, options);
  // The kernel's 0 means all; ours means this process, as for other uprobes.
  const pid = options.pid === 0 ? Number(kernel.readLink("/proc/self")) : options.pid ?? -1;
  for (const list of [cookies, referenceCounterOffsets]) {
    if (list !== undefined && (options.pattern !== undefined || list.length !== offsets.length)) {
      throw attachError(
        program.name,
        `${list.length} cookies or counters were given for ${offsets.length} places`,
        { errno: "EINVAL", fix: "give one for each of functions or offsets" },
      );
    }
  }
  const fd = kernel.linkCreate({
    programFd: program.fd,
    target: 0,
    attachType: session ? AttachType.trace_uprobe_session : AttachType.trace_uprobe_multi,
    extra: {
      kind: "uprobe-multi",
      flags: returns ? BPF_F_UPROBE_MULTI_RETURN : 0,
      path,
      offsets,
      ...(cookies === undefined ? {} : { cookies }),
      ...(referenceCounterOffsets === undefined ? {} : { referenceCounterOffsets }),
      ...(pid < 0 ? {} : { pid }),
    },
  });
  const target = `${path}:${options.pattern ?? options.functions?.join(",") ?? offsets.join(",")}`;
  checkAttach(fd, program.name, "BPF_LINK_CREATE", {
    data: { target, places: offsets.length },
    ...(fd === -3 ? { why: `there is no process ${pid}` } : {}),
  });
  const kind = session ? "uprobe.session" : returns ? "uretprobe.multi" : "uprobe.multi";
  return new Link(kernel, { kind, program: program.name, target, fd });
}

function offsetsOf(
  kernel: Kernel,
  program: AttachableProgram,
  path: string,
  options: UprobeMultiOptions,
): readonly bigint[] {
  const { pattern, functions, offsets } = options;
  const given = [pattern, functions, offsets].filter((value) => value !== undefined);
  if (given.length !== 1) {
    throw attachError(program.name, "one of pattern, functions and offsets must be given", {
      errno: "EINVAL",
      fix: 'attach({ path: "libc.so.6", pattern: "malloc*" })',
    });
  }
  if (offsets !== undefined) return offsets;
  return withExecutable(kernel, program.name, path, (file) => {
    if (functions !== undefined) {
      return functions.map((name) => functionPlace(program.name, file, name).offset);
    }
    const text = pattern ?? "";
    return isGlob(text)
      ? matchingFunctions(program.name, file, text).map(({ offset }) => offset)
      : [functionPlace(program.name, file, text).offset];
  });
}
