/**
 * Generates the source of readers: one object literal per record, which V8 gives a fixed hidden class.
 *
 * @module
 */

import { stringLiteral } from "../../errors/escape.ts";
import { narrow, readBits, readBytes, readText, readWide } from "./text.ts";
import {
  type ArrayShape,
  type BitsShape,
  type EnumShape,
  flatFields,
  type IntShape,
  type RecordShape,
  type Shape,
} from "./shape.ts";
import type { BtfValue } from "./value.ts";

/**
 * Decodes a value at an offset of a view. `end` is where the data ends, for flexible array members. A read
 * past the view throws a `RangeError`, so callers check the length first.
 */
export type Reader = (view: DataView, at: number, end: number) => BtfValue;

/** The functions that generated code can call. */
const HELPERS = { readText, readBytes, readWide, readBits, narrow };

/**
 * Compiles a reader; undefined where `new Function` is forbidden, for instance by a content security
 * policy.
 */
export function generateReader(
  shape: Shape,
  littleEndian: boolean,
  narrowed: boolean,
): Reader | undefined {
  const writer = new SourceWriter(littleEndian, narrowed);
  const expression = writer.read(shape, "at");
  const source = `"use strict";
const { readText, readBytes, readWide, readBits, narrow } = helpers;
${writer.functions.join("\n")}
return (view, at, end) => (${expression});`;
  try {
    return new Function("helpers", "tables", source)(HELPERS, writer.tables) as Reader;
  } catch (error) {
    if (error instanceof EvalError) return undefined;
    throw error;
  }
}

/** Generates expressions; each record and array becomes a function. */
class SourceWriter {
  readonly functions: string[] = [];
  /** Enumerators by number, one map for each enumeration. */
  readonly tables: ReadonlyMap<number | bigint, string>[] = [];
  readonly #little: boolean;
  readonly #narrowed: boolean;
  readonly #names = new Map<Shape, string>();

  constructor(littleEndian: boolean, narrowed: boolean) {
    this.#little = littleEndian;
    this.#narrowed = narrowed;
  }

  /** Returns an expression that decodes a shape at the offset `at`. */
  read(shape: Shape, at: string): string {
    switch (shape.kind) {
      case "int":
        return this.#int(shape, at);
      case "bool":
        return shape.size <= 4
          ? `${this.#int({ kind: "int", size: shape.size, signed: false }, at)} !== 0`
          : `${this.#wide({ kind: "int", size: shape.size, signed: false }, at)} !== 0n`;
      case "float":
        return `view.getFloat${shape.size * 8}(${at}, ${this.#little})`;
      case "enum": {
        const raw: IntShape = { kind: "int", size: shape.size, signed: shape.signed };
        const value = shape.size === 8 ? this.#wide(raw, at) : this.#int(raw, at);
        return this.#named(shape, value);
      }
      case "bits":
        return this.#bits(shape, at);
      case "text":
        return shape.length === 0
          ? `readText(view, ${at}, Math.max(0, end - (${at})))`
          : `readText(view, ${at}, ${shape.length})`;
      case "bytes":
        return shape.length === 0
          ? `readBytes(view, ${at}, Math.max(0, end - (${at})))`
          : `readBytes(view, ${at}, ${shape.length})`;
      case "array":
      case "record":
        return `${this.#function(shape)}(view, ${at}, end)`;
    }
  }

  #function(shape: ArrayShape | RecordShape): string {
    let name = this.#names.get(shape);
    if (name === undefined) {
      name = `read${this.#names.size}`;
      this.#names.set(shape, name);
      const body = shape.kind === "record" ? this.#record(shape) : this.#array(shape);
      this.functions.push(`function ${name}(view, at, end) {\n${body}\n}`);
    }
    return name;
  }

  #record(shape: RecordShape): string {
    const properties = flatFields(shape).map(({ name, offset, shape }) => {
      // Names come from a file: they are quoted, and "__proto__" is a computed key, so that it becomes a
      // plain member.
      const key = name === "__proto__" ? '["__proto__"]' : stringLiteral(name);
      return `  ${key}: ${this.read(shape, offset === 0 ? "at" : `at + ${offset}`)},`;
    });
    return `  return {\n${properties.join("\n")}\n  };`;
  }

  #array(shape: ArrayShape): string {
    const count = shape.length > 0
      ? `${shape.length}`
      : shape.stride === 0
      ? "0"
      : `Math.max(0, Math.floor((end - at) / ${shape.stride}))`;
    return `  const count = ${count};
  const array = [];
  for (let index = 0; index < count; index++, at += ${shape.stride}) array.push(${
      this.read(shape.element, "at")
    });
  return array;`;
  }

  /** Returns an expression for a number, or for a bigint if the options require it. */
  #int(shape: IntShape, at: string): string {
    const sign = shape.signed ? "Int" : "Uint";
    switch (shape.size) {
      case 1:
        return `view.get${sign}8(${at})`;
      case 2:
      case 4:
        return `view.get${sign}${shape.size * 8}(${at}, ${this.#little})`;
      default: {
        const value = this.#wide(shape, at);
        return this.#narrowed ? `narrow(${value})` : value;
      }
    }
  }

  /** Returns an expression for a bigint. */
  #wide(shape: IntShape, at: string): string {
    return shape.size === 16
      ? `readWide(view, ${at}, ${shape.signed}, ${this.#little})`
      : `view.getBig${shape.signed ? "Int" : "Uint"}64(${at}, ${this.#little})`;
  }

  #named(shape: EnumShape, value: string): string {
    const helper = `enum${this.tables.length}`;
    this.functions.push(
      `const names${this.tables.length} = tables[${this.tables.length}];
function ${helper}(value) { return names${this.tables.length}.get(value) ?? ${
        this.#narrowed && shape.size === 8 ? "narrow(value)" : "value"
      }; }`,
    );
    this.tables.push(shape.names);
    return `${helper}(${value})`;
  }

  #bits(shape: BitsShape, at: string): string {
    const { of, bits } = shape;
    const wide = of.size >= 8;
    const signed = of.kind !== "bool" && of.signed;
    let value: string;
    if (wide) {
      const raw = `readBits(view, ${at}, ${shape.shift}, ${bits}, ${this.#little})`;
      value = signed ? `BigInt.asIntN(${bits}, ${raw})` : raw;
    } else {
      value = this.#fewBits(shape, at);
      if (signed) value = `(${value} << ${32 - bits} >> ${32 - bits})`;
    }
    if (of.kind === "bool") return `${value} !== ${wide ? "0n" : "0"}`;
    if (of.kind === "enum") return this.#named(of, value);
    return wide && this.#narrowed ? `narrow(${value})` : value;
  }

  /** Returns an expression for at most 32 bits as an unsigned number. */
  #fewBits({ shift, bits }: BitsShape, at: string): string {
    const span = shift + bits;
    const load = span <= 8
      ? { expression: `view.getUint8(${at})`, bits: 8 }
      : span <= 16
      ? { expression: `view.getUint16(${at}, ${this.#little})`, bits: 16 }
      : span > 24 && span <= 32
      ? { expression: `view.getUint32(${at}, ${this.#little})`, bits: 32 }
      : undefined;
    if (load === undefined) {
      return `Number(readBits(view, ${at}, ${shift}, ${bits}, ${this.#little}))`;
    }
    const drop = this.#little ? shift : load.bits - span;
    const shifted = drop === 0 ? load.expression : `${load.expression} >>> ${drop}`;
    return bits === 32 ? `(${shifted} >>> 0)` : `((${shifted}) & ${2 ** bits - 1})`;
  }
}
