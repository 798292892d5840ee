/**
 * Flattens the fields of a BTF struct and its nested structs, as `uapi/` lists them.
 *
 * @module
 */

import type { Btf } from "../../btf/mod.ts";

/** A field of a struct or of a nested one. */
export interface FlatField {
  /** Its name, joined with those of the outer members: `link_create_attach_type`. */
  readonly name: string;
  /** Its path in C: `link_create.attach_type`. */
  readonly path: string;
  /** The field as in the layouts. */
  readonly field: readonly number[];
}

/** Returns the fields of a struct or union; those of nested ones as `outer_inner`. */
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
    // Reserved fields shrink from version to version, and so does the data of struct sockaddr.
    if (member.name === "" || /^_.*(spare|reserved|pad|__res)|^sa_data$/.test(member.name)) {
      return [];
    }
    const size = btf.size(member.type);
    const field = member.bitSize === 0
      ? [at / 8, size]
      // The storage unit of the bitfield, aligned to its size.
      : [Math.floor(at / (size * 8)) * size, size, at % (size * 8), member.bitSize];
    return [{ name: path.join("_"), path: path.join("."), field }];
  });
}
