/**
 * Programs that were bound to their target when they were loaded: tp_btf, fentry, fexit, fmod_ret,
 * fsession and LSM.
 *
 * @module
 */

import type { Kernel } from "../../kernel/kernel.ts";
import { AttachType } from "../../uapi/enums.ts";
import { checkAttach } from "./error.ts";
import { type AttachableProgram, Link } from "./link.ts";

/** How a tracing program attaches. */
export interface TracingOptions {
  /** What `bpf_get_attach_cookie` answers in the program (Linux 5.19). */
  readonly cookie?: bigint;
}

/**
 * Attaches a program to the function, tracepoint or LSM hook that it was loaded for.
 *
 * Minimum kernel: Linux 5.5 (tp_btf, fentry, fexit), 5.7 (LSM, fmod_ret).
 *
 * @param kind What the link is called: the section's first word.
 * @param target The function or hook, for messages.
 */
export function attachTracing(
  kernel: Kernel,
  program: AttachableProgram,
  kind: string,
  target: string,
  options: TracingOptions = {},
): Link {
  const { cookie } = options;
  const attachType = program.spec.expectedAttachType;
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
    // The older command does the same, and every kernel with these programs has it.
    command = "BPF_RAW_TRACEPOINT_OPEN";
    fd = kernel.rawTracepointOpen(program.fd);
  }
  checkAttach(fd, program.name, command, {
    data: { target },
    ...(fd === -16 ? { why: `something else is attached to ${target} that excludes it` } : {}),
  });
  return new Link(kernel, { kind, program: program.name, target, fd });
}
