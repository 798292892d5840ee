/**
 * The shape of a BTF type as codecs use it: a tree with byte offsets, without qualifiers and typedefs.
 *
 * @module
 */

import type { Btf } from "../btf.ts";
import { BtfError } from "../error.ts";
import type { BtfType, CompositeType, EnumType, IntType, Member } from "../types.ts";

/** An integer of 1, 2, 4, 8 or 16 bytes; a pointer is one of 8 bytes. */
export interface IntShape {
  readonly kind: "int";
  readonly size: 1 | 2 | 4 | 8 | 16;
  readonly signed: boolean;
}

/** A boolean of any size. */
export interface BoolShape {
  readonly kind: "bool";
  readonly size: 1 | 2 | 4 | 8 | 16;
}

/** A floating-point number. */
export interface FloatShape {
  readonly kind: "float";
  readonly size: 2 | 4 | 8;
}

/** An enumeration: decodes to a name, or to a number when the value has none. */
export interface EnumShape {
  readonly kind: "enum";
  readonly name: string;
  readonly size: 1 | 2 | 4 | 8;
  readonly signed: boolean;
  /** The first name of each value. */
  readonly names: ReadonlyMap<number | bigint, string>;
  /** The value of each name. */
  readonly values: ReadonlyMap<string, number | bigint>;
}

/** A bitfield; `of` is its underlying type. */
export interface BitsShape {
  readonly kind: "bits";
  /**
   * Number of bits before it, counted from the first byte's low end, or in big-endian BTF from its high
   * end.
   */
  readonly shift: number;
  /** Width in bits. */
  readonly bits: number;
  readonly of: IntShape | BoolShape | EnumShape;
}

/** A `char` array: text up to the first NUL. */
export interface TextShape {
  readonly kind: "text";
  /** Length in bytes; 0 for a flexible array. */
  readonly length: number;
}

/** An array of unsigned bytes, or a floating-point number that JS has no type for. */
export interface BytesShape {
  readonly kind: "bytes";
  /** Length in bytes; 0 for a flexible array. */
  readonly length: number;
}

/** Any other array. */
export interface ArrayShape {
  readonly kind: "array";
  /** Number of elements; 0 for a flexible array. */
  readonly length: number;
  /** Distance between elements in bytes. */
  readonly stride: number;
  readonly element: Shape;
}

/** A member of a record; members of one without a name belong to the enclosing record. */
export interface FieldShape {
  readonly name: string;
  /** Offset in the record in bytes. */
  readonly offset: number;
  readonly shape: Shape;
}

/** A struct, a union or a data section. */
export interface RecordShape {
  readonly kind: "record";
  readonly name: string;
  readonly union: boolean;
  readonly size: number;
  readonly fields: readonly FieldShape[];
}

/** Any shape. */
export type Shape =
  | IntShape
  | BoolShape
  | FloatShape
  | EnumShape
  | BitsShape
  | TextShape
  | BytesShape
  | ArrayShape
  | RecordShape;

/** Maximum nesting of structs and arrays. */
const MAX_DEPTH = 32;

/**
 * Maximum number of members of all structs of one type: the limit of BTF's vlen before Linux 7.1, and
 * hundreds of times more than the kernel's largest struct has.
 */
const MOST_MEMBERS = 65_535;

/**
 * Returns the shape of a type.
 *
 * @throws {BtfError} for a type without values, and for malformed BTF.
 */
export function shapeOf(btf: Btf, typeId: number): Shape {
  return new Shaper(btf).root(typeId);
}

/** A field of a record, after flattening anonymous members. */
export interface FlatField {
  readonly name: string;
  readonly offset: number;
  readonly shape: Shape;
}

/** Returns all named fields of a record, those of anonymous members included. */
export function flatFields(record: RecordShape): readonly FlatField[] {
  const fields: FlatField[] = [];
  collect(record, 0, fields);
  return fields;
}

/**
 * Returns whether a record within a shape has more than `limit` members, those of anonymous members
 * included.
 */
export function hasMoreMembers(shape: Shape, limit: number): boolean {
  const known = new Map<Shape, number>();
  const count = (shape: Shape): number => {
    if (shape.kind === "array") return count(shape.element) > limit ? limit + 1 : 1;
    if (shape.kind !== "record") return 1;
    const found = known.get(shape);
    if (found !== undefined) return found;
    let members = 0;
    let above = false;
    for (const field of shape.fields) {
      const own = count(field.shape);
      if (own > limit) above = true;
      members += field.name === "" ? own : 1;
    }
    if (above) members = limit + 1;
    known.set(shape, members);
    return members;
  };
  return count(shape) > limit;
}

function collect(record: RecordShape, base: number, into: FlatField[]): void {
  for (const { name, offset, shape } of record.fields) {
    if (name === "" && shape.kind === "record") collect(shape, base + offset, into);
    else into.push({ name, offset: base + offset, shape });
  }
}

class Shaper {
  readonly #btf: Btf;
  readonly #known = new Map<number, Shape>();
  /** Number of values and bytes in a type, with all members of unions: hostile BTF can make it 2³². */
  readonly #weights = new Map<Shape, number>();
  /** Number of members of each record, those of anonymous members included. */
  readonly #members = new Map<Shape, number>();
  #allMembers = 0;

  constructor(btf: Btf) {
    this.#btf = btf;
  }

  root(typeId: number): Shape {
    const shape = this.shape(typeId, 0, undefined);
    const weight = this.#weight(shape);
    if (weight > 4096 + 64 * this.#btf.size(typeId)) {
      throw this.#refuse(
        typeId,
        "decoding it would yield too many values, because its unions and structs overlap",
        "E2BIG",
      );
    }
    return shape;
  }

  shape(typeId: number, depth: number, holder: BtfType | undefined): Shape {
    const btf = this.#btf;
    let id = btf.resolve(typeId);
    let type = btf.type(id);
    if (type.kind === "var") {
      id = btf.resolve(type.type);
      type = btf.type(id);
    }
    const known = this.#known.get(id);
    if (known !== undefined) return known;
    if (depth > MAX_DEPTH) {
      throw this.#refuse(typeId, `it is nested more than ${MAX_DEPTH} levels deep`, "E2BIG");
    }
    const shape = this.#make(id, type, depth, holder);
    this.#known.set(id, shape);
    return shape;
  }

  #make(id: number, type: BtfType, depth: number, holder: BtfType | undefined): Shape {
    switch (type.kind) {
      case "int":
        return this.#int(id, type);
      case "ptr":
        return { kind: "int", size: 8, signed: false };
      case "float":
        if (type.size === 2 || type.size === 4 || type.size === 8) {
          return { kind: "float", size: type.size };
        }
        return { kind: "bytes", length: type.size };
      case "enum":
      case "enum64":
        return this.#enum(id, type);
      case "array":
        return this.#array(type, depth);
      case "struct":
      case "union":
        return this.#record(id, type, depth);
      case "datasec": {
        const fields = type.variables.map(({ type: variable, offset, size }): FieldShape => {
          const shape = this.shape(variable, depth + 1, type);
          if (offset + this.#btf.size(variable) > type.size || size > type.size) {
            throw this.#refuse(id, `variable ${this.#btf.nameOf(variable)} is past its end`);
          }
          return { name: this.#btf.nameOf(variable), offset, shape };
        });
        return this.#countMembers(id, {
          kind: "record",
          name: type.name,
          union: false,
          size: type.size,
          fields,
        });
      }
      default: {
        const where = holder === undefined || holder.name === "" ? "" : ` in ${holder.name}`;
        throw this.#refuse(id, `a ${type.kind}${where} has no value`);
      }
    }
  }

  #int(id: number, type: IntType): IntShape | BoolShape {
    const { size } = type;
    if (size !== 1 && size !== 2 && size !== 4 && size !== 8 && size !== 16) {
      throw this.#refuse(id, `an integer cannot have ${size} bytes`);
    }
    if (type.encoding === "bool") return { kind: "bool", size };
    return { kind: "int", size, signed: type.signed };
  }

  #enum(id: number, type: EnumType): EnumShape {
    const { size, signed, name } = type;
    if (size !== 1 && size !== 2 && size !== 4 && size !== 8) {
      throw this.#refuse(id, `an enumeration cannot have ${size} bytes`);
    }
    const names = new Map<number | bigint, string>();
    const values = new Map<string, number | bigint>();
    for (const { name, value } of type.values) {
      // Eight bytes are read as a bigint; a narrower read cannot yield a wide value.
      const key = size === 8 ? BigInt(value) : Number(value);
      if (!names.has(key)) names.set(key, name);
      if (!values.has(name)) values.set(name, key);
    }
    return { kind: "enum", name, size, signed, names, values };
  }

  #array(type: Extract<BtfType, { kind: "array" }>, depth: number): Shape {
    const element = this.#btf.type(this.#btf.resolve(type.type));
    if (element.kind === "int" && element.size === 1 && !isPartial(element)) {
      // clang encodes char as a signed byte named "char", gcc as an int of encoding char.
      if (element.encoding === "char" || element.name === "char") {
        return { kind: "text", length: type.length };
      }
      if (element.encoding === "unsigned") return { kind: "bytes", length: type.length };
    }
    const shape = this.shape(type.type, depth + 1, type);
    const stride = this.#btf.size(type.type);
    return this.#weigh({ kind: "array", length: type.length, stride, element: shape });
  }

  #record(id: number, type: CompositeType, depth: number): RecordShape {
    const fields: FieldShape[] = [];
    for (const member of type.members) {
      const field = this.#member(id, type, member, depth);
      if (field !== undefined) fields.push(field);
    }
    return this.#countMembers(id, {
      kind: "record",
      name: type.name,
      union: type.kind === "union",
      size: type.size,
      fields,
    });
  }

  #countMembers(id: number, shape: RecordShape): RecordShape {
    let members = 0;
    for (const field of shape.fields) {
      members += field.name === "" ? this.#members.get(field.shape) ?? 1 : 1;
    }
    this.#members.set(shape, members);
    this.#allMembers += members;
    if (this.#allMembers > MOST_MEMBERS) {
      throw this.#refuse(id, `it and its structs have more than ${MOST_MEMBERS} members`, "E2BIG");
    }
    return this.#weigh(shape);
  }

  #member(
    id: number,
    holder: CompositeType,
    member: Member,
    depth: number,
  ): FieldShape | undefined {
    const btf = this.#btf;
    const type = btf.type(btf.resolve(member.type));
    // A nameless bitfield is padding.
    if (member.name === "" && type.kind !== "struct" && type.kind !== "union") return undefined;
    const shape = this.shape(member.type, depth + 1, holder);
    // Before kind_flag, a bitfield was an int with an offset and a width.
    const old = member.bitSize === 0 && type.kind === "int" && isPartial(type) ? type : undefined;
    const bits = old?.bits ?? member.bitSize;
    const at = member.bitOffset + (old?.offset ?? 0);
    if (bits === 0) {
      if (at % 8 !== 0) throw this.#refuse(id, `member ${member.name} starts within a byte`);
      if (at / 8 + btf.size(member.type) > holder.size) {
        throw this.#refuse(id, `member ${member.name} is past its end`);
      }
      return { name: member.name, offset: at / 8, shape };
    }
    if (shape.kind !== "int" && shape.kind !== "bool" && shape.kind !== "enum") {
      throw this.#refuse(id, `member ${member.name} is a bitfield of kind ${type.kind}`);
    }
    if (bits > shape.size * 8 || bits > 64) {
      throw this.#refuse(id, `member ${member.name} is a bitfield of ${bits} bits`);
    }
    if (at + bits > holder.size * 8) {
      throw this.#refuse(id, `member ${member.name} is past its end`);
    }
    const offset = Math.floor(at / 8);
    return { name: member.name, offset, shape: { kind: "bits", shift: at % 8, bits, of: shape } };
  }

  #weight(shape: Shape): number {
    if (shape.kind === "text" || shape.kind === "bytes") return 1 + shape.length;
    return this.#weights.get(shape) ?? 1;
  }

  #weigh<T extends ArrayShape | RecordShape>(shape: T): T {
    let weight = 1;
    if (shape.kind === "array") {
      weight += shape.length * this.#weight(shape.element);
    } else {
      for (const field of shape.fields) weight += this.#weight(field.shape);
    }
    this.#weights.set(shape, weight);
    return shape;
  }

  #refuse(id: number, why: string, errno?: string): BtfError {
    const btf = this.#btf;
    const name = btf.nameOf(id);
    return new BtfError({
      doing: "make a codec for",
      subject: `${btf.kindName(id)} ${name === "" ? `[${id}]` : name} of ${btf.name}`,
      why,
      errno,
      data: { typeId: id },
    });
  }
}

/** Returns whether an int uses only some of its bits, as bitfields did before kind_flag. */
function isPartial(type: IntType): boolean {
  return type.offset !== 0 || type.bits !== type.size * 8;
}
