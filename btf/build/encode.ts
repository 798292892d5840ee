/**
 * Encodes one type as words of BTF.
 *
 * @module
 */

import { BtfError } from "../error.ts";
import {
  type BtfType,
  type CompositeType,
  type EnumType,
  type IntType,
  Kind,
  type KindName,
  type UnknownType,
} from "../types.ts";

/** A type without its id. */
export type WithoutId<Type> = Type extends unknown ? Omit<Type, "id"> : never;

/** An integer for a builder. Omitted fields get defaults. */
export interface IntDefinition {
  /** The discriminator. */
  readonly kind: "int";
  /** The name. */
  readonly name: string;
  /** Size in bytes. */
  readonly size: number;
  /**
   * Number of bits in use.
   *
   * @default {undefined} `size * 8`
   */
  readonly bits?: number | undefined;
  /**
   * Position of the first bit in use.
   *
   * @default {0}
   */
  readonly offset?: number | undefined;
  /** The encoding of the bits. */
  readonly encoding: IntType["encoding"];
  /**
   * Sets BTF_INT_SIGNED beside another encoding.
   *
   * @default {undefined} set when `encoding` is `"signed"`
   */
  readonly signed?: boolean | undefined;
}

/** A type for a builder: as {@linkcode BtfType}, without the id. */
export type TypeDefinition =
  | IntDefinition
  | WithoutId<Exclude<BtfType, IntType | UnknownType>>;

const LINKAGES: Readonly<Record<"static" | "global" | "extern", number>> = {
  static: 0,
  global: 1,
  extern: 2,
};
const ENCODINGS: Readonly<Record<IntType["encoding"], number>> = {
  unsigned: 0,
  signed: 1,
  char: 2,
  bool: 4,
};
const MOST_ELEMENTS = 0xffffff;

/** Encodes a type as words in host byte order; `string` returns the offset of a text. */
export function encodeType(type: TypeDefinition, string: (text: string) => number): Uint32Array {
  const name = string(type.name);
  switch (type.kind) {
    case "int": {
      const encoding = ENCODINGS[type.encoding] | (type.signed === true ? 1 : 0);
      const bits = type.bits ?? type.size * 8;
      return Uint32Array.of(
        name,
        info("int", 0),
        word(type.size, "size"),
        encoding << 24 | byte(type.offset ?? 0, "offset") << 16 | byte(bits, "bits"),
      );
    }
    case "ptr":
    case "typedef":
    case "volatile":
    case "const":
    case "restrict":
    case "type_tag":
      return Uint32Array.of(
        name,
        info(type.kind, 0, type.attribute === true),
        word(type.type, "type"),
      );
    case "array":
      return Uint32Array.of(
        name,
        info("array", 0),
        0,
        word(type.type, "type"),
        word(type.indexType, "index type"),
        word(type.length, "length"),
      );
    case "struct":
    case "union":
      return encodeComposite(type, name, string);
    case "enum":
    case "enum64":
      return encodeEnum(type, name, string);
    case "fwd":
      return Uint32Array.of(name, info("fwd", 0, type.of === "union"), 0);
    case "func":
      return Uint32Array.of(name, info("func", LINKAGES[type.linkage]), word(type.type, "type"));
    case "func_proto": {
      const words = [
        name,
        info("func_proto", type.parameters.length),
        word(type.returns, "type returned"),
      ];
      for (const parameter of type.parameters) {
        words.push(string(parameter.name), word(parameter.type, "parameter"));
      }
      return Uint32Array.from(words);
    }
    case "var":
      return Uint32Array.of(
        name,
        info("var", 0),
        word(type.type, "type"),
        LINKAGES[type.linkage],
      );
    case "datasec": {
      const words = [name, info("datasec", type.variables.length), word(type.size, "size")];
      for (const variable of type.variables) {
        words.push(
          word(variable.type, "type"),
          word(variable.offset, "offset"),
          word(variable.size, "size"),
        );
      }
      return Uint32Array.from(words);
    }
    case "float":
      return Uint32Array.of(name, info("float", 0), word(type.size, "size"));
    case "decl_tag":
      return Uint32Array.of(
        name,
        info("decl_tag", 0, type.attribute === true),
        word(type.type, "type"),
        type.componentIndex,
      );
    case "void":
      throw refuse("void is type 0 of every BTF and cannot be added");
  }
}

function encodeComposite(
  type: Omit<CompositeType, "id">,
  name: number,
  string: (text: string) => number,
): Uint32Array {
  const bitfields = type.members.some((member) => member.bitSize > 0);
  const words = [name, info(type.kind, type.members.length, bitfields), word(type.size, "size")];
  for (const member of type.members) {
    let offset = word(member.bitOffset, "bit offset");
    if (bitfields) {
      if (offset > 0xffffff) {
        throw refuse(`member ${member.name} at bit ${offset} is too far for a type with bitfields`);
      }
      offset = (byte(member.bitSize, "bit size") << 24 | offset) >>> 0;
    }
    words.push(string(member.name), word(member.type, "member"), offset);
  }
  return Uint32Array.from(words);
}

function encodeEnum(
  type: Omit<EnumType, "id">,
  name: number,
  string: (text: string) => number,
): Uint32Array {
  const words = [name, info(type.kind, type.values.length, type.signed), word(type.size, "size")];
  for (const { name, value } of type.values) {
    const text = string(name);
    if (type.kind === "enum") {
      const number = Number(value);
      if (!Number.isInteger(number) || number < -0x8000_0000 || number > 0xffff_ffff) {
        throw refuse(`${name} = ${value} does not fit into 32 bits; make it an enum64`);
      }
      words.push(text, number >>> 0);
    } else {
      const wide = BigInt.asUintN(64, BigInt(value));
      words.push(text, Number(wide & 0xffff_ffffn), Number(wide >> 32n));
    }
  }
  return Uint32Array.from(words);
}

/** Returns the info word: vlen in bits 0 to 23, kind in 24 to 30, kind_flag in 31. */
function info(kind: KindName, vlen: number, flag: boolean = false): number {
  if (vlen > MOST_ELEMENTS) throw refuse(`${vlen} elements are more than ${MOST_ELEMENTS}`);
  return ((flag ? 0x8000_0000 : 0) | Kind[kind] << 24 | vlen) >>> 0;
}

function word(value: number, what: string): number {
  if (Number.isInteger(value) && value >= 0 && value <= 0xffff_ffff) return value;
  throw refuse(`${what} is ${value}, not an unsigned 32-bit number`);
}

function byte(value: number, what: string): number {
  if (Number.isInteger(value) && value >= 0 && value <= 0xff) return value;
  throw refuse(`${what} is ${value}, not an unsigned 8-bit number`);
}

function refuse(why: string): BtfError {
  return new BtfError({ doing: "build", subject: "BTF", why });
}
