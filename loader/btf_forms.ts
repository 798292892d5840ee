/**
 * The forms of an object's BTF that are offered to the kernel, newest first.
 *
 * @module
 */

import { BTF_GENERATIONS, kernelBtf } from "../object/mod.ts";
import type { ObjectSpec } from "../object/object_spec.ts";

/** The BTF to load: as new kernels take it, then in forms for ever older ones. */
export function* btfForms(spec: ObjectSpec): Generator<Uint8Array, void, undefined> {
  if (spec.btf === undefined) return;
  for (const features of BTF_GENERATIONS) yield kernelBtf(spec, features);
}
