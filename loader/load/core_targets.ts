/**
 * The types that an object's CO-RE relocations are resolved against.
 *
 * @module
 */

import type { Btf } from "../../btf/btf.ts";
import { CoreTargets } from "../../btf/core/mod.ts";
import { kernelTypes } from "../features/kernel_btf.ts";
import type { LoadContext } from "./load_context.ts";

/** A BTF that is used for several loads keeps what was found in it. */
const custom = new WeakMap<Btf, CoreTargets>();

/**
 * The targets, when the object has CO-RE relocations at all: the user's BTF (then without modules), or the
 * kernel's. Undefined for plain objects, for which the kernel's types are never read.
 */
export function coreTargets(state: LoadContext): CoreTargets | undefined {
  const relocations = state.spec.btfExt?.core ?? [];
  if (relocations.length === 0) return undefined;
  const { customBtf } = state;
  if (customBtf === undefined) return kernelTypes(state.kernel).targets;
  let targets = custom.get(customBtf);
  if (targets === undefined) custom.set(customBtf, targets = new CoreTargets(customBtf));
  return targets;
}
