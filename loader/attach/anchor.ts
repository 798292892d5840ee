/**
 * A place among the programs of one hook: before, after or instead of another (mprog, Linux 6.6;
 * cgroup hooks: Linux 6.17).
 *
 * @module
 */

import { BIGINT, type Expectations, type Expected, INTEGER, isObject, PROGRAM } from "./options.ts";
import type { Anchor } from "../../kernel/kernel.ts";
import { attachError } from "./target/error.ts";
import { Link, type ProgramHandle } from "./link.ts";
import { BPF_F_AFTER, BPF_F_BEFORE, BPF_F_ID, BPF_F_LINK } from "../../uapi/bpf_flags.ts";

/** What a place is relative to: a link or a program of this process, or one by its id. */
export type Relative =
  | Link
  | ProgramHandle
  | { readonly linkId: number }
  | { readonly programId: number };

/** A place among the programs of a hook. Without one, the program comes last. */
export interface AnchorOptions {
  /** Runs before this one; `"all"`: first. */
  readonly before?: Relative | "all" | undefined;
  /** Runs after this one; `"all"`: last. */
  readonly after?: Relative | "all" | undefined;
  /** Takes the place of this program, which must be attached without a link: with `via: "command"` alone. */
  readonly replaceProgram?: ProgramHandle | undefined;
  /** Refused with ESTALE when the hook's programs have changed since this revision was read. */
  readonly expectedRevision?: bigint | undefined;
}

const PLACE: Expected<Relative | "all"> = {
  text: '"all", a link, a program, { linkId } or { programId }',
  accepts: (value): value is Relative | "all" =>
    value === "all" ||
    isObject(value) && [value["fd"], value["linkId"], value["programId"]].some(INTEGER.accepts),
};

/** What these options may be. */
export const ANCHOR: Expectations<AnchorOptions> = {
  before: PLACE,
  after: PLACE,
  replaceProgram: PROGRAM,
  expectedRevision: BIGINT,
};

/** The anchor in the kernel's words; undefined when nothing was asked for. */
export function anchorOf(program: string, options: AnchorOptions): Anchor | undefined {
  const { before, after, replaceProgram, expectedRevision } = options;
  const given = [before, after, replaceProgram].filter((value) => value !== undefined).length;
  if (given > 1) {
    throw attachError(program, "before, after and replaceProgram exclude one another", {
      errno: "EINVAL",
    });
  }
  if (replaceProgram !== undefined) {
    throw attachError(program, "a link cannot take the place of a program that has none", {
      errno: "EINVAL",
      fix: 'attach it with via: "command", or update() the other\'s link',
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
