/**
 * The part of `Btf` that layout and validation read, so that they need not import it.
 *
 * @module
 */

import type { BtfType, KindName } from "./types.ts";

/** Access to types by id. {@linkcode Btf} implements it. */
export interface TypeSource {
  /** The name that errors show. */
  readonly name: string;
  /** The BTF that a split BTF extends. */
  readonly base?: TypeSource | undefined;
  /** One past the last type id. */
  readonly endId: number;
  /** One past the last string offset. */
  readonly endString: number;
  /** Returns a type. */
  type(id: number): BtfType;
  /** Returns the number of a type's kind without decoding the type. */
  kind(id: number): number;
  /** Returns the name of a type's kind. */
  kindName(id: number): KindName | "unknown";
  /** Returns the name of a type; empty for an anonymous one. */
  nameOf(id: number): string;
}
