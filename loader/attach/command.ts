/**
 * Attaches by BPF_PROG_ATTACH, for hooks without links (lirc) and kernels that predate them.
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

/** Target and flags of one BPF_PROG_ATTACH. */
export interface CommandPlace {
  /** The hook's kind, for {@linkcode Link.kind}. */
  readonly kind: string;
  /** Name of the target, for messages. */
  readonly target: string;
  /** A descriptor, which the caller keeps, or the index of a network interface. */
  readonly hook: { readonly fd: number } | { readonly index: number };
  /** Number of the attach type. */
  readonly attachType: number;
  /** Attach flags: `BPF_F_ALLOW_MULTI` … @default {0} */
  readonly flags?: number | undefined;
  /** Position among the hook's programs. */
  readonly anchor?: AnchorOptions | undefined;
  /** Whether the hook supports BPF_F_REPLACE. @default {false} */
  readonly replaces?: boolean | undefined;
  /** Data of errors. */
  readonly data: { readonly [key: string]: JsonValue };
}

/**
 * Attaches without a link. The program stays attached, also when this process is killed, until it is
 * detached or its target is removed.
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
  // Duplicates: the caller may close its descriptors while the attachment still needs them.
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
