/**
 * The thirteen kinds of CO-RE relocation, and the subject of each.
 *
 * @module
 */

import type { CoreKind } from "../ext.ts";

/** The subject of a relocation: a field, a type as a whole, or one enumerator. */
export type CoreSubject = "field" | "type" | "enumerator";

/** The subject of each kind, and the name that libbpf prints for it. */
const KINDS: { readonly [K in CoreKind]: readonly [subject: CoreSubject, label: string] } = {
  byte_offset: ["field", "byte_off"],
  byte_size: ["field", "byte_sz"],
  field_exists: ["field", "field_exists"],
  signed: ["field", "signed"],
  lshift_u64: ["field", "lshift_u64"],
  rshift_u64: ["field", "rshift_u64"],
  local_type_id: ["type", "local_type_id"],
  target_type_id: ["type", "target_type_id"],
  type_exists: ["type", "type_exists"],
  type_size: ["type", "type_size"],
  enumval_exists: ["enumerator", "enumval_exists"],
  enumval_value: ["enumerator", "enumval_value"],
  type_matches: ["type", "type_matches"],
};

/** Returns the subject of a kind of relocation. */
export function coreSubject(kind: CoreKind): CoreSubject {
  return KINDS[kind][0];
}

/** Returns the name that libbpf prints for a kind: `byte_off` for a byte offset. */
export function coreLabel(kind: CoreKind): string {
  return KINDS[kind][1];
}
