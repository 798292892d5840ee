/**
 * Fields of a struct of a BTF with those of the structs within it, as `uapi/` has them.
 *
 * @module
 */

import type { Btf } from "../../btf/mod.ts";

/** A field of a struct, or of one within it. */
export interface FlatField {
  /** Its name with those of the structs around it: `link_create_attach_type`. */
  readonly name: string;
  /** The same as C writes it: `link_create.attach_type`. */
  readonly path: string;
  /** As in the layouts. */
  readonly field: readonly number[];
}

/** The fields of a struct or union, those of nested ones under `outer_inner`. */
export function flatFields(
  btf: Btf,
  id: number,
  bits: number = 0,
  outer: readonly string[] = [],
): FlatField[] {
  const type = btf.type(btf.resolve(id));
  if (type.kind !== "struct" && type.kind !== "union") return [];
  return type.members.flatMap((member): FlatField[] => {
    const at = bits + member.bitOffset;
    const { kind } = btf.type(btf.resolve(member.type));
    const path = member.name === "" ? outer : [...outer, member.name];
    if (kind === "struct" || kind === "union") return flatFields(btf, member.type, at, path);
    // What is reserved shrinks from version to version; so does a struct sockaddr's data.
    if (member.name === "" || /^_.*(spare|reserved|pad|__res)|^sa_data$/.test(member.name)) {
      return [];
    }
    const size = btf.size(member.type);
    const field = member.bitSize === 0
      ? [at / 8, size]
      // The word that holds the bits, aligned to its size.
      : [Math.floor(at / (size * 8)) * size, size, at % (size * 8), member.bitSize];
    return [{ name: path.join("_"), path: path.join("."), field }];
  });
}
