/**
 * Attaches programs whose target is fixed at load: tp_btf, fentry, fexit, fmod_ret, fsession and LSM.
 *
 * @module
 */

import { AttachMethod } from "./kind.ts";
import { BIGINT } from "./options.ts";
import type { AttachSpecOf } from "../../object/section/attach_spec.ts";
import { AttachType } from "../../uapi/enums.ts";
import { checkAttach } from "./target/error.ts";
import { type AttachableProgram, loadedFor } from "./attachable.ts";
import { Link } from "./link.ts";
import { Errno, failed } from "../../uapi/errno.ts";

/** Attach options of tracing programs. */
export interface TracingOptions {
  /** Value that `bpf_get_attach_cookie()` returns in the program (Linux 5.19). */
  readonly cookie?: bigint | undefined;
}

type TracingKind = "tp_btf" | "fentry" | "fexit" | "fmod_ret" | "fsession" | "lsm";

/** Creates the method of one kind. `named` returns the function or hook, for messages. */
function tracing<Kind extends TracingKind>(
  kind: Kind,
  named: (spec: AttachSpecOf<Kind>) => string | undefined,
): AttachMethod<Kind, TracingOptions> {
  return new AttachMethod<Kind, TracingOptions>({
    kind,
    options: { cookie: BIGINT },
    attach: (program, options, spec) =>
      attach(program, kind, spec === undefined ? "" : named(spec) ?? "", options),
  });
}

/** Attach method for `tp_btf` hooks. */
export const tpBtf: AttachMethod<"tp_btf", TracingOptions> = tracing("tp_btf", ({ name }) => name);

/** Attach method for `fentry` hooks. */
export const fentry: AttachMethod<"fentry", TracingOptions> = tracing(
  "fentry",
  ({ function: name }) => name,
);

/** Attach method for `fexit` hooks. */
export const fexit: AttachMethod<"fexit", TracingOptions> = tracing(
  "fexit",
  ({ function: name }) => name,
);

/** Attach method for `fmod_ret` hooks. */
export const fmodRet: AttachMethod<"fmod_ret", TracingOptions> = tracing(
  "fmod_ret",
  ({ function: name }) => name,
);

/** Attach method for `fsession` hooks. */
export const fsession: AttachMethod<"fsession", TracingOptions> = tracing(
  "fsession",
  ({ function: name }) => name,
);

/** Attach method for `lsm` hooks. */
export const lsm: AttachMethod<"lsm", TracingOptions> = tracing("lsm", ({ hook }) => hook);

/**
 * Attaches to the BTF-typed tracepoint that the program was loaded for.
 *
 * Minimum kernel: Linux 5.5; 6.10 for cookies.
 *
 * @throws {AttachError} when an option is not one of this kind's, or the target is missing or does not exist.
 * @throws {KernelError} when the kernel refuses.
 * @throws {DelegationError} when it refuses because a privilege is missing.
 * @example
 * ```ts ignore
 * import { attachTpBtf } from "@skep/skep/attach";
 *
 * using link = attachTpBtf(object.programs.get("trace"));
 * ```
 */
export function attachTpBtf(program: AttachableProgram, options: TracingOptions = {}): Link {
  return tpBtf.attach(program, options);
}

/**
 * Attaches to the entry of the function that the program was loaded for.
 *
 * Minimum kernel: Linux 5.5.
 *
 * @throws {AttachError} when an option is not one of this kind's, or the target is missing or does not exist.
 * @throws {KernelError} when the kernel refuses.
 * @throws {DelegationError} when it refuses because a privilege is missing.
 * @example
 * ```ts ignore
 * import { attachFentry } from "@skep/skep/attach";
 *
 * using link = attachFentry(object.programs.get("trace"));
 * ```
 */
export function attachFentry(program: AttachableProgram, options: TracingOptions = {}): Link {
  return fentry.attach(program, options);
}

/**
 * Attaches to the return of the function that the program was loaded for.
 *
 * Minimum kernel: Linux 5.5.
 *
 * @throws {AttachError} when an option is not one of this kind's, or the target is missing or does not exist.
 * @throws {KernelError} when the kernel refuses.
 * @throws {DelegationError} when it refuses because a privilege is missing.
 * @example
 * ```ts ignore
 * import { attachFexit } from "@skep/skep/attach";
 *
 * using link = attachFexit(object.programs.get("trace"));
 * ```
 */
export function attachFexit(program: AttachableProgram, options: TracingOptions = {}): Link {
  return fexit.attach(program, options);
}

/**
 * Attaches to the function that the program was loaded for, whose return value it may override.
 *
 * Minimum kernel: Linux 5.7.
 *
 * @throws {AttachError} when an option is not one of this kind's, or the target is missing or does not exist.
 * @throws {KernelError} when the kernel refuses.
 * @throws {DelegationError} when it refuses because a privilege is missing.
 * @example
 * ```ts ignore
 * import { attachFmodRet } from "@skep/skep/attach";
 *
 * using link = attachFmodRet(object.programs.get("trace"));
 * ```
 */
export function attachFmodRet(program: AttachableProgram, options: TracingOptions = {}): Link {
  return fmodRet.attach(program, options);
}

/**
 * Attaches to the entry and return of the function that the program was loaded for.
 *
 * Minimum kernel: Linux 7.0.
 *
 * @throws {AttachError} when an option is not one of this kind's, or the target is missing or does not exist.
 * @throws {KernelError} when the kernel refuses.
 * @throws {DelegationError} when it refuses because a privilege is missing.
 * @example
 * ```ts ignore
 * import { attachFsession } from "@skep/skep/attach";
 *
 * using link = attachFsession(object.programs.get("trace"));
 * ```
 */
export function attachFsession(program: AttachableProgram, options: TracingOptions = {}): Link {
  return fsession.attach(program, options);
}

/**
 * Attaches to the LSM hook that the program was loaded for.
 *
 * Minimum kernel: Linux 5.7.
 *
 * @throws {AttachError} when an option is not one of this kind's, or the target is missing or does not exist.
 * @throws {KernelError} when the kernel refuses.
 * @throws {DelegationError} when it refuses because a privilege is missing.
 * @example
 * ```ts ignore
 * import { attachLsm } from "@skep/skep/attach";
 *
 * using link = attachLsm(object.programs.get("trace"));
 * ```
 */
export function attachLsm(program: AttachableProgram, options: TracingOptions = {}): Link {
  return lsm.attach(program, options);
}

function attach(
  program: AttachableProgram,
  kind: TracingKind,
  target: string,
  { cookie }: TracingOptions,
): Link {
  const { kernel } = program;
  const attachType = loadedFor(program);
  let fd: number;
  let command: string;
  if (cookie !== undefined && cookie !== 0n && attachType !== undefined) {
    command = "BPF_LINK_CREATE";
    fd = kernel.linkCreate({
      programFd: program.fd,
      target: 0,
      attachType: AttachType[attachType],
      extra: { kind: "tracing", targetBtfId: 0, cookie },
    });
  } else {
    // Equivalent without a cookie, and supported by every kernel with these program types.
    command = "BPF_RAW_TRACEPOINT_OPEN";
    fd = kernel.rawTracepointOpen(program.fd);
  }
  checkAttach(fd, program.name, command, {
    data: { target },
    why: failed(fd, Errno.EBUSY)
      ? `a program that excludes this one is attached to ${target}`
      : undefined,
  });
  return new Link(kernel, { kind, program: program.name, target, fd });
}
