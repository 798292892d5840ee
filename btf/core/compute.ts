/**
 * Computes the number that a relocation writes into an instruction from a matched access.
 *
 * @module
 */

import type { Btf } from "../btf.ts";
import type { Member } from "../types.ts";
import { loadUnit } from "./bitfield.ts";
import { coreSubject } from "./kind.ts";
import { coreError, type CoreSpec, isComposite, isEnum } from "./spec.ts";
import { formatSpec } from "./describe.ts";
import type { CoreOutcome, CorePoison, CoreValue } from "./outcome.ts";

/**
 * Computes the outcome for the object's access and one candidate's, or for none.
 *
 * @throws {BtfError} EINVAL, or E2BIG for a bitfield that no 64-bit load covers.
 */
export function compute(local: CoreSpec, target: CoreSpec | undefined): CoreOutcome {
  switch (coreSubject(local.kind)) {
    case "field":
      return computeField(local, target);
    case "enumerator":
      return computeEnumerator(local, target);
    default:
      return plain(typeValue(target), typeValue(local), local.kind !== "target_type_id");
  }
}

function plain(
  value: number | bigint,
  original: number | bigint,
  validate = true,
): CoreValue {
  return {
    kind: "value",
    value,
    original,
    validate,
    originalSize: 0,
    size: 0,
    sizeMismatch: false,
  };
}

const NO_MATCH: CorePoison = { kind: "poison", reason: "no candidate matches" };

function typeValue(spec: CoreSpec | undefined): number {
  if (spec === undefined) return 0;
  switch (spec.kind) {
    case "target_type_id":
    case "local_type_id":
      return spec.rootId;
    case "type_size":
      return spec.btf.size(spec.rootId);
    default:
      return 1;
  }
}

function computeEnumerator(local: CoreSpec, target: CoreSpec | undefined): CoreOutcome {
  if (local.kind === "enumval_exists") return plain(target === undefined ? 0 : 1, 1);
  if (target === undefined) return NO_MATCH;
  return plain(enumeratorValue(target), enumeratorValue(local));
}

/** Returns an enumerator's value as a signed 64-bit number. */
function enumeratorValue(spec: CoreSpec): number | bigint {
  const step = spec.steps[0];
  const type = step === undefined ? undefined : spec.btf.type(step.typeId);
  if (step === undefined || type === undefined || !isEnum(type)) return 0;
  const value = type.values[step.index]?.value ?? 0;
  // libbpf reads the 32-bit values of a plain enum as signed, regardless of kind_flag.
  if (type.kind === "enum") return Number(value) | 0;
  const wide = BigInt.asIntN(64, BigInt(value));
  return Number.isSafeInteger(Number(wide)) ? Number(wide) : wide;
}

function computeField(local: CoreSpec, target: CoreSpec | undefined): CoreOutcome {
  if (local.kind === "field_exists") return plain(target === undefined ? 0 : 1, 1);
  const mine = fieldValue(local);
  if (target === undefined) return NO_MATCH;
  const theirs = fieldValue(target);
  return {
    kind: "value",
    value: theirs.value,
    original: mine.value,
    validate: mine.validate,
    originalSize: mine.size,
    size: theirs.size,
    sizeMismatch: mine.size !== theirs.size &&
      !canResize(local.btf, mine.typeId, target.btf, theirs.typeId),
  };
}

/** A load may change its width when zero-extension preserves the value. */
function canResize(local: Btf, localId: number, target: Btf, targetId: number): boolean {
  const left = local.type(localId);
  const right = target.type(targetId);
  if (left.kind === "ptr") return right.kind === "ptr";
  return left.kind === "int" && right.kind === "int" &&
    left.encoding !== "signed" && right.encoding !== "signed";
}

/** One side of a field relocation. */
interface FieldValue {
  readonly value: number;
  readonly validate: boolean;
  /** Size of the load in bytes; 0 for bitfields and for relocations other than byte offsets. */
  readonly size: number;
  /** The loaded type; 0 when `size` is 0. */
  readonly typeId: number;
}

function fieldValue(spec: CoreSpec): FieldValue {
  const last = spec.steps.at(-1);
  const holder = last === undefined ? undefined : spec.btf.type(last.typeId);
  if (last === undefined || holder === undefined) throw refuse(spec, "the access is empty");
  if (last.name === undefined) return elementValue(spec, last.typeId);
  const member: Member | undefined = isComposite(holder) ? holder.members[last.index] : undefined;
  if (member === undefined) throw refuse(spec, "the access ends in no member");

  const typeId = spec.btf.resolve(member.type);
  const type = spec.btf.type(typeId);
  const bitfield = member.bitSize > 0;
  let byteOffset = spec.bitOffset >>> 3;
  let byteSize: number;
  let bitSize = member.bitSize;
  if (bitfield) {
    const unit = "size" in type ? loadUnit(spec.bitOffset, bitSize, type.size) : undefined;
    if (unit === undefined) throw refuse(spec, "no load covers the whole bitfield", "E2BIG");
    ({ byteOffset, byteSize } = unit);
  } else {
    byteSize = spec.btf.size(typeId);
    bitSize = byteSize * 8;
  }

  const answer = (value: number, validate = !bitfield): FieldValue => ({
    value,
    validate,
    size: 0,
    typeId: 0,
  });
  switch (spec.kind) {
    case "byte_offset":
      if (bitfield) return answer(byteOffset);
      return { value: byteOffset, validate: true, size: byteSize, typeId };
    case "byte_size":
      return answer(byteSize);
    case "signed": {
      const signed = isEnum(type) ? type.signed : type.kind === "int" && type.encoding === "signed";
      return answer(signed ? 1 : 0, true);
    }
    // libbpf computes both shifts with 32-bit arithmetic: a field wider than 64 bits wraps.
    case "lshift_u64": {
      const start = spec.bitOffset - byteOffset * 8;
      return answer(
        (spec.btf.littleEndian ? 64 - (start + bitSize) : (8 - byteSize) * 8 + start) >>> 0,
      );
    }
    case "rshift_u64":
      return answer((64 - bitSize) >>> 0, true);
    default:
      throw refuse(spec, "it is of an unknown kind");
  }
}

/** Computes the value for `a[n]`, which has an offset and a size only. */
function elementValue(spec: CoreSpec, typeId: number): FieldValue {
  const size = spec.btf.size(typeId);
  switch (spec.kind) {
    case "byte_offset":
      return { value: spec.bitOffset >>> 3, validate: true, size, typeId };
    case "byte_size":
      return { value: size, validate: true, size: 0, typeId: 0 };
    default:
      throw refuse(spec, "relocations of this kind do not apply to array elements");
  }
}

function refuse(spec: CoreSpec, why: string, errno = "EINVAL"): Error {
  return coreError(formatSpec(spec), why, errno);
}
