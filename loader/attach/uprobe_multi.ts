/**
 * Attaches to many functions of an executable or library with one link: uprobe.multi and uprobe.session.
 *
 * @module
 */

import type { UprobeMultiAttachSpec } from "../../object/section/attach_spec.ts";
import { AttachMethod } from "./kind.ts";
import { BIGINTS, BOOLEAN, INTEGER, TEXT, TEXTS } from "./options.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import { AttachType } from "../../uapi/enums.ts";
import { attachError, checkAttach } from "./target/error.ts";
import {
  functionPlace,
  matchingFunctions,
  requirePath,
  withExecutable,
} from "./target/executable.ts";
import { isGlob } from "./target/glob.ts";
import { type AttachableProgram, loadedFor } from "./attachable.ts";
import { Link } from "./link.ts";
import { BPF_F_UPROBE_MULTI_RETURN } from "../../uapi/bpf_flags.ts";
import { Errno, failed } from "../../uapi/errno.ts";

/** Attach options of uprobe.multi programs: exactly one of pattern, functions and offsets. */
export interface UprobeMultiOptions {
  /** Executable or library: a path, or a bare name searched for in PATH or the library directories. */
  readonly path?: string | undefined;
  /** Glob over function names: `*` matches any text, `?` one character. */
  readonly pattern?: string | undefined;
  /** Names of functions. */
  readonly functions?: readonly string[] | undefined;
  /** Offsets from the start of the file in bytes. */
  readonly offsets?: readonly bigint[] | undefined;
  /** Values that `bpf_get_attach_cookie()` returns, one per function or offset. */
  readonly cookies?: readonly bigint[] | undefined;
  /** File offsets in bytes of counters that the kernel increments while a probe exists, one per function or offset. */
  readonly referenceCounterOffsets?: readonly bigint[] | undefined;
  /** Process to probe: a process id, 0 for this process, or -1 for every process. @default {-1} */
  readonly pid?: number | undefined;
  /** Attaches to the return instead of the entry. @default {as in the section} */
  readonly returns?: boolean | undefined;
}

/** Attach method for `uprobe_multi` hooks. */
export const uprobeMulti: AttachMethod<"uprobe_multi", UprobeMultiOptions> = new AttachMethod<
  "uprobe_multi",
  UprobeMultiOptions
>({
  kind: "uprobe_multi",
  options: {
    path: TEXT,
    pattern: TEXT,
    functions: TEXTS,
    offsets: BIGINTS,
    cookies: BIGINTS,
    referenceCounterOffsets: BIGINTS,
    pid: INTEGER,
    returns: BOOLEAN,
  },
  abilities: (program) => isSession(program) ? ["uprobe_session"] : [],
  attach,
});

/**
 * Attaches to many functions of an executable or library with one link.
 *
 * A program loaded for uprobe.session (Linux 6.13) runs on entry and on return. Minimum kernel: Linux 6.6.
 *
 * @throws {AttachError} when an option is not one of this kind's, or the target is missing or does not exist.
 * @throws {KernelError} when the kernel refuses.
 * @throws {DelegationError} when it refuses because a privilege is missing.
 * @example
 * ```ts ignore
 * import { attachUprobeMulti } from "@skep/skep/attach";
 *
 * const program = object.programs.get("trace");
 * using link = attachUprobeMulti(program, { path: "libc.so.6", pattern: "malloc*" });
 * ```
 */
export function attachUprobeMulti(
  program: AttachableProgram,
  options: UprobeMultiOptions = {},
): Link {
  return uprobeMulti.attach(program, options);
}

function attach(
  program: AttachableProgram,
  options: UprobeMultiOptions,
  spec: UprobeMultiAttachSpec | undefined,
): Link {
  const { functions, offsets, cookies, referenceCounterOffsets, pid } = options;
  const named = functions !== undefined || offsets !== undefined;
  return attachToFile(program, {
    functions,
    offsets,
    cookies,
    referenceCounterOffsets,
    pid,
    path: options.path ?? spec?.path,
    pattern: options.pattern ?? (named ? undefined : spec?.pattern),
    returns: options.returns ?? spec?.returns,
  });
}

function isSession(program: AttachableProgram): boolean {
  return loadedFor(program) === "trace_uprobe_session";
}

/**
 * Attaches to all places of exactly one of pattern, functions and offsets in a file.
 *
 * @throws {AttachError} when none or several of them are given, or a function is not found.
 */
export function attachToFile(program: AttachableProgram, options: UprobeMultiOptions): Link {
  const { kernel } = program;
  const { cookies, referenceCounterOffsets, returns = false } = options;
  const session = isSession(program);
  const path = requirePath(kernel, program, options.path);
  const offsets = offsetsOf(kernel, program, path, options);
  // In BPF_LINK_CREATE 0 means every process; here it means this one, as for other uprobes.
  const pid = options.pid === 0 ? Number(kernel.readLink("/proc/self")) : options.pid ?? -1;
  for (const list of [cookies, referenceCounterOffsets]) {
    if (list !== undefined && (options.pattern !== undefined || list.length !== offsets.length)) {
      throw attachError(
        program.name,
        `${list.length} cookies or reference counters were given for ${offsets.length} offsets`,
        { errno: "EINVAL", fix: "give functions or offsets, and one for each" },
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
      cookies,
      referenceCounterOffsets,
      pid: pid < 0 ? undefined : pid,
    },
  });
  const target = `${path}:${options.pattern ?? options.functions?.join(",") ?? offsets.join(",")}`;
  checkAttach(fd, program.name, "BPF_LINK_CREATE", {
    data: { target, places: offsets.length },
    why: failed(fd, Errno.ESRCH) ? `there is no process ${pid}` : undefined,
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
    throw attachError(program.name, "exactly one of pattern, functions and offsets must be given", {
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
