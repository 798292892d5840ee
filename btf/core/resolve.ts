/**
 * Resolves CO-RE relocations: finds candidates, matches and computes.
 *
 * @module
 */

import type { Btf } from "../btf.ts";
import type { CoreRelocation } from "../ext.ts";
import { compute } from "./compute.ts";
import type { CoreOutcome } from "./outcome.ts";
import type { CoreCandidate, CoreDecision } from "./decision.ts";
import { coreLabel } from "./kind.ts";
import { formatSpec } from "./describe.ts";
import { matchSpec } from "./match.ts";
import { coreError, type CoreSpec, parseSpec } from "./spec.ts";
import type { CoreTarget, CoreTargets } from "./targets.ts";

/**
 * Resolves the relocations of one object against one kernel.
 *
 * A match narrows the candidates of a type for later relocations, as in libbpf: an object is resolved with
 * one session, in the order of its relocations.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { Btf, BtfBuilder, CoreSession, CoreTargets, explainCore } from "@skep/skep/btf";
 *
 * // A BTF with `struct task { int pid; }`, the member at a byte offset.
 * function task(name: string, offset: number): Btf {
 *   const builder = new BtfBuilder();
 *   const int = builder.addInt("int", 4, "signed");
 *   builder.addStruct("task", 32, [
 *     { name: "pid", type: int, bitOffset: offset * 8, bitSize: 0 },
 *   ]);
 *   return Btf.parse(builder.build(), { name });
 * }
 *
 * const session = new CoreSession(task("object", 0), new CoreTargets(task("vmlinux", 24)));
 * const decision = session.resolve({
 *   section: "kprobe",
 *   offset: 0,
 *   typeId: 2,
 *   access: "0:0",
 *   kind: "byte_offset",
 * });
 * assertEquals(decision.outcome.kind === "value" && decision.outcome.value, 24);
 * console.log(explainCore(decision));
 * ```
 */
export class CoreSession {
  /** The object's BTF. */
  readonly local: Btf;
  /** The kernel's types. */
  readonly targets: CoreTargets;
  /** Candidates by the id of the local type, fewer after each match. */
  readonly #candidates = new Map<number, readonly CoreTarget[]>();
  /** Decisions by type, kind and access: many instructions read the same field. */
  readonly #known = new Map<string, Known>();

  /** Starts a session. */
  constructor(local: Btf, targets: CoreTargets) {
    this.local = local;
    this.targets = targets;
  }

  /**
   * Resolves one relocation.
   *
   * A relocation without a match is not an error: the decision is a poison, or 0 for the kinds that test
   * for existence.
   *
   * @throws {BtfError} EINVAL when the object is malformed or its candidates yield different values
   * (ambiguity), E2BIG when an access is too deep or a bitfield too wide.
   */
  resolve(relocation: CoreRelocation): CoreDecision {
    const { typeId, kind, access } = relocation;
    const key = `${typeId} ${kind} ${access}`;
    let known = this.#known.get(key);
    if (known === undefined) {
      known = this.#decide(relocation);
      this.#known.set(key, known);
    }
    return { relocation, ...known };
  }

  #decide({ typeId, kind, access }: CoreRelocation): Known {
    const root = this.local.type(typeId);
    const label = `<${coreLabel(kind)}> [${typeId}] ${root.kind} ${
      root.name || "<anon>"
    } + ${access}`;
    if (kind !== "local_type_id" && root.name === "") {
      throw coreError(label, "a type without a name cannot be found in the kernel", "EINVAL");
    }
    const local = parseSpec(this.local, typeId, kind, access);
    const localSpec = formatSpec(local);
    if (kind === "local_type_id") {
      const outcome: CoreOutcome = {
        kind: "value",
        value: typeId,
        original: typeId,
        validate: false,
        originalSize: 0,
        size: 0,
        sizeMismatch: false,
      };
      return { localSpec, candidates: [], outcome };
    }

    const targets = this.#candidates.get(typeId) ?? this.targets.candidates(root.name, root.kind);
    const candidates: CoreCandidate[] = [];
    const matched: CoreTarget[] = [];
    let chosen: { readonly spec: CoreSpec; readonly outcome: CoreOutcome } | undefined;
    for (const target of targets) {
      const spec = matchSpec(local, target.btf, target.typeId);
      const about = {
        typeId: target.typeId,
        name: target.btf.nameOf(target.typeId),
        btf: target.btf.name,
      };
      if (typeof spec === "string") {
        candidates.push({ ...about, outcome: spec });
        continue;
      }
      candidates.push({ ...about, outcome: "matched", spec: formatSpec(spec) });
      const outcome = compute(local, spec);
      if (chosen === undefined) chosen = { spec, outcome };
      else checkAgreement(localSpec, chosen, { spec, outcome });
      matched.push(target);
    }
    this.#candidates.set(typeId, matched.length > 0 ? matched : targets);
    const outcome = chosen?.outcome ?? explainPoison(compute(local, undefined), candidates);
    return { localSpec, candidates, outcome };
  }
}

type Known = Omit<CoreDecision, "relocation">;

/** Sets the reason of a poison to those of the candidates. */
function explainPoison(
  outcome: CoreOutcome,
  candidates: readonly CoreCandidate[],
): CoreOutcome {
  if (outcome.kind === "value") return outcome;
  const reason = candidates.length === 0
    ? "this kernel has no type of that name and kind"
    : [...new Set(candidates.map((candidate) => candidate.outcome))].join("; ");
  return { kind: "poison", reason };
}

function checkAgreement(
  localSpec: string,
  first: { readonly spec: CoreSpec; readonly outcome: CoreOutcome },
  next: { readonly spec: CoreSpec; readonly outcome: CoreOutcome },
): void {
  const value = (outcome: CoreOutcome): number | bigint | undefined =>
    outcome.kind === "value" ? outcome.value : undefined;
  if (
    first.spec.bitOffset === next.spec.bitOffset && value(first.outcome) === value(next.outcome)
  ) {
    return;
  }
  throw coreError(
    localSpec,
    `the kernel has several types of that name, for which the values differ: ` +
      `${formatSpec(first.spec)} and ${formatSpec(next.spec)}`,
    "EINVAL",
    { fix: "declare a member that only one of them has" },
  );
}
