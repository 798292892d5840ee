/**
 * The two forms of a CO-RE access: the indices that clang records, and the named steps that can be matched
 * with another kernel.
 *
 * @module
 */

import type { Btf } from "../btf.ts";
import { BtfError } from "../error.ts";
import type { ArrayType, BtfType, CompositeType, EnumType } from "../types.ts";
import type { CoreKind } from "../ext.ts";
import { coreLabel, coreSubject } from "./kind.ts";

/** Maximum number of indices in an access, as in libbpf. */
export const MAX_PATH = 64;

/** A step of an access: a named member, an array index, or an enumerator. */
export interface CoreStep {
  /**
   * The struct or union that has the member, or the type of the array's element; without qualifiers and
   * typedefs.
   */
  readonly typeId: number;
  /** The index of the member, element or enumerator. */
  readonly index: number;
  /** The name of the member or enumerator; undefined for an array index. */
  readonly name?: string | undefined;
}

/** An access in terms of one BTF: the object's, or a candidate's. */
export interface CoreSpec {
  /** The BTF that the ids belong to. */
  readonly btf: Btf;
  /** The type that the access starts from. */
  readonly rootId: number;
  /** The kind of the relocation. */
  readonly kind: CoreKind;
  /** All indices, including those of anonymous structs. */
  readonly path: number[];
  /** The steps, without anonymous structs and unions. */
  readonly steps: CoreStep[];
  /** Offset from the root in bits; wraps at 2³² as in libbpf. */
  bitOffset: number;
}

/** Makes an error of the relocation stage. */
export function coreError(
  subject: string,
  why: string,
  errno: string,
  more: { readonly fix?: string | undefined; readonly cause?: unknown } = {},
): BtfError {
  return new BtfError(
    {
      doing: "relocate",
      subject,
      why,
      errno,
      stage: "relocate",
      fix: more.fix,
    },
    more,
  );
}

/** Returns the type behind qualifiers, type tags and typedefs. */
export function bareType(btf: Btf, id: number): BtfType {
  return btf.type(btf.resolve(id));
}

/** Returns whether a type is a struct or a union. */
export function isComposite(type: BtfType): type is CompositeType {
  return type.kind === "struct" || type.kind === "union";
}

/** Returns whether a type is an enumeration of either width. */
export function isEnum(type: BtfType): type is EnumType {
  return type.kind === "enum" || type.kind === "enum64";
}

/** Returns whether two types have the same kind; `enum` and `enum64` count as one. */
export function sameKind(left: BtfType, right: BtfType): boolean {
  return left.kind === right.kind || (isEnum(left) && isEnum(right));
}

/** Returns whether an array without a length is the last member of the struct of the step before it. */
export function isFlexible(btf: Btf, before: CoreStep | undefined, array: ArrayType): boolean {
  if (array.length > 0 || before?.name === undefined) return false;
  const holder = btf.type(before.typeId);
  return isComposite(holder) && before.index === holder.members.length - 1;
}

/** Adds an array index to an offset in bits, modulo 2³². */
export function addElements(bitOffset: number, index: number, size: number): number {
  return (bitOffset + Math.imul(Math.imul(index, size), 8)) >>> 0;
}

const PATH = /^-?\d{1,10}(?::-?\d{1,10})*$/;

/** Parses an access string (`"0:1:2"`); undefined when it is malformed. */
function parsePath(access: string): number[] | undefined {
  if (!PATH.test(access)) return undefined;
  const path = access.split(":").map(Number);
  return path.every((index) => index === (index | 0)) ? path : undefined;
}

/**
 * Converts a relocation's root type and access string to a {@linkcode CoreSpec} of the object's BTF.
 *
 * @throws {BtfError} EINVAL when the access string does not fit the type.
 */
export function parseSpec(btf: Btf, rootId: number, kind: CoreKind, access: string): CoreSpec {
  const spec: CoreSpec = { btf, rootId, kind, path: [], steps: [], bitOffset: 0 };
  const refuse = (why: string): BtfError => {
    const root = btf.type(rootId);
    const subject = `<${coreLabel(kind)}> [${rootId}] ${root.kind} ${
      root.name || "<anon>"
    } + ${access}`;
    return coreError(subject, why, "EINVAL");
  };
  const subject = coreSubject(kind);
  if (subject === "type") {
    if (access !== "0") throw refuse("the access string of a whole type must be 0");
    return spec;
  }
  const path = parsePath(access);
  if (path === undefined) throw refuse("the access string is not a list of numbers");
  if (path.length > MAX_PATH) throw refuse(`the access is more than ${MAX_PATH} levels deep`);
  spec.path.push(...path);
  let id = btf.resolve(rootId);
  const first = path[0] as number;

  if (subject === "enumerator") {
    const type = btf.type(id);
    const value = isEnum(type) ? type.values[first] : undefined;
    if (value === undefined || path.length > 1) throw refuse("the type has no such enumerator");
    spec.steps.push({ typeId: id, index: first, name: value.name });
    return spec;
  }

  spec.steps.push({ typeId: id, index: first });
  spec.bitOffset = addElements(0, first, btf.size(id));
  for (let level = 1; level < path.length; level++) {
    const index = path[level] as number;
    const type = bareType(btf, id);
    if (isComposite(type)) {
      const member = type.members[index];
      if (member === undefined) {
        throw refuse(`${type.kind} ${type.name || "<anon>"} has no member ${index}`);
      }
      spec.bitOffset = (spec.bitOffset + member.bitOffset) >>> 0;
      if (member.name !== "") {
        spec.steps.push({ typeId: btf.resolve(id), index, name: member.name });
      }
      id = member.type;
    } else if (type.kind === "array") {
      id = btf.resolve(type.type);
      const flexible = isFlexible(btf, spec.steps.at(-1), type);
      if (!flexible && (index < 0 || index >= type.length)) {
        throw refuse(`index ${index} is past the end of an array of ${type.length}`);
      }
      spec.steps.push({ typeId: id, index });
      spec.bitOffset = addElements(spec.bitOffset, index, btf.size(id));
    } else {
      throw refuse(`level ${level} is in a ${type.kind}, which has no members`);
    }
  }
  return spec;
}
