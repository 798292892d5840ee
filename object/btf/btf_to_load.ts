/**
 * Prepares an object's BTF for BPF_BTF_LOAD: fills in sizes and offsets from ELF, turns externs into
 * definitions, and replaces kinds that an older kernel does not support.
 *
 * Type ids do not change, because programs and maps refer to them.
 *
 * @module
 */

import type { Btf } from "../../btf/btf.ts";
import { BtfBuilder } from "../../btf/build/builder.ts";
import { Kind } from "../../btf/types.ts";
import type { AddedTypes } from "../relocate/argument_contexts.ts";
import { ObjectError } from "../spec/error.ts";
import { type ObjectSpec, parsedObject } from "../object_spec.ts";
import { type BtfFeatures, MODERN_BTF, sanitizeBtf } from "./sanitize_btf.ts";

/** Size in bytes of the integers that replace kernel symbols. */
const KSYM_SIZE = 4;

/**
 * Builds the BTF blob to load for an object.
 *
 * @param features BTF features that the kernel supports. @default {MODERN_BTF}
 * @param added Types to append; they get the ids after the object's. @default {[]}
 *
 * @throws {ObjectError} ENOENT for an object without BTF.
 */
export function btfToLoad(
  spec: ObjectSpec,
  features: BtfFeatures = MODERN_BTF,
  added: AddedTypes = [],
): Uint8Array<ArrayBuffer> {
  const { btf } = spec;
  if (btf === undefined) {
    throw new ObjectError({
      doing: "make BTF of",
      subject: spec.name,
      errno: "ENOENT",
      stage: "btf",
      why: "the object has no BTF",
      fix: "compile with clang -g",
    });
  }
  const builder = BtfBuilder.from(btf);
  // Added first, so that they get the ids that programs refer to.
  for (const type of added) builder.add(type);
  fixExterns(spec, btf, builder);
  fixSections(spec, btf, builder);
  fixFunctions(spec, btf, builder);
  const bytes = sanitizeBtf(btf, builder, features, spec.name);
  return bytes ?? builder.build({ layout: features.layout });
}

/**
 * Turns externs into definitions, because the kernel refuses extern linkage in an object's BTF: variables
 * become global integers, functions become global, and a dummy variable replaces them in their section.
 */
function fixExterns(spec: ObjectSpec, btf: Btf, builder: BtfBuilder): void {
  if (spec.externs.length === 0) return;
  const id = btf.find(".ksyms", "datasec");
  const section = id === undefined ? undefined : btf.type(id);
  if (id !== undefined && section?.kind === "datasec") {
    let dummy: number | undefined;
    const int = intId(btf, builder);
    const variables = section.variables.map((entry, index) => {
      let { type } = entry;
      if (btf.kind(type) === Kind.func) {
        nameParameters(btf, builder, type);
        builder.setFunctionLinkage(type, "global");
        type = dummy ??= builder.addVariable("dummy_ksym", int, "global");
      } else {
        builder.setVariable(type, { type: int, linkage: "global" });
      }
      return { type, offset: index * KSYM_SIZE, size: KSYM_SIZE };
    });
    builder.setDataSection(id, variables.length * KSYM_SIZE, variables);
  }
  const kconfigId = btf.find(".kconfig", "datasec");
  const kconfig = kconfigId === undefined ? undefined : btf.type(kconfigId);
  if (kconfigId !== undefined && kconfig?.kind === "datasec") {
    const offsets = new Map(spec.externs.map(({ btfId, offset }) => [btfId, offset]));
    const variables = kconfig.variables.map(({ type, size }) => {
      builder.setVariable(type, { linkage: "global" });
      return { type, offset: offsets.get(type) ?? 0, size };
    });
    variables.sort((a, b) => a.offset - b.offset);
    builder.setDataSection(kconfigId, parsedObject(spec).externs.kconfigSize, variables);
  }
}

/** Returns the id of the first 32-bit integer; adds one when there is none. */
function intId(btf: Btf, builder: BtfBuilder): number {
  for (let id = btf.firstId; id < btf.endId; id++) {
    if (btf.kind(id) !== Kind.int) continue;
    const type = btf.type(id);
    if (type.kind === "int" && type.bits === 32) return id;
  }
  return builder.addInt("int", 4, "signed");
}

/** Names unnamed parameters: the kernel requires names unless the function is extern. */
function nameParameters(btf: Btf, builder: BtfBuilder, functionId: number): void {
  const func = btf.type(functionId);
  if (func.kind !== "func") return;
  const prototype = btf.type(func.type);
  if (prototype.kind !== "func_proto") return;
  if (prototype.parameters.every(({ name, type }) => type === 0 || name !== "")) return;
  builder.replace(func.type, {
    kind: "func_proto",
    name: "",
    returns: prototype.returns,
    parameters: prototype.parameters.map(({ name, type }) => ({
      name: type !== 0 && name === "" ? "dummy_ksym" : name,
      type,
    })),
  });
}

/** Sets the sizes, offsets and linkages of data sections from ELF, and the sizes of maps that were resized. */
function fixSections(spec: ObjectSpec, btf: Btf, builder: BtfBuilder): void {
  for (const { id, name, size, variables } of parsedObject(spec).placed) {
    for (const variable of variables) {
      const declared = btf.type(variable.id);
      if (declared.kind === "var" && declared.linkage !== variable.linkage) {
        builder.setVariable(variable.id, { linkage: variable.linkage });
      }
    }
    const entries = variables.map(({ id: type, offset, size }) => ({ type, offset, size }));
    const map = spec.maps.find(name);
    const resized = map !== undefined && map.valueTypeId === id && map.valueSize !== size
      ? resize(btf, builder, entries, map.valueSize)
      : undefined;
    builder.setDataSection(
      id,
      resized === undefined ? size : map?.valueSize ?? size,
      resized ?? entries,
    );
  }
}

/**
 * Resizes the last variable of a section to a new section size in bytes. Returns undefined when it is not an
 * array, or the size is not a multiple of its elements.
 */
function resize<Entry extends { readonly type: number; readonly offset: number }>(
  btf: Btf,
  builder: BtfBuilder,
  entries: readonly Entry[],
  size: number,
): (Entry & { size: number })[] | undefined {
  const last = entries[entries.length - 1];
  const variable = last === undefined ? undefined : btf.type(last.type);
  if (last === undefined || variable?.kind !== "var") return undefined;
  const array = btf.type(btf.resolve(variable.type));
  if (array.kind !== "array") return undefined;
  const element = btf.size(array.type);
  const room = size - last.offset;
  if (element === 0 || room <= 0 || room % element !== 0) return undefined;
  builder.setVariable(last.type, {
    type: builder.addArray(array.type, array.indexType, room / element),
  });
  return entries.map((entry) => ({
    ...entry,
    size: entry === last ? room : (entry as Entry & { size: number }).size,
  }));
}

/**
 * Marks hidden functions static, so that the verifier checks them at each call with the arguments' actual
 * types and values.
 */
function fixFunctions(spec: ObjectSpec, btf: Btf, builder: BtfBuilder): void {
  const { units } = parsedObject(spec);
  const hidden = new Set<string>();
  for (const unit of units.all) {
    if (unit.hidden && units.isSubprogram(unit)) hidden.add(unit.name);
  }
  if (hidden.size === 0) return;
  for (let id = btf.firstId; id < btf.endId; id++) {
    if (btf.kind(id) !== Kind.func) continue;
    const name = btf.nameOf(id);
    if (!hidden.has(name)) continue;
    const type = btf.type(id);
    if (type.kind !== "func" || type.linkage !== "global") continue;
    builder.setFunctionLinkage(id, "static");
    hidden.delete(name);
  }
}
