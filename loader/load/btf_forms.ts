/**
 * The forms of an object's BTF that are offered to the kernel, newest first.
 *
 * @module
 */

import type { AddedTypes } from "../../object/relocate/argument_contexts.ts";
import { btfToLoad } from "../../object/btf/btf_to_load.ts";
import type { ObjectSpec } from "../../object/object_spec.ts";
import { BTF_GENERATIONS } from "../../object/btf/sanitize_btf.ts";

/**
 * The BTF to load: first as new kernels take it, then in forms for ever older ones.
 *
 * Each is made when it is asked for; one that is the same as the form before is left out. `added` are types
 * that programs name beside the object's.
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
