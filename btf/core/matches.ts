/**
 * The strict comparison of CO-RE, `bpf_core_type_matches`: compares names, sizes and signedness.
 *
 * @module
 */

import type { Btf } from "../btf.ts";
import { essentialName } from "../essential_name.ts";
import type { BtfType, CompositeType, EnumType } from "../types.ts";
import { MAX_DEPTH, pairKey, tooDeep } from "./compatible.ts";
import { bareType, isComposite, isEnum } from "./spec.ts";

/**
 * Returns whether a candidate has everything that the object's type declares.
 *
 * Integers match by size and signedness, arrays by length, enumerations by size and every local name,
 * structs by every local member. Behind a pointer, a struct is compared by name and kind only.
 *
 * @throws {BtfError} EINVAL when the types nest deeper than 32 levels.
 */
export function typesMatch(local: Btf, localId: number, target: Btf, targetId: number): boolean {
  const comparison = { local, target, known: new Map(), knownBehindPointer: new Map() };
  return match(comparison, localId, targetId, false, MAX_DEPTH);
}

/** Two BTFs, and the results for pairs of their types. */
interface Comparison {
  readonly local: Btf;
  readonly target: Btf;
  // A struct that many members refer to is compared once: hostile BTF can branch at every level.
  readonly known: Map<number, boolean>;
  readonly knownBehindPointer: Map<number, boolean>;
}

function match(
  comparison: Comparison,
  localId: number,
  targetId: number,
  behindPointer: boolean,
  level: number,
): boolean {
  const known = behindPointer ? comparison.knownBehindPointer : comparison.known;
  const key = pairKey(localId, targetId);
  const before = known.get(key);
  if (before !== undefined) return before;
  const result = compare(comparison, localId, targetId, behindPointer, level);
  known.set(key, result);
  return result;
}

function compare(
  comparison: Comparison,
  localId: number,
  targetId: number,
  behindPointer: boolean,
  level: number,
): boolean {
  const { local, target } = comparison;
  if (level <= 0) throw tooDeep(local, localId);
  for (let depth = MAX_DEPTH; depth > 0; depth--) {
    const left = bareType(local, localId);
    const right = bareType(target, targetId);
    if (!namesMatch(left.name, right.name)) return false;
    if (isEnum(left)) return isEnum(right) && enumsMatch(left, right);
    if (isComposite(left) || left.kind === "fwd") {
      if (behindPointer) return declares(left) === declares(right);
      if (left.kind === "fwd") return right.kind === "fwd" && left.of === right.of;
      return left.kind === right.kind &&
        membersMatch(comparison, left, right as CompositeType, level);
    }
    if (left.kind !== right.kind) return false;
    switch (left.kind) {
      case "void":
        return true;
      case "int": {
        const other = right as typeof left;
        const signed = left.signed;
        return left.size === other.size && signed === (other.encoding === "signed");
      }
      case "ptr":
        behindPointer = true;
        localId = left.type;
        targetId = (right as typeof left).type;
        break;
      case "array": {
        const other = right as typeof left;
        if (left.length !== other.length) return false;
        localId = left.type;
        targetId = other.type;
        break;
      }
      case "func_proto": {
        const other = right as typeof left;
        if (left.parameters.length !== other.parameters.length) return false;
        for (const [index, parameter] of left.parameters.entries()) {
          const theirs = other.parameters[index] as typeof parameter;
          if (!match(comparison, parameter.type, theirs.type, behindPointer, level - 1)) {
            return false;
          }
        }
        localId = left.returns;
        targetId = other.returns;
        break;
      }
      default:
        return false;
    }
  }
  throw tooDeep(local, localId);
}

/** Returns "struct" or "union" for a definition or a forward declaration. */
function declares(type: BtfType): "struct" | "union" | undefined {
  if (type.kind === "fwd") return type.of;
  return isComposite(type) ? type.kind : undefined;
}

function namesMatch(local: string, target: string): boolean {
  return target === "" ? local === "" : essentialName(local) === essentialName(target);
}

function enumsMatch(local: EnumType, target: EnumType): boolean {
  if (local.size !== target.size || local.values.length > target.values.length) return false;
  const names = new Set(target.values.map((value) => essentialName(value.name)));
  return local.values.every((value) => names.has(essentialName(value.name)));
}

function membersMatch(
  comparison: Comparison,
  left: CompositeType,
  right: CompositeType,
  level: number,
): boolean {
  if (left.members.length > right.members.length) return false;
  // Several members can have the same (empty) name, so each of them is tried.
  const byName = new Map<string, number[]>();
  for (const member of right.members) {
    const name = essentialName(member.name);
    const types = byName.get(name);
    if (types === undefined) byName.set(name, [member.type]);
    else types.push(member.type);
  }
  return left.members.every((member) =>
    byName.get(essentialName(member.name))?.some((type) =>
      match(comparison, member.type, type, false, level - 1)
    ) ?? false
  );
}
