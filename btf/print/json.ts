/**
 * BTF types as JSON that is identical from run to run.
 *
 * @module
 */

import type { JsonValue } from "../../errors/skep_error.ts";
import type { Btf } from "../btf.ts";
import type { Enumerator } from "../types.ts";

/**
 * Returns a type as JSON: its fields in the order of `types.ts`, ids as numbers.
 *
 * An enumerator's value that a double cannot represent exactly is text.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { Btf, BtfBuilder, toJson } from "@skep/skep/btf";
 *
 * const builder = new BtfBuilder();
 * const int = builder.addInt("int", 4, "signed");
 * builder.addPointer(int);
 * assertEquals(toJson(Btf.parse(builder.build()), 2), { kind: "ptr", id: 2, name: "", type: 1 });
 * ```
 */
export function toJson(btf: Btf, id: number): { readonly [key: string]: JsonValue } {
  const type = btf.type(id);
  switch (type.kind) {
    case "struct":
    case "union":
      return {
        kind: type.kind,
        id,
        name: type.name,
        size: type.size,
        members: type.members.map((member) => ({ ...member })),
      };
    case "enum":
    case "enum64":
      return {
        kind: type.kind,
        id,
        name: type.name,
        size: type.size,
        signed: type.signed,
        values: type.values.map(enumerator),
      };
    case "func_proto":
      return {
        kind: type.kind,
        id,
        name: type.name,
        returns: type.returns,
        parameters: type.parameters.map((parameter) => ({ ...parameter })),
      };
    case "datasec":
      return {
        kind: type.kind,
        id,
        name: type.name,
        size: type.size,
        variables: type.variables.map((variable) => ({ ...variable })),
      };
    default:
      return { ...type };
  }
}

function enumerator({ name, value }: Enumerator): { readonly [key: string]: JsonValue } {
  const number = Number(value);
  return { name, value: Number.isSafeInteger(number) ? number : String(value) };
}
