/**
 * Forms of an object's BTF for kernels of different age, newest first.
 *
 * @module
 */

import type { AddedTypes } from "../../object/relocate/argument_contexts.ts";
import { btfToLoad } from "../../object/btf/btf_to_load.ts";
import type { ObjectSpec } from "../../object/object_spec.ts";
import { BTF_GENERATIONS } from "../../object/btf/sanitize_btf.ts";

/**
 * Yields the BTF to load: first with all kinds, then in forms for successively older kernels.
 *
 * Each form is encoded on demand, and skipped when it equals the previous one. `added` are types that programs
 * reference and the object's BTF lacks.
 */
export function* btfForms(
  spec: ObjectSpec,
  added: AddedTypes = [],
): Generator<Uint8Array, void, undefined> {
  if (spec.btf === undefined) return;
  let last: Uint8Array | undefined;
  for (const generation of BTF_GENERATIONS) {
    const bytes = btfToLoad(spec, generation, added);
    if (last === undefined || !sameBytes(last, bytes)) yield bytes;
    last = bytes;
  }
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}
