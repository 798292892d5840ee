/**
 * The thirteen kinds of CO-RE relocation, by the names that libbpf prints.
 *
 * @module
 */

/** The kinds in the order of their numbers (`enum bpf_core_relo_kind`): `CORE_KINDS[0]` is `"byte_off"`. */
export const CORE_KINDS = [
  "byte_off",
  "byte_sz",
  "field_exists",
  "signed",
  "lshift_u64",
  "rshift_u64",
  "local_type_id",
  "target_type_id",
  "type_exists",
  "type_size",
  "enumval_exists",
  "enumval_value",
  "type_matches",
] as const;

/** The name of a CO-RE relocation kind. */
export type CoreKind = typeof CORE_KINDS[number];

/** What a kind asks about: a field, a type as a whole, or one enumerator. */
export type CoreSubject = "field" | "type" | "enumerator";

const SUBJECTS: { readonly [K in CoreKind]: CoreSubject } = {
  byte_off: "field",
  byte_sz: "field",
  field_exists: "field",
  signed: "field",
  lshift_u64: "field",
  rshift_u64: "field",
  local_type_id: "type",
  target_type_id: "type",
  type_exists: "type",
  type_size: "type",
  enumval_exists: "enumerator",
  enumval_value: "enumerator",
  type_matches: "type",
};

/** Tells what a relocation of this kind asks about; undefined for a number that is not known. */
export function coreSubject(kind: CoreKind | "unknown"): CoreSubject | undefined {
  return kind === "unknown" ? undefined : SUBJECTS[kind];
}
