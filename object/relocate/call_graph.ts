/**
 * Finds the calls of subprograms and the exception callbacks of programs.
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
  /** Index of the instruction in the function. */
  readonly instruction: number;
  /** Whether the instruction loads the subprogram's address instead of calling it. */
  readonly address: boolean;
  /** The subprogram. */
  readonly target: CodeUnit;
}

/** Cached per function, because every program that calls it needs its call sites. */
const known = new WeakMap<CodeUnit, readonly CallSite[]>();

/**
 * Returns the calls in a function, in order.
 *
 * @throws {RelocationError} EINVAL for a call whose target is not in a function of `.text`.
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
          ? `instruction ${instruction} loads a subprogram's address without a relocation`
          : `instruction ${instruction} calls instruction ${at} of .text, which is in no function`,
        data: { function: unit.name, instruction },
      });
    }
    sites.push({ instruction, address: !isCall, target });
    if (!isCall) instruction++;
  }
  return sites;
}

/** Returns the index in `.text` of the instruction that is called; undefined when it cannot be determined. */
function targetOf(
  unit: CodeUnit,
  instruction: number,
  isCall: boolean,
  relocation: Relocation | undefined,
): number | undefined {
  const immediate = immediateOf(unit.code, instruction);
  if (relocation?.kind === "call") {
    // A global function is referred to by its symbol, with an immediate of -1; a static one by its section
    // symbol, with its place in the immediate.
    return Math.trunc(relocation.offset / INSTRUCTION_SIZE) + immediate + 1;
  }
  if (relocation?.kind === "address") {
    return Math.trunc((relocation.offset + immediate) / INSTRUCTION_SIZE);
  }
  if (relocation !== undefined || !isCall) return undefined;
  // Calls within a section have no relocation: the immediate is the distance.
  return unit.start + instruction + immediate + 1;
}

const CALLBACK_TAG = "exception_callback:";

/** Exception callbacks named by an object's declaration tags, cached per object. */
interface CallbackTags {
  /** Names of a program's callbacks in the order of their tags, by the program's name. */
  readonly byProgram: ReadonlyMap<string, readonly string[]>;
  /** Callback of the first tag that is not on a global function. */
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
 * Returns the function that an entry program names as its exception callback.
 *
 * Returns undefined when there is none, and when there are several, which the verifier refuses.
 *
 * @throws {RelocationError} EINVAL for a static or hidden callback, and for every program of an object with
 * a tag that is not on a global function; ENOENT for a callback that does not exist.
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
    throw fail(misplaced, "EINVAL", "is tagged on something other than a program");
  }
  const [name, second] = byProgram.get(unit.name) ?? [];
  if (name === undefined) return undefined;
  const callback = subprograms.get(name);
  if (callback === undefined) throw fail(name, "ENOENT", "does not exist");
  if (!callback.global || callback.hidden) {
    throw fail(name, "EINVAL", "must be global and not hidden");
  }
  // Several callbacks are ambiguous. The verifier refuses them, as with libbpf (EEXIST).
  return second === undefined ? callback : undefined;
}
