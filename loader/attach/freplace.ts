/**
 * Programs that take the place of a function of another BPF program.
 *
 * @module
 */

import type { Kernel } from "../../kernel/kernel.ts";
import { checkAttach } from "./error.ts";
import { type AttachableProgram, Link, type ProgramHandle } from "./link.ts";

/** Where a replacing program goes. */
export interface FreplaceOptions {
  /**
   * The program that has the function, and the function's type id in its BTF; without both, where the
   * program was loaded for.
   */
  readonly replace?: { readonly program: ProgramHandle; readonly btfId: number };
}

/** Puts the program in the place of the function that it was loaded for. Minimum kernel: Linux 5.6; another target than at load: 5.10. */
export function attachFreplace(
  kernel: Kernel,
  program: AttachableProgram,
  functionName: string,
  options: FreplaceOptions,
): Link {
  const { replace } = options;
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
      ...(fd === -16 ? { why: `${functionName} is replaced already` } : {}),
    },
  );
  return new Link(kernel, { kind: "freplace", program: program.name, target, fd });
}
