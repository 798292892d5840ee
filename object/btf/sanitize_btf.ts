/**
 * Rewrites BTF for kernels that do not support all of its kinds: each is replaced by a supported kind of the
 * same size and id, as libbpf does.
 *
 * @module
 */

import { Btf } from "../../btf/btf.ts";
import { BtfBuilder } from "../../btf/build/builder.ts";
import type { BtfType } from "../../btf/types.ts";

/** BTF features of a kernel, with the Linux version that added each. */
export interface BtfFeatures {
  /** Functions and their prototypes (5.0). */
  readonly functions: boolean;
  /** Variables and data sections (5.2). */
  readonly dataSections: boolean;
  /** Global functions (5.6). */
  readonly globalFunctions: boolean;
  /** Floating-point numbers (5.13). */
  readonly floats: boolean;
  /** Tags on declarations (5.16). */
  readonly declarationTags: boolean;
  /** Tags on types (5.17). */
  readonly typeTags: boolean;
  /** Signed and 64-bit enumerations (6.0). */
  readonly wideEnums: boolean;
  /** Data section names that start with `?` (6.9). */
  readonly questionMarks: boolean;
  /** A layout section (7.1). */
  readonly layout: boolean;
}

/** BTF features of Linux 6.9. */
export const MODERN_BTF: BtfFeatures = {
  functions: true,
  dataSections: true,
  globalFunctions: true,
  floats: true,
  declarationTags: true,
  typeTags: true,
  wideEnums: true,
  questionMarks: true,
  layout: false,
};

/**
 * Feature sets of successively older kernels, newest first, for a loader that tries one after the other
 * because it does not know its kernel's features.
 */
export const BTF_GENERATIONS: readonly BtfFeatures[] = [
  MODERN_BTF,
  { ...MODERN_BTF, questionMarks: false },
  { ...MODERN_BTF, questionMarks: false, wideEnums: false },
  {
    ...MODERN_BTF,
    questionMarks: false,
    wideEnums: false,
    typeTags: false,
    declarationTags: false,
    floats: false,
  },
  {
    functions: true,
    dataSections: true,
    globalFunctions: false,
    floats: false,
    declarationTags: false,
    typeTags: false,
    wideEnums: false,
    questionMarks: false,
    layout: false,
  },
  {
    functions: false,
    dataSections: false,
    globalFunctions: false,
    floats: false,
    declarationTags: false,
    typeTags: false,
    wideEnums: false,
    questionMarks: false,
    layout: false,
  },
];

/** Kinds that need a replacement on some kernels. */
const NEWER_KINDS: ReadonlySet<string> = new Set([
  "var",
  "datasec",
  "func",
  "func_proto",
  "float",
  "decl_tag",
  "type_tag",
  "enum",
  "enum64",
]);

/**
 * Replaces kinds that a kernel does not support. Returns undefined when nothing needs replacing.
 *
 * @param builder The object's BTF after all other changes.
 */
export function sanitizeBtf(
  original: Btf,
  builder: BtfBuilder,
  features: BtfFeatures,
  name: string,
): Uint8Array<ArrayBuffer> | undefined {
  if (!lacksAny(original, features)) return undefined;
  const btf = Btf.parse(builder.build(), { name: `BTF of ${name}` });
  const target = BtfBuilder.from(btf);
  let placeholder: number | undefined;
  for (let id = btf.firstId; id < btf.endId; id++) {
    if (!NEWER_KINDS.has(btf.kindName(id))) continue;
    const type = btf.type(id);
    const replacement = replace(
      btf,
      type,
      features,
      () => placeholder ??= target.addInt("enum64_placeholder", 1, "unsigned"),
    );
    if (replacement !== undefined) target.replace(id, replacement);
  }
  return target.build({ layout: features.layout });
}

function lacksAny(btf: Btf, features: BtfFeatures): boolean {
  const { layout: _layout, questionMarks, ...kinds } = features;
  if (Object.values(kinds).includes(false)) return true;
  if (questionMarks) return false;
  return ["?.struct_ops", "?.struct_ops.link"].some((name) =>
    btf.find(name, "datasec") !== undefined
  );
}

type Replacement = Parameters<BtfBuilder["replace"]>[1];

function replace(
  btf: Btf,
  type: BtfType,
  features: BtfFeatures,
  placeholder: () => number,
): Replacement | undefined {
  switch (type.kind) {
    case "var":
      // A one-byte integer fits any variable's size.
      if (features.dataSections) return undefined;
      return { kind: "int", name: type.name, size: 1, encoding: "unsigned" };
    case "decl_tag":
      if (features.dataSections && features.declarationTags) return undefined;
      return { kind: "int", name: "", size: 1, encoding: "unsigned" };
    case "datasec": {
      if (features.dataSections) {
        if (features.questionMarks || !type.name.startsWith("?")) return undefined;
        return { ...type, name: `_${type.name.slice(1)}` };
      }
      return {
        kind: "struct",
        name: type.name.replace(/[.?]/g, "_"),
        size: type.size,
        members: type.variables.map(({ type: variable, offset }) => ({
          name: btf.nameOf(variable),
          type: variable,
          bitOffset: offset * 8,
          bitSize: 0,
        })),
      };
    }
    case "func_proto":
      if (features.functions) return undefined;
      return {
        kind: "enum",
        name: "",
        size: 4,
        signed: false,
        values: type.parameters.map(({ name }, value) => ({ name, value })),
      };
    case "func":
      if (!features.functions) return { kind: "typedef", name: type.name, type: type.type };
      if (features.globalFunctions || type.linkage === "static") return undefined;
      return { ...type, linkage: "static" };
    case "float":
      if (features.floats) return undefined;
      return { kind: "struct", name: "", size: type.size, members: [] };
    case "type_tag":
      if (features.typeTags) return undefined;
      return { kind: "const", name: "", type: type.type };
    case "enum":
      if (features.wideEnums || !type.signed) return undefined;
      return { ...type, signed: false, values: type.values };
    case "enum64":
      if (features.wideEnums) return undefined;
      return {
        kind: "union",
        name: type.name,
        size: type.size,
        members: type.values.map(({ name }) => ({
          name,
          type: placeholder(),
          bitOffset: 0,
          bitSize: 0,
        })),
      };
    default:
      return undefined;
  }
}
