/**
 * Programs that take the place of a function of another BPF program.
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

/** Where a replacing program goes. */
export interface FreplaceOptions {
  /**
   * The program that has the function, and the function's type id in its BTF; without both, where the
   * program was loaded for.
   */
  readonly replace?: { readonly program: ProgramHandle; readonly btfId: number } | undefined;
}

const TARGET: Expected<{ readonly program: ProgramHandle; readonly btfId: number }> = {
  text: "{ program, btfId }",
  accepts: (value): value is { readonly program: ProgramHandle; readonly btfId: number } =>
    isObject(value) && PROGRAM.accepts(value["program"]) && INTEGER.accepts(value["btfId"]),
};

/** How programs attach to `freplace` hooks. */
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
 * Puts the program in the place of the function that it was loaded for, or of another's like it.
 *
 * Minimum kernel: Linux 5.6; another target than at load: 5.10.
 *
 * @throws AttachError, KernelError or DelegationError, as {@linkcode attachProgram}.
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
      why: failed(fd, Errno.EBUSY) ? `${functionName} is replaced already` : undefined,
    },
  );
  return new Link(kernel, { kind: "freplace", program: program.name, target, fd });
}
