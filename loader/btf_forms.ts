/**
 * The forms of an object's BTF that are offered to the kernel, newest first.
 *
 * @module
 */

import type { ObjectSpec } from "../object/object_spec.ts";

/** The BTF to load: as it is, then in forms for ever older kernels. */
export function* btfForms(spec: ObjectSpec): Generator<Uint8Array, void, undefined> {
  if (spec.btf !== undefined) yield spec.btf.bytes;
}
