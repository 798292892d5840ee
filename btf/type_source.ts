/**
 * What layout and validation read of a BTF: the part of `Btf` that they need, so that they do not import it.
 *
 * @module
 */

import type { BtfType, KindName } from "./types.ts";

/** Types by id. {@linkcode Btf} is one. */
export interface TypeSource {
  /** The name that errors show. */
  readonly name: string;
  /** The BTF that a split BTF extends. */
  readonly base?: TypeSource | undefined;
  /** One past the last type id. */
  readonly endId: number;
  /** One past the last string offset. */
  readonly endString: number;
  /** Decodes a type. */
  type(id: number): BtfType;
  /** The number of a type's kind, without decoding the type. */
  kind(id: number): number;
  /** The name of a type's kind. */
  kindName(id: number): KindName | "unknown";
  /** The name of a type; empty for anonymous ones. */
  nameOf(id: number): string;
}
