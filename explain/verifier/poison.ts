/**
 * Explains poisoned calls of a program.
 *
 * @module
 */

import type { ObjectSpec } from "../../object/object_spec.ts";
import { poisonOf } from "../../object/code/poison.ts";
import type { RelocatedProgram } from "../../object/spec/spec.ts";

/**
 * Explains a poisoned call of one program. `callee` is the helper number in the verifier's message. Returns
 * undefined when the call is not poisoned.
 */
export type PoisonReader = (callee: number, instruction: number | undefined) => string | undefined;

/** Creates the reader for a program. */
export function poisonReader(spec: ObjectSpec, linked: RelocatedProgram): PoisonReader {
  return (callee, instruction) => {
    const poison = poisonOf(callee);
    switch (poison?.kind) {
      case "core":
        return coreText(linked, instruction);
      case "kfunc": {
        const extern = spec.externs[poison.index];
        return `kfunc ${extern?.name ?? "?"} is called, but this kernel does not have it`;
      }
      case "map": {
        const map = [...spec.maps].find(({ index }) => index === poison.index);
        return `map ${map?.name ?? "?"} is used, but was not created (autocreate is false)`;
      }
      default:
        return undefined;
    }
  };
}

function coreText(linked: RelocatedProgram, instruction: number | undefined): string {
  const entry = linked.core.find((one) => one.instruction === instruction) ??
    linked.core.find(({ decision }) => decision.outcome.kind === "poison");
  if (entry === undefined) return "a CO-RE relocation cannot be resolved against this kernel's BTF";
  const { localSpec, outcome, candidates } = entry.decision;
  const reason = outcome.kind === "poison" ? outcome.reason : "the instruction cannot hold it";
  const tried = candidates.length === 0
    ? ""
    : `, tried: ${
      candidates.slice(0, 3).map((one) => `${one.btf} [${one.typeId}] ${one.name}: ${one.outcome}`)
        .join("; ")
    }`;
  return `CO-RE relocation ${localSpec} cannot be resolved against this kernel's BTF (${reason}${tried})`;
}
