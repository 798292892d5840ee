/**
 * Which functions call which.
 *
 * @module
 */

import type { Btf } from "../../btf/btf.ts";
import { Kind } from "../../btf/types.ts";
import type { CodeUnit, Relocation } from "../code/functions.ts";
import { RelocationError } from "../spec/error.ts";
import {
  immediateOf,
  INSTRUCTION_SIZE,
  isLoad64,
  isSubprogramAddress,
  isSubprogramCall,
} from "../code/instruction.ts";
import { type ObjectSpec, parsedObject } from "../object_spec.ts";

/** An instruction that refers to a subprogram. */
export interface CallSite {
  /** Counted from the function's start. */
  readonly instruction: number;
  /** Whether the subprogram's address is taken, rather than the subprogram called. */
  readonly address: boolean;
  /** The subprogram. */
  readonly target: CodeUnit;
}

/** Found once per function: linking one program after the other asks again and again. */
const known = new WeakMap<CodeUnit, readonly CallSite[]>();

/**
 * The calls in a function, in its order.
 *
 * @throws {RelocationError} for a call that leads to no function of `.text`.
 */
export function callSites(spec: ObjectSpec, unit: CodeUnit): readonly CallSite[] {
  let sites = known.get(unit);
  if (sites === undefined) known.set(unit, sites = findCallSites(spec, unit));
  return sites;
}

function findCallSites(spec: ObjectSpec, unit: CodeUnit): CallSite[] {
  const { code, count, relocations } = unit;
  const sites: CallSite[] = [];
  let next = 0;
  for (let instruction = 0; instruction < count; instruction++) {
    while ((relocations[next]?.instruction ?? count) < instruction) next++;
    const relocation = relocations[next]?.instruction === instruction
      ? relocations[next]
      : undefined;
    const isAddress = relocation?.kind === "address";
    const isCall = isSubprogramCall(code, instruction);
    if (!isCall && !isAddress && !isSubprogramAddress(code, instruction)) {
      if (isLoad64(code, instruction)) instruction++;
      continue;
    }
    if (relocation?.kind === "extern-call") continue;
    const at = targetOf(unit, instruction, isCall, relocation);
    const target = at === undefined
      ? undefined
      : parsedObject(spec).units.at(parsedObject(spec).units.textIndex, at);
    if (target === undefined) {
      throw new RelocationError({
        doing: "link",
        subject: `function ${unit.name}`,
        errno: "EINVAL",
        why: at === undefined
          ? `instruction ${instruction} takes a subprogram's address without a relocation`
          : `instruction ${instruction} calls instruction ${at} of .text, where no function is`,
        data: { function: unit.name, instruction },
      });
    }
    sites.push({ instruction, address: !isCall, target });
    if (!isCall) instruction++;
  }
  return sites;
}

/** The instruction of `.text` that is called; undefined when there is no telling. */
function targetOf(
  unit: CodeUnit,
  instruction: number,
  isCall: boolean,
  relocation: Relocation | undefined,
): number | undefined {
  const immediate = immediateOf(unit.code, instruction);
  if (relocation?.kind === "call") {
    // A global function is named by its symbol and the immediate is -1; a static one by its section,
    // and the immediate says where in it.
    return Math.trunc(relocation.offset / INSTRUCTION_SIZE) + immediate + 1;
  }
  if (relocation?.kind === "address") {
    return Math.trunc((relocation.offset + immediate) / INSTRUCTION_SIZE);
  }
  if (relocation !== undefined || !isCall) return undefined;
  // Calls within a section need no relocation: the distance is known.
  return unit.start + instruction + immediate + 1;
}

const CALLBACK_TAG = "exception_callback:";

/** What the tags of an object say of exception callbacks, found once per object. */
interface CallbackTags {
  /** By the program's name, the names of its callbacks in the order of their tags. */
  readonly byProgram: ReadonlyMap<string, readonly string[]>;
  /** The callback of the first tag that is not on a program. */
  readonly misplaced?: string | undefined;
  /** The first subprogram of each name. */
  readonly subprograms: ReadonlyMap<string, CodeUnit>;
}

const tagsOf = new WeakMap<ObjectSpec, CallbackTags>();

function callbackTags(spec: ObjectSpec, btf: Btf): CallbackTags {
  let tags = tagsOf.get(spec);
  if (tags === undefined) tagsOf.set(spec, tags = findCallbackTags(spec, btf));
  return tags;
}

function findCallbackTags(spec: ObjectSpec, btf: Btf): CallbackTags {
  const byProgram = new Map<string, string[]>();
  let misplaced: string | undefined;
  for (let id = btf.firstId; id < btf.endId; id++) {
    if (btf.kind(id) !== Kind.decl_tag) continue;
    const tag = btf.type(id);
    if (tag.kind !== "decl_tag" || tag.componentIndex !== -1) continue;
    if (!tag.name.startsWith(CALLBACK_TAG)) continue;
    const tagged = btf.type(tag.type);
    const callback = tag.name.slice(CALLBACK_TAG.length);
    if (tagged.kind !== "func" || tagged.linkage !== "global") {
      misplaced ??= callback;
      continue;
    }
    const callbacks = byProgram.get(tagged.name);
    if (callbacks === undefined) byProgram.set(tagged.name, [callback]);
    else callbacks.push(callback);
  }
  const subprograms = new Map<string, CodeUnit>();
  if (byProgram.size > 0) {
    const { units } = parsedObject(spec);
    for (const unit of units.all) {
      if (units.isSubprogram(unit) && !subprograms.has(unit.name)) subprograms.set(unit.name, unit);
    }
  }
  return { byProgram, misplaced, subprograms };
}

/**
 * The function that an entry program names as its exception callback.
 *
 * Undefined where there is none, and where there are two: the verifier refuses those.
 *
 * @throws {RelocationError} EINVAL for one that is static or hidden, and for every program where a tag is
 * on something else than one; ENOENT for one that is not there.
 */
export function exceptionCallback(spec: ObjectSpec, unit: CodeUnit): CodeUnit | undefined {
  if (spec.btf === undefined) return undefined;
  const { byProgram, misplaced, subprograms } = callbackTags(spec, spec.btf);
  const fail = (name: string, errno: string, why: string): RelocationError =>
    new RelocationError({
      doing: "link",
      subject: `program ${unit.name}`,
      errno,
      why: `its exception callback ${name} ${why}`,
    });
  if (misplaced !== undefined) {
    throw fail(misplaced, "EINVAL", "is named on something else than a program");
  }
  const [name, second] = byProgram.get(unit.name) ?? [];
  if (name === undefined) return undefined;
  const callback = subprograms.get(name);
  if (callback === undefined) throw fail(name, "ENOENT", "is not there");
  if (!callback.global || callback.hidden) {
    throw fail(name, "EINVAL", "must be global and not hidden");
  }
  // Which of two is meant nobody can say: the verifier refuses them, as it does for libbpf (EEXIST).
  return second === undefined ? callback : undefined;
}
