/**
 * Position of a program among the programs of one hook: before, after or in place of another (mprog:
 * Linux 6.6 for tcx, 6.7 for netkit, 6.17 for cgroup hooks).
 *
 * @module
 */

import { BIGINT, type Expectations, type Expected, INTEGER, isObject, PROGRAM } from "./options.ts";
import type { Anchor } from "../../kernel/kernel.ts";
import { attachError } from "./target/error.ts";
import { Link, type ProgramHandle } from "./link.ts";
import { BPF_F_AFTER, BPF_F_BEFORE, BPF_F_ID, BPF_F_LINK } from "../../uapi/bpf_flags.ts";

/** The link or program that a position is relative to: an open one, or any by its id. */
export type Relative =
  | Link
  | ProgramHandle
  | { readonly linkId: number }
  | { readonly programId: number };

/** Position among the programs of a hook. @default {after all others} */
export interface AnchorOptions {
  /** Runs before this link or program; `"all"`: before all others. */
  readonly before?: Relative | "all" | undefined;
  /** Runs after this link or program; `"all"`: after all others. */
  readonly after?: Relative | "all" | undefined;
  /** Replaces this program, which must be attached without a link. Requires `via: "command"`. */
  readonly replaceProgram?: ProgramHandle | undefined;
  /** Revision of the hook's program list; the kernel refuses with ESTALE when the list has changed since. */
  readonly expectedRevision?: bigint | undefined;
}

const PLACE: Expected<Relative | "all"> = {
  text: '"all", a link, a program, { linkId } or { programId }',
  accepts: (value): value is Relative | "all" =>
    value === "all" ||
    isObject(value) && [value["fd"], value["linkId"], value["programId"]].some(INTEGER.accepts),
};

/** Accepted values of these options. */
export const ANCHOR: Expectations<AnchorOptions> = {
  before: PLACE,
  after: PLACE,
  replaceProgram: PROGRAM,
  expectedRevision: BIGINT,
};

/**
 * Translates the options into flags and fields of BPF_LINK_CREATE; undefined when no position is given.
 *
 * @throws {AttachError} EINVAL when more than one position is given, or `replaceProgram` for a link.
 */
export function anchorOf(program: string, options: AnchorOptions): Anchor | undefined {
  const { before, after, replaceProgram, expectedRevision } = options;
  const given = [before, after, replaceProgram].filter((value) => value !== undefined).length;
  if (given > 1) {
    throw attachError(program, "before, after and replaceProgram exclude each other", {
      errno: "EINVAL",
    });
  }
  if (replaceProgram !== undefined) {
    throw attachError(program, "a link cannot replace a program that is attached without one", {
      errno: "EINVAL",
      fix: 'attach it with via: "command", or call update() on the link of the other program',
    });
  }
  const place = before ?? after;
  if (place === undefined) {
    return expectedRevision === undefined ? undefined : { flags: 0, expectedRevision };
  }
  const side = before === undefined ? BPF_F_AFTER : BPF_F_BEFORE;
  return { ...relativeOf(side, place), expectedRevision };
}

function relativeOf(side: number, place: Relative | "all"): Anchor {
  if (place === "all") return { flags: side };
  if (place instanceof Link) return { flags: side | BPF_F_LINK, relative: place.fd };
  if ("linkId" in place) return { flags: side | BPF_F_LINK | BPF_F_ID, relative: place.linkId };
  if ("programId" in place) return { flags: side | BPF_F_ID, relative: place.programId };
  return { flags: side, relative: place.fd };
}
