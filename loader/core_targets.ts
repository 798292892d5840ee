/**
 * The types that an object's CO-RE relocations are resolved against.
 *
 * @module
 */

import { CoreTargets } from "../btf/core/mod.ts";
import { kernelTypes } from "./kernel_btf.ts";
import type { LoadState } from "./state.ts";

/**
 * The targets, when the object has CO-RE relocations at all: the user's BTF (then without modules), or the
 * kernel's. Undefined for plain objects, for which the kernel's types are never read.
 */
export function coreTargets(state: LoadState): CoreTargets | undefined {
  const relocations = state.spec.btfExt?.core ?? [];
  if (relocations.length === 0) return undefined;
  if (state.customBtf !== undefined) return new CoreTargets(state.customBtf);
  return kernelTypes(state.kernel).targets;
}
