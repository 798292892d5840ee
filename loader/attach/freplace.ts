/**
 * Attaches programs that replace a function of another BPF program.
 *
 * @module
 */

import { AttachMethod } from "./kind.ts";
import { type Expected, INTEGER, isObject, PROGRAM } from "./options.ts";
import type { FreplaceAttachSpec } from "../../object/section/attach_spec.ts";
import { checkAttach } from "./target/error.ts";
import type { AttachableProgram } from "./attachable.ts";
import { Link, type ProgramHandle } from "./link.ts";
import { Errno, failed } from "../../uapi/errno.ts";

/** Attach options of freplace programs. */
export interface FreplaceOptions {
  /**
   * Program to replace a function in, and the function's type id in that program's BTF.
   *
   * @default {the target given at load}
   */
  readonly replace?: { readonly program: ProgramHandle; readonly btfId: number } | undefined;
}

const TARGET: Expected<{ readonly program: ProgramHandle; readonly btfId: number }> = {
  text: "{ program, btfId }",
  accepts: (value): value is { readonly program: ProgramHandle; readonly btfId: number } =>
    isObject(value) && PROGRAM.accepts(value["program"]) && INTEGER.accepts(value["btfId"]),
};

/** Attach method for `freplace` hooks. */
export const freplace: AttachMethod<"freplace", FreplaceOptions> = new AttachMethod<
  "freplace",
  FreplaceOptions
>({
  kind: "freplace",
  options: {
    replace: TARGET,
  },
  attach,
});

/**
 * Replaces the function that the program was loaded for, or one with the same signature in another program.
 *
 * Minimum kernel: Linux 5.6; 5.10 for a target other than the one given at load.
 *
 * @throws {AttachError} when an option is not one of this kind's, or the target is missing or does not exist.
 * @throws {KernelError} when the kernel refuses.
 * @throws {DelegationError} when it refuses because a privilege is missing.
 * @example
 * ```ts ignore
 * import { attachFreplace } from "@skep/skep/attach";
 *
 * using link = attachFreplace(object.programs.get("replacement"));
 * ```
 */
export function attachFreplace(program: AttachableProgram, options: FreplaceOptions = {}): Link {
  return freplace.attach(program, options);
}

function attach(
  program: AttachableProgram,
  { replace }: FreplaceOptions,
  spec: FreplaceAttachSpec | undefined,
): Link {
  const { kernel } = program;
  const functionName = spec?.function ?? "";
  const fd = replace === undefined ? kernel.rawTracepointOpen(program.fd) : kernel.linkCreate({
    programFd: program.fd,
    target: replace.program.fd,
    attachType: 0,
    extra: { kind: "tracing", targetBtfId: replace.btfId },
  });
  const target = replace === undefined ? functionName : `${replace.program.name}:${functionName}`;
  checkAttach(
    fd,
    program.name,
    replace === undefined ? "BPF_RAW_TRACEPOINT_OPEN" : "BPF_LINK_CREATE",
    {
      data: { function: functionName },
      why: failed(fd, Errno.EBUSY) ? `${functionName} is already replaced` : undefined,
    },
  );
  return new Link(kernel, { kind: "freplace", program: program.name, target, fd });
}
