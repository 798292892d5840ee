/**
 * The decision on a relocation, with the facts that led to it.
 *
 * @module
 */

import type { CoreRelocation } from "../ext.ts";
import type { CoreOutcome } from "./outcome.ts";

/** A candidate and how it compared. */
export interface CoreCandidate {
  /** The type's id in its BTF. */
  readonly typeId: number;
  /** Its name, with flavor. */
  readonly name: string;
  /** The BTF that defines it: `vmlinux` or a module's name. */
  readonly btf: string;
  /** `"matched"`, or why it did not match. */
  readonly outcome: string;
  /** The access in the candidate, when it matched. */
  readonly spec?: string | undefined;
}

/** The decision on one relocation: plain data that can be explained later. */
export interface CoreDecision {
  /** The relocation of the object. */
  readonly relocation: CoreRelocation;
  /** The access in libbpf's notation: `<byte_off> [77] struct inet_sock.freebind (0:14 @ offset 792.2)`. */
  readonly localSpec: string;
  /** The candidates, in order. */
  readonly candidates: readonly CoreCandidate[];
  /** The result: a value, or a poison. */
  readonly outcome: CoreOutcome;
}
