/**
 * Attaches to raw tracepoints, which pass the tracepoint's arguments unformatted.
 *
 * @module
 */

import { AttachMethod } from "./kind.ts";
import { BIGINT, TEXT } from "./options.ts";
import type { RawTracepointAttachSpec } from "../../object/section/attach_spec.ts";
import { attachError, checkAttach, noSuchTarget } from "./target/error.ts";
import type { AttachableProgram } from "./attachable.ts";
import { Link } from "./link.ts";
import { nearestTracepoints } from "./target/nearest.ts";
import { Errno, failed } from "../../uapi/errno.ts";

/** Attach options of raw tracepoint programs. */
export interface RawTracepointOptions {
  /** Name of the tracepoint without its category: `"sched_switch"`. */
  readonly tracepoint?: string | undefined;
  /** Value that `bpf_get_attach_cookie()` returns in the program (Linux 6.10). */
  readonly cookie?: bigint | undefined;
}

/** Attach method for `raw_tracepoint` hooks. */
export const rawTracepoint: AttachMethod<"raw_tracepoint", RawTracepointOptions> = new AttachMethod<
  "raw_tracepoint",
  RawTracepointOptions
>(
  {
    kind: "raw_tracepoint",
    options: {
      tracepoint: TEXT,
      cookie: BIGINT,
    },
    attach,
  },
);

/**
 * Attaches to a raw tracepoint by BPF_RAW_TRACEPOINT_OPEN. Minimum kernel: Linux 4.17.
 *
 * @throws {AttachError} when an option is not one of this kind's, or the target is missing or does not exist.
 * @throws {KernelError} when the kernel refuses.
 * @throws {DelegationError} when it refuses because a privilege is missing.
 * @example
 * ```ts ignore
 * import { attachRawTracepoint } from "@skep/skep/attach";
 *
 * using link = attachRawTracepoint(object.programs.get("trace"), { tracepoint: "sched_switch" });
 * ```
 */
export function attachRawTracepoint(
  program: AttachableProgram,
  options: RawTracepointOptions = {},
): Link {
  return rawTracepoint.attach(program, options);
}

function attach(
  program: AttachableProgram,
  { tracepoint, cookie }: RawTracepointOptions,
  spec: RawTracepointAttachSpec | undefined,
): Link {
  return attachToRawTracepoint(program, tracepoint ?? spec?.name, cookie);
}

/** Attaches to a raw tracepoint by name. */
export function attachToRawTracepoint(
  program: AttachableProgram,
  name: string | undefined,
  cookie: bigint | undefined,
): Link {
  const { kernel } = program;
  if (name === undefined) {
    throw attachError(program.name, "no tracepoint was given", {
      errno: "EINVAL",
      fix: 'attach({ tracepoint: "NAME" }), or name it in the section: raw_tp/NAME',
    });
  }
  const fd = kernel.rawTracepointOpen(program.fd, name, cookie);
  if (failed(fd, Errno.ENOENT)) {
    throw noSuchTarget(program.name, "raw tracepoint", name, nearestTracepoints(kernel, name));
  }
  checkAttach(fd, program.name, "BPF_RAW_TRACEPOINT_OPEN", { data: { tracepoint: name } });
  return new Link(kernel, { kind: "raw_tracepoint", program: program.name, target: name, fd });
}
