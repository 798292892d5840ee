/**
 * Attaching by BPF_PROG_ATTACH: what hooks had before links, and some still have alone.
 *
 * @module
 */

import type { Anchor, Kernel } from "../../kernel/kernel.ts";
import type { JsonValue } from "../../errors/skep_error.ts";
import { anchorOf, type AnchorOptions } from "./anchor.ts";
import { checkAttach } from "./target/error.ts";
import type { AttachableProgram } from "./attachable.ts";
import { Link } from "./link.ts";
import { BPF_F_REPLACE } from "../../uapi/bpf_flags.ts";

/** Where a program goes by command. */
export interface CommandPlace {
  /** The link's kind. */
  readonly kind: string;
  /** What it is attached to, in words. */
  readonly target: string;
  /** A descriptor, which stays the caller's, or an interface's index. */
  readonly hook: { readonly fd: number } | { readonly index: number };
  /** The number of the attach type. */
  readonly attachType: number;
  /** BPF_F_ALLOW_MULTI and the like. */
  readonly flags?: number | undefined;
  /** The place among others. */
  readonly anchor?: AnchorOptions | undefined;
  /** Whether the hook can put one program in the place of another. */
  readonly replaces?: boolean | undefined;
  /** For errors. */
  readonly data: { readonly [key: string]: JsonValue };
}

/**
 * Attaches without a link: the program stays until it is taken away or its hook goes, also when this
 * process is killed.
 */
export function attachByCommand(
  kernel: Kernel,
  program: AttachableProgram,
  place: CommandPlace,
): Link {
  const { kind, target, hook, attachType, flags = 0, data } = place;
  const { before, after, replaceProgram, expectedRevision } = place.anchor ?? {};
  const anchor: Anchor | undefined = replaceProgram === undefined
    ? anchorOf(program.name, { before, after, expectedRevision })
    : undefined;
  // Descriptors of the link's own: the caller's may be closed before it is.
  const own = "fd" in hook ? checkAttach(kernel.dup(hook.fd), program.name, "fcntl") : undefined;
  const at = own ?? (hook as { readonly index: number }).index;
  const put = (programFd: number, replaced?: number): number =>
    kernel.programAttach({
      target: at,
      programFd,
      attachType,
      flags: replaced === undefined ? flags : flags | BPF_F_REPLACE,
      replaceProgramFd: replaced,
      anchor: replaced === undefined ? anchor : undefined,
    });
  const result = put(program.fd, replaceProgram?.fd);
  if (result < 0 && own !== undefined) kernel.close(own);
  checkAttach(result, program.name, "BPF_PROG_ATTACH", { data });
  let programFd = kernel.dup(program.fd);
  return new Link(kernel, {
    kind,
    program: program.name,
    target,
    fd: -1,
    descriptors: own === undefined ? undefined : [own],
    legacy: {
      detach: () => kernel.programDetach({ target: at, programFd, attachType }),
      update: place.replaces !== true ? undefined : (newFd: number): number => {
        const updated = put(newFd, programFd);
        if (updated < 0) return updated;
        kernel.close(programFd);
        programFd = kernel.dup(newFd);
        return updated;
      },
    },
    closed: () => kernel.close(programFd),
  });
}
