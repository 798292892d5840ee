/**
 * Decodes one type from the words of its BTF.
 *
 * @module
 */

import { BtfError } from "./error.ts";
import type { BtfTables } from "./tables.ts";
import {
  type BtfType,
  type Enumerator,
  KINDS,
  type Member,
  type Parameter,
  type SectionVariable,
} from "./types.ts";

/** The strings of the BTF that a type belongs to. */
export interface NameSource {
  /** The name that errors show. */
  readonly name: string;
  /** Returns the string at an offset. */
  string(offset: number): string;
}

const LINKAGES = ["static", "global", "extern"] as const;

/** Decodes one entry of the tables as the type with the given id. */
export function decodeType(
  btf: NameSource,
  tables: BtfTables,
  entry: number,
  id: number,
): BtfType {
  const kindNumber = tables.kinds[entry] as number;
  if (kindNumber === 0) return { kind: "void", id, name: "" };
  const { words } = tables;
  const at = tables.starts[entry] as number;
  const nameOffset = words[at] as number;
  const name = nameOffset === 0 ? "" : btf.string(nameOffset);
  const info = words[at + 1] as number;
  const flag = info >>> 31 === 1;
  const vlen = info & 0xffffff;
  const sizeOrType = words[at + 2] as number;
  const body = at + 3;
  const kind = KINDS[kindNumber];
  switch (kind) {
    case "int": {
      const word = words[body] as number;
      const encoding = word >>> 24 & 15;
      return {
        kind,
        id,
        name,
        size: sizeOrType,
        bits: word & 0xff,
        offset: word >>> 16 & 0xff,
        encoding: (encoding & 4) !== 0
          ? "bool"
          : (encoding & 2) !== 0
          ? "char"
          : (encoding & 1) !== 0
          ? "signed"
          : "unsigned",
        signed: (encoding & 1) !== 0,
      };
    }
    case "ptr":
    case "typedef":
    case "volatile":
    case "const":
    case "restrict":
      return { kind, id, name, type: sizeOrType };
    case "type_tag":
      return flag
        ? { kind, id, name, type: sizeOrType, attribute: true }
        : { kind, id, name, type: sizeOrType };
    case "array":
      return {
        kind,
        id,
        name,
        type: words[body] as number,
        indexType: words[body + 1] as number,
        length: words[body + 2] as number,
      };
    case "struct":
    case "union":
      return {
        kind,
        id,
        name,
        size: sizeOrType,
        members: decodeMembers(btf, words, body, vlen, flag),
      };
    case "enum":
      return {
        kind,
        id,
        name,
        size: sizeOrType,
        signed: flag,
        values: decodeEnumerators(btf, words, body, vlen, flag),
      };
    case "enum64":
      return {
        kind,
        id,
        name,
        size: sizeOrType,
        signed: flag,
        values: decodeWideEnumerators(btf, words, body, vlen, flag),
      };
    case "fwd":
      return { kind, id, name, of: flag ? "union" : "struct" };
    case "func":
      return { kind, id, name, type: sizeOrType, linkage: linkage(btf, vlen, id) };
    case "func_proto":
      return {
        kind,
        id,
        name,
        returns: sizeOrType,
        parameters: decodeParameters(btf, words, body, vlen),
      };
    case "var":
      return {
        kind,
        id,
        name,
        type: sizeOrType,
        linkage: linkage(btf, words[body] as number, id),
      };
    case "datasec":
      return {
        kind,
        id,
        name,
        size: sizeOrType,
        variables: decodeVariables(words, body, vlen),
      };
    case "float":
      return { kind, id, name, size: sizeOrType };
    case "decl_tag": {
      const componentIndex = (words[body] as number) | 0;
      return flag
        ? { kind, id, name, type: sizeOrType, componentIndex, attribute: true }
        : { kind, id, name, type: sizeOrType, componentIndex };
    }
    default:
      return { kind: "unknown", id, name, kindNumber };
  }
}

function linkage(btf: NameSource, value: number, id: number): typeof LINKAGES[number] {
  const name = LINKAGES[value];
  if (name === undefined) {
    throw new BtfError({
      subject: btf.name,
      why: `type ${id} has linkage ${value}, which is none of static, global and extern`,
      data: { typeId: id },
    });
  }
  return name;
}

function text(btf: NameSource, offset: number): string {
  return offset === 0 ? "" : btf.string(offset);
}

function decodeMembers(
  btf: NameSource,
  words: Uint32Array,
  from: number,
  count: number,
  bitfields: boolean,
): readonly Member[] {
  const members = new Array<Member>(count);
  for (let index = 0; index < count; index++) {
    const at = from + index * 3;
    const offset = words[at + 2] as number;
    members[index] = {
      name: text(btf, words[at] as number),
      type: words[at + 1] as number,
      bitOffset: bitfields ? offset & 0xffffff : offset,
      bitSize: bitfields ? offset >>> 24 : 0,
    };
  }
  return members;
}

function decodeEnumerators(
  btf: NameSource,
  words: Uint32Array,
  from: number,
  count: number,
  signed: boolean,
): readonly Enumerator[] {
  const values = new Array<Enumerator>(count);
  for (let index = 0; index < count; index++) {
    const at = from + index * 2;
    const value = words[at + 1] as number;
    values[index] = { name: text(btf, words[at] as number), value: signed ? value | 0 : value };
  }
  return values;
}

function decodeWideEnumerators(
  btf: NameSource,
  words: Uint32Array,
  from: number,
  count: number,
  signed: boolean,
): readonly Enumerator[] {
  const values = new Array<Enumerator>(count);
  for (let index = 0; index < count; index++) {
    const at = from + index * 3;
    const low = BigInt(words[at + 1] as number);
    const high = words[at + 2] as number;
    const value = BigInt(signed ? high | 0 : high) << 32n | low;
    values[index] = { name: text(btf, words[at] as number), value };
  }
  return values;
}

function decodeParameters(
  btf: NameSource,
  words: Uint32Array,
  from: number,
  count: number,
): readonly Parameter[] {
  const parameters = new Array<Parameter>(count);
  for (let index = 0; index < count; index++) {
    const at = from + index * 2;
    parameters[index] = {
      name: text(btf, words[at] as number),
      type: words[at + 1] as number,
    };
  }
  return parameters;
}

function decodeVariables(
  words: Uint32Array,
  from: number,
  count: number,
): readonly SectionVariable[] {
  const variables = new Array<SectionVariable>(count);
  for (let index = 0; index < count; index++) {
    const at = from + index * 3;
    variables[index] = {
      type: words[at] as number,
      offset: words[at + 1] as number,
      size: words[at + 2] as number,
    };
  }
  return variables;
}
