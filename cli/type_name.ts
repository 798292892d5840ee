/**
 * Short names of BTF types, for table cells.
 *
 * @module
 */

import type { Btf } from "../btf/mod.ts";

/** Depth limit: BTF in a file may be circular. */
const deepest = 32;

/** Formats a type as in C, without a variable name: `struct event *`, `const int`, `char[16]`. */
export function typeName(btf: Btf, id: number, depth: number = 0): string {
  if (id === 0) return "void";
  if (depth > deepest) return "…";
  const type = btf.type(id);
  switch (type.kind) {
    case "int":
    case "float":
    case "typedef":
      return type.name;
    case "struct":
    case "union":
      return `${type.kind} ${type.name === "" ? "{…}" : type.name}`;
    case "enum":
    case "enum64":
      return `enum ${type.name === "" ? "{…}" : type.name}`;
    case "fwd":
      return `${type.of} ${type.name}`;
    case "ptr": {
      const to = typeName(btf, type.type, depth + 1);
      return to.endsWith("*") ? `${to}*` : `${to} *`;
    }
    case "const":
    case "volatile":
    case "restrict":
      return `${type.kind} ${typeName(btf, type.type, depth + 1)}`;
    case "type_tag":
    case "var":
      return typeName(btf, type.type, depth + 1);
    case "array": {
      // The outer bound comes first: int[2][3] is two arrays of three.
      const element = typeName(btf, type.type, depth + 1);
      const bound = `[${type.length === 0 ? "" : type.length}]`;
      const at = element.indexOf("[");
      return at < 0 ? element + bound : element.slice(0, at) + bound + element.slice(at);
    }
    case "func_proto":
      return `${typeName(btf, type.returns, depth + 1)} (…)`;
    default:
      return type.kind;
  }
}
