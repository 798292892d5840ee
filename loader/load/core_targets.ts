/**
 * The types that an object's CO-RE relocations are resolved against.
 *
 * @module
 */

import type { Btf } from "../../btf/btf.ts";
import { CoreTargets } from "../../btf/core/mod.ts";
import { kernelTypes } from "../features/kernel_btf.ts";
import type { LoadContext } from "./load_context.ts";

/** Candidates found in a user's BTF are kept for later loads with the same BTF. */
const custom = new WeakMap<Btf, CoreTargets>();

/**
 * Returns the targets of CO-RE relocations: the user's BTF (without modules), or else the kernel's.
 *
 * Returns undefined for an object without CO-RE relocations, so that the kernel's BTF is not read for it.
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
