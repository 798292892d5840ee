/**
 * Prints accesses and decisions in libbpf's notation.
 *
 * @module
 */

import type { CoreDecision } from "./decision.ts";
import { coreLabel, coreSubject } from "./kind.ts";
import { bareType, type CoreSpec, isEnum } from "./spec.ts";

/** Prints a spec as libbpf does: `<byte_off> [77] struct inet_sock.freebind (0:14 @ offset 792.2)`. */
export function formatSpec(spec: CoreSpec): string {
  const root = spec.btf.type(spec.rootId);
  const head = `<${coreLabel(spec.kind)}> [${spec.rootId}] ${root.kind} ${root.name || "<anon>"}`;
  switch (coreSubject(spec.kind)) {
    case "type":
      return head;
    case "enumerator": {
      const type = bareType(spec.btf, spec.rootId);
      const value = isEnum(type) ? type.values[spec.path[0] ?? -1] : undefined;
      return value === undefined ? head : `${head}::${value.name} = ${value.value}`;
    }
    default: {
      const bits = spec.bitOffset % 8;
      const offset = `${Math.floor(spec.bitOffset / 8)}${bits === 0 ? "" : `.${bits}`}`;
      return `${head}${formatSteps(spec)} (${spec.path.join(":")} @ offset ${offset})`;
    }
  }
}

/** Prints the access in C notation: `.sk.__sk_common.skc_family`, `[3].a`. */
function formatSteps(spec: CoreSpec): string {
  let text = "";
  for (const [position, step] of spec.steps.entries()) {
    if (step.name !== undefined) text += `.${step.name}`;
    else if (position > 0 || step.index !== 0) text += `[${step.index >>> 0}]`;
  }
  return text;
}

/**
 * Explains a decision in a few lines: the access, each candidate with its outcome, and the patch of the
 * instruction.
 */
export function explainCore(decision: CoreDecision): string {
  const { relocation, outcome } = decision;
  const lines = [`${decision.localSpec} in ${relocation.section} at byte ${relocation.offset}`];
  for (const candidate of decision.candidates) {
    const where = `[${candidate.typeId}] ${candidate.name} in ${candidate.btf}`;
    lines.push(
      candidate.outcome === "matched"
        ? `  candidate ${where}: matches as ${candidate.spec ?? "a whole"}`
        : `  candidate ${where}: ${candidate.outcome}`,
    );
  }
  if (decision.candidates.length === 0 && relocation.kind !== "local_type_id") {
    lines.push("  no candidate: this kernel has no type of the name and kind");
  }
  if (outcome.kind === "poison") {
    lines.push(
      `  poisoned: ${outcome.reason}; the verifier refuses the instruction if it is reached`,
    );
  } else {
    const resized = outcome.originalSize !== outcome.size
      ? `, ${outcome.originalSize} bytes became ${outcome.size}`
      : "";
    const bad = outcome.sizeMismatch
      ? "; a load of it is poisoned, the sizes do not go together"
      : "";
    lines.push(`  ${outcome.original} became ${outcome.value}${resized}${bad}`);
  }
  return lines.join("\n");
}
