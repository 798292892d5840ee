/**
 * Matches the object's access with a candidate type.
 *
 * @module
 */

import type { Btf } from "../btf.ts";
import { essentialName } from "../essential_name.ts";
import type { CompositeType } from "../types.ts";
import { fieldsIncompatible, typesCompatible } from "./compatible.ts";
import { coreLabel, coreSubject } from "./kind.ts";
import { typesMatch } from "./matches.ts";
import {
  addElements,
  coreError,
  type CoreSpec,
  type CoreStep,
  isComposite,
  isEnum,
  isFlexible,
  MAX_PATH,
} from "./spec.ts";

/**
 * Follows the object's access in a candidate type. Returns the candidate's spec, or one line with the
 * reason why it does not match.
 *
 * @throws {BtfError} EINVAL or E2BIG when the candidate cannot be compared: a type without a size, or
 * endless nesting.
 */
export function matchSpec(local: CoreSpec, target: Btf, targetId: number): CoreSpec | string {
  const spec: CoreSpec = {
    btf: target,
    rootId: targetId,
    kind: local.kind,
    path: [],
    steps: [],
    bitOffset: 0,
  };
  switch (coreSubject(local.kind)) {
    case "type":
      if (local.kind === "type_matches") {
        return typesMatch(local.btf, local.rootId, target, targetId)
          ? spec
          : "the definitions differ";
      }
      return typesCompatible(local.btf, local.rootId, target, targetId)
        ? spec
        : "it is of another kind";
    case "enumerator":
      return matchEnumerator(local, spec);
    default:
      return matchField(local, spec);
  }
}

function matchEnumerator(local: CoreSpec, spec: CoreSpec): CoreSpec | string {
  const typeId = spec.btf.resolve(spec.rootId);
  const type = spec.btf.type(typeId);
  if (!isEnum(type)) return "it is not an enumeration";
  const wanted = essentialName(local.steps[0]?.name ?? "");
  const index = type.values.findIndex((value) => essentialName(value.name) === wanted);
  const found = type.values[index];
  if (found === undefined) return `it has no enumerator ${wanted}`;
  spec.steps.push({ typeId, index, name: found.name });
  spec.path.push(index);
  return spec;
}

function matchField(local: CoreSpec, spec: CoreSpec): CoreSpec | string {
  const { btf } = spec;
  let id = spec.rootId;
  for (const [position, step] of local.steps.entries()) {
    id = btf.resolve(id);
    if (step.name !== undefined) {
      const found = matchMember(local, step, spec, id);
      if (typeof found === "string") return found;
      id = found;
      continue;
    }
    if (position > 0) {
      const type = btf.type(id);
      if (type.kind !== "array") return `${stepName(local, position - 1)} is not an array`;
      if (!isFlexible(btf, spec.steps[position - 1], type) && step.index >= type.length) {
        return `${stepName(local, position - 1)} has only ${type.length} elements`;
      }
      id = btf.resolve(type.type);
    }
    push(spec, step.index);
    spec.steps.push({ typeId: id, index: step.index });
    spec.bitOffset = addElements(spec.bitOffset, step.index, btf.size(id));
  }
  return spec;
}

/** Returns the id of the member's type, or why there is none. */
function matchMember(
  local: CoreSpec,
  step: CoreStep,
  spec: CoreSpec,
  holderId: number,
): number | string {
  const holder = spec.btf.type(holderId);
  const name = step.name as string;
  if (!isComposite(holder)) return `${name} would be a member of a ${holder.kind}, which has none`;
  const localHolder = local.btf.type(step.typeId) as CompositeType;
  const localMember = localHolder.members[step.index] as CompositeType["members"][number];
  const search: Search = {
    localBtf: local.btf,
    localType: localMember.type,
    name,
    without: new Set(),
  };
  const found = find(search, spec, holderId, holder);
  return found ?? `${holder.kind} ${holder.name || "<anon>"} has no member ${name}`;
}

/** The state of one search for a member. */
interface Search {
  readonly localBtf: Btf;
  readonly localType: number;
  readonly name: string;
  /** Types known not to contain the member: hostile BTF can refer to one of them 2⁶⁴ times. */
  readonly without: Set<number>;
}

/**
 * Searches a member by name, through anonymous structs and unions; the first one with the name decides.
 * Restores path, steps and offset when there is none.
 */
function find(
  search: Search,
  spec: CoreSpec,
  holderId: number,
  holder: CompositeType,
): number | string | undefined {
  const { name } = search;
  const { members } = holder;
  for (let index = 0; index < members.length; index++) {
    const member = members[index] as CompositeType["members"][number];
    if (member.name === name) {
      const why = fieldsIncompatible(
        search.localBtf,
        search.localType,
        spec.btf,
        member.type,
      );
      if (why !== undefined) return `its member ${name} ${why}`;
      push(spec, index);
      spec.bitOffset = (spec.bitOffset + member.bitOffset) >>> 0;
      spec.steps.push({ typeId: holderId, index, name });
      return member.type;
    }
    if (member.name !== "") continue;
    const innerId = spec.btf.resolve(member.type);
    const inner = spec.btf.type(innerId);
    if (!isComposite(inner) || search.without.has(innerId)) continue;
    push(spec, index);
    spec.bitOffset = (spec.bitOffset + member.bitOffset) >>> 0;
    const found = find(search, spec, innerId, inner);
    if (found !== undefined) return found;
    spec.bitOffset = (spec.bitOffset - member.bitOffset) >>> 0;
    spec.path.pop();
    search.without.add(innerId);
  }
  return undefined;
}

function push(spec: CoreSpec, index: number): void {
  // Also ends the search in an anonymous struct that contains itself.
  if (spec.path.length === MAX_PATH) {
    const root = spec.btf.type(spec.rootId);
    throw coreError(
      `<${coreLabel(spec.kind)}> [${spec.rootId}] ${root.kind} ${root.name}`,
      `the candidate nests more than ${MAX_PATH} levels deep`,
      "E2BIG",
    );
  }
  spec.path.push(index);
}

function stepName(local: CoreSpec, position: number): string {
  return local.steps[position]?.name ?? "the element";
}
