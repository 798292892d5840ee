/**
 * The two loose comparisons of CO-RE.
 *
 * {@linkcode typesCompatible} compares whole types (`bpf_core_type_exists`, ksyms and kfuncs),
 * {@linkcode fieldsIncompatible} the field at the end of an access.
 *
 * @module
 */

import type { Btf } from "../btf.ts";
import { essentialName } from "../essential_name.ts";
import { bareType, coreError, isComposite, sameKind } from "./spec.ts";

/** Maximum levels of pointers, arrays and prototypes that are followed, as in libbpf. */
export const MAX_DEPTH = 32;

/**
 * Returns whether two types have the same kinds; names, sizes and signedness are ignored.
 *
 * Pointers, arrays and function prototypes are followed up to 32 levels; structs, unions and enumerations
 * are compared by kind only. Corresponds to libbpf's `bpf_core_types_are_compat`.
 *
 * @throws {BtfError} EINVAL when the types nest deeper than 32 levels.
 */
export function typesCompatible(
  local: Btf,
  localId: number,
  target: Btf,
  targetId: number,
): boolean {
  return compatible(local, localId, target, targetId, MAX_DEPTH, new Map());
}

/** Returns one key for a pair of ids; both are below 2²⁶. */
export function pairKey(localId: number, targetId: number): number {
  return localId * 0x400_0000 + targetId;
}

function compatible(
  local: Btf,
  localId: number,
  target: Btf,
  targetId: number,
  level: number,
  // Results for prototypes: hostile BTF can make the comparison branch at every level.
  known: Map<number, boolean>,
): boolean {
  if (!sameKind(local.type(localId), target.type(targetId))) return false;
  for (let depth = MAX_DEPTH; depth > 0; depth--) {
    const left = bareType(local, localId);
    const right = bareType(target, targetId);
    if (!sameKind(left, right)) return false;
    switch (left.kind) {
      case "void":
      case "struct":
      case "union":
      case "enum":
      case "enum64":
      case "fwd":
        return true;
      case "int":
        return right.kind === "int" && left.offset === 0 && right.offset === 0;
      case "ptr":
      case "array":
        localId = left.type;
        targetId = (right as typeof left).type;
        break;
      case "func_proto": {
        if (right.kind !== "func_proto") return false;
        if (left.parameters.length !== right.parameters.length) return false;
        for (const [index, parameter] of left.parameters.entries()) {
          if (level <= 0) throw tooDeep(local, localId);
          const other = right.parameters[index] as typeof parameter;
          const localType = local.resolve(parameter.type);
          const targetType = target.resolve(other.type);
          const key = pairKey(localType, targetType);
          let same = known.get(key);
          if (same === undefined) {
            same = compatible(local, localType, target, targetType, level - 1, known);
            known.set(key, same);
          }
          if (!same) return false;
        }
        localId = left.returns;
        targetId = right.returns;
        break;
      }
      default:
        return false;
    }
  }
  throw tooDeep(local, localId);
}

/**
 * Returns why a candidate's field does not match the object's field; undefined when it does.
 *
 * Any two structs or unions match, any two pointers, any two ordinary integers; enumerations and forward
 * declarations match by name, arrays by their elements. Corresponds to libbpf's
 * `bpf_core_fields_are_compat`.
 */
export function fieldsIncompatible(
  local: Btf,
  localId: number,
  target: Btf,
  targetId: number,
): string | undefined {
  for (let depth = MAX_DEPTH; depth > 0; depth--) {
    const left = bareType(local, localId);
    const right = bareType(target, targetId);
    if (isComposite(left) && isComposite(right)) return undefined;
    if (!sameKind(left, right)) return `is of kind ${right.kind}, not ${left.kind}`;
    switch (left.kind) {
      case "ptr":
      case "float":
        return undefined;
      case "fwd":
      case "enum":
      case "enum64": {
        const [mine, theirs] = [essentialName(left.name), essentialName(right.name)];
        if (mine === "" || theirs === "" || mine === theirs) return undefined;
        return `is ${right.kind} ${right.name}, not ${left.name}`;
      }
      case "int":
        if (right.kind === "int" && left.offset === 0 && right.offset === 0) return undefined;
        return "is an integer with a bit offset";
      case "array":
        localId = left.type;
        targetId = (right as typeof left).type;
        break;
      default:
        return `is of kind ${right.kind}`;
    }
  }
  throw tooDeep(local, localId);
}

/** Returns the error for types that nest too deep to be compared. */
export function tooDeep(local: Btf, id: number): Error {
  const type = local.type(id);
  return coreError(
    `[${id}] ${type.kind} ${type.name || "<anon>"}`,
    `the types are nested more than ${MAX_DEPTH} levels deep`,
    "EINVAL",
  );
}
