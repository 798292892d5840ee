/**
 * Readers as closures, for environments that forbid generated code. They return the same values as
 * generated readers and are about ten times slower.
 *
 * @module
 */

import type { Reader } from "./generate.ts";
import { type BitsShape, flatFields, type IntShape, type Shape } from "./shape.ts";
import { narrow, readBits, readBytes, readText, readWide } from "./text.ts";
import type { BtfRecord, BtfValue } from "./value.ts";

/** Builds a reader without generating code. */
export function interpretReader(shape: Shape, littleEndian: boolean, narrowed: boolean): Reader {
  return new Interpreter(littleEndian, narrowed).reader(shape);
}

class Interpreter {
  readonly #little: boolean;
  readonly #narrowed: boolean;
  readonly #known = new Map<Shape, Reader>();

  constructor(littleEndian: boolean, narrowed: boolean) {
    this.#little = littleEndian;
    this.#narrowed = narrowed;
  }

  reader(shape: Shape): Reader {
    let reader = this.#known.get(shape);
    if (reader === undefined) {
      reader = this.#make(shape);
      this.#known.set(shape, reader);
    }
    return reader;
  }

  #make(shape: Shape): Reader {
    switch (shape.kind) {
      case "int": {
        const read = this.#integer(shape);
        return (view, at) => this.#visible(read(view, at));
      }
      case "bool": {
        const read = this.#integer({ kind: "int", size: shape.size, signed: false });
        return (view, at) => Number(read(view, at)) !== 0;
      }
      case "float": {
        const little = this.#little;
        if (shape.size === 2) return (view, at) => view.getFloat16(at, little);
        if (shape.size === 4) return (view, at) => view.getFloat32(at, little);
        return (view, at) => view.getFloat64(at, little);
      }
      case "enum": {
        const { names } = shape;
        const read = this.#integer({ kind: "int", size: shape.size, signed: shape.signed });
        return (view, at) => {
          const value = read(view, at);
          return names.get(value) ?? this.#visible(value);
        };
      }
      case "bits":
        return this.#bits(shape);
      case "text":
        return (view, at, end) =>
          readText(view, at, shape.length === 0 ? Math.max(0, end - at) : shape.length);
      case "bytes":
        return (view, at, end) =>
          readBytes(view, at, shape.length === 0 ? Math.max(0, end - at) : shape.length);
      case "array": {
        const { length, stride } = shape;
        const read = this.reader(shape.element);
        return (view, at, end) => {
          const count = length > 0
            ? length
            : stride === 0
            ? 0
            : Math.max(0, Math.floor((end - at) / stride));
          const array: BtfValue[] = [];
          for (let index = 0; index < count; index++) {
            array.push(read(view, at + index * stride, end));
          }
          return array;
        };
      }
      case "record": {
        const fields = flatFields(shape).map(({ name, offset, shape }) => ({
          name,
          offset,
          read: this.reader(shape),
        }));
        return (view, at, end) => {
          const record: BtfRecord = {};
          for (const { name, offset, read } of fields) {
            define(record, name, read(view, at + offset, end));
          }
          return record;
        };
      }
    }
  }

  #integer({ size, signed }: IntShape): (view: DataView, at: number) => number | bigint {
    const little = this.#little;
    switch (size) {
      case 1:
        return signed ? (view, at) => view.getInt8(at) : (view, at) => view.getUint8(at);
      case 2:
        return signed
          ? (view, at) => view.getInt16(at, little)
          : (view, at) => view.getUint16(at, little);
      case 4:
        return signed
          ? (view, at) => view.getInt32(at, little)
          : (view, at) => view.getUint32(at, little);
      case 8:
        return signed
          ? (view, at) => view.getBigInt64(at, little)
          : (view, at) => view.getBigUint64(at, little);
      case 16:
        return (view, at) => readWide(view, at, signed, little);
    }
  }

  #bits({ shift, bits, of }: BitsShape): Reader {
    const little = this.#little;
    const signed = of.kind !== "bool" && of.signed;
    return (view, at) => {
      const raw = readBits(view, at, shift, bits, little);
      const wide = signed ? BigInt.asIntN(bits, raw) : raw;
      const value = of.size >= 8 ? wide : Number(wide);
      if (of.kind === "bool") return raw !== 0n;
      if (of.kind === "enum") return of.names.get(value) ?? this.#visible(value);
      return this.#visible(value);
    };
  }

  #visible(value: number | bigint): number | bigint {
    return this.#narrowed && typeof value === "bigint" ? narrow(value) : value;
  }
}

/** Sets a property of any name, including `__proto__`. */
function define(record: BtfRecord, name: string, value: BtfValue): void {
  if (name === "__proto__") {
    Object.defineProperty(record, name, {
      value,
      enumerable: true,
      configurable: true,
      writable: true,
    });
  } else {
    record[name] = value;
  }
}
