/**
 * What a relocation was decided to be, with all that led to it.
 *
 * @module
 */

import type { CoreRelocation } from "../ext.ts";
import type { CoreOutcome } from "./outcome.ts";

/** A candidate and what came of it. */
export interface CoreCandidate {
  /** The type's id in its BTF. */
  readonly typeId: number;
  /** Its name, with flavor. */
  readonly name: string;
  /** The BTF that it is in: `vmlinux` or a module's name. */
  readonly btf: string;
  /** `"matched"`, or why it did not. */
  readonly outcome: string;
  /** The access as it is in the candidate, when it matched. */
  readonly spec?: string | undefined;
}

/** The decision on one relocation: plain data, kept so that it can be explained later. */
export interface CoreDecision {
  /** The relocation as the object has it. */
  readonly relocation: CoreRelocation;
  /** The access in libbpf's words: `<byte_off> [77] struct inet_sock.freebind (0:14 @ offset 792.2)`. */
  readonly localSpec: string;
  /** The types of that name, in order. */
  readonly candidates: readonly CoreCandidate[];
  /** What becomes of the instruction. */
  readonly outcome: CoreOutcome;
}
