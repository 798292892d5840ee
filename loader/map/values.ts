/**
 * Codecs of map keys and values: by BTF type, or by size for maps without types.
 *
 * @module
 */

import type { Btf } from "../../btf/btf.ts";
import { type BtfValue, type Codec, codecFor } from "../../btf/codec/mod.ts";
import { disposedError } from "../../errors/disposed.ts";
import { SkepError } from "../../errors/skep_error.ts";
import { roundUp } from "../../object/spec/map_rules.ts";

/** Decodes and encodes one kind of value. */
export interface ValueCodec<T = unknown> {
  /** Size of the value in bytes. */
  readonly size: number;
  /** Decodes the value between offsets `at` and `end`, which the caller checks to be within the view. */
  decode(view: DataView, at: number, end: number): T;
  /**
   * Encodes a value at an offset.
   *
   * @throws {SkepError} EINVAL, with the field, when the value does not fit.
   */
  encode(value: unknown, view: DataView, at: number): void;
}

/**
 * Returns the codec of a key or value: of its BTF type if it has one that is not longer than `size` bytes, else by
 * size: a number for four bytes, a bigint for eight, a `Uint8Array` for others.
 */
export function valueCodec(
  btf: Btf | undefined,
  typeId: number,
  size: number,
  what: string,
): ValueCodec<BtfValue> {
  if (btf !== undefined && typeId !== 0) {
    const codec = codecFor(btf, typeId);
    if (codec.size === size) {
      return wholeNumber(btf, typeId, typed(codec, what)) ?? typed(codec, what);
    }
    // A type with a flexible array, or of a map whose value_size was raised, is shorter than the value.
    if (codec.size < size) return within(typed(codec, what), size);
  }
  if (size === 4) return word(what);
  if (size === 8) return long(what);
  return bytes(size, what);
}

/** Wraps a BTF codec so that its errors name the map's key or value. */
function typed(codec: Codec, what: string): ValueCodec<BtfValue> {
  return {
    size: codec.size,
    decode: codec.decodeUnchecked,
    encode(value, view, at): void {
      try {
        codec.encode(value, view, at);
      } catch (cause) {
        if (!(cause instanceof SkepError)) throw cause;
        const why = `${cause.subject}: ${cause.why}`;
        throw new SkepError(
          { doing: "set", subject: what, errno: "EINVAL", stage: "usage", why },
          { cause },
        );
      }
    },
  };
}

/** Wraps a codec that is shorter than the value; zeroes the rest, so that no bytes of an earlier value remain. */
function within(codec: ValueCodec<BtfValue>, size: number): ValueCodec<BtfValue> {
  return {
    size,
    decode: codec.decode,
    encode(value, view, at): void {
      const part = new DataView(view.buffer, view.byteOffset + at, size);
      new Uint8Array(part.buffer, part.byteOffset, size).fill(0);
      codec.encode(value, part, 0);
    },
  };
}

/**
 * Returns a fast codec for integers of four and eight bytes, or undefined for other types. A value that it cannot
 * encode goes to the general codec, which reports what is wrong.
 */
function wholeNumber(
  btf: Btf,
  typeId: number,
  general: ValueCodec<BtfValue>,
): ValueCodec<BtfValue> | undefined {
  const type = btf.type(btf.resolve(typeId));
  if (type.kind !== "int" || type.encoding === "bool" || !btf.littleEndian) return undefined;
  const { signed } = type;
  if (type.bits !== type.size * 8 || type.offset !== 0) return undefined;
  if (type.size === 4) {
    return {
      size: 4,
      decode: signed
        ? (view, at) => view.getInt32(at, true)
        : (view, at) => view.getUint32(at, true),
      encode(value, view, at): void {
        if (typeof value === "number" && (signed ? value | 0 : value >>> 0) === value) {
          view.setUint32(at, value, true);
        } else general.encode(value, view, at);
      },
    };
  }
  if (type.size !== 8) return undefined;
  const least = signed ? -(2n ** 63n) : 0n;
  const most = signed ? 2n ** 63n - 1n : 2n ** 64n - 1n;
  return {
    size: 8,
    decode: signed
      ? (view, at) => view.getBigInt64(at, true)
      : (view, at) => view.getBigUint64(at, true),
    encode(value, view, at): void {
      if (typeof value === "bigint" && value >= least && value <= most) {
        view.setBigUint64(at, value, true);
      } else if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) {
        view.setUint32(at, value >>> 0, true);
        view.setUint32(at + 4, value / 2 ** 32, true);
      } else general.encode(value, view, at);
    },
  };
}

function word(what: string): ValueCodec<BtfValue> {
  return {
    size: 4,
    decode: (view, at) => view.getUint32(at, true),
    encode(value, view, at): void {
      if (typeof value === "bigint") value = Number(value);
      if (
        typeof value !== "number" || !Number.isInteger(value) || value < -(2 ** 31) ||
        value >= 2 ** 32
      ) {
        throw misfit(what, "a whole number of 32 bits", value);
      }
      view.setUint32(at, value, true);
    },
  };
}

function long(what: string): ValueCodec<BtfValue> {
  return {
    size: 8,
    decode: (view, at) => view.getBigUint64(at, true),
    encode(value, view, at): void {
      if (typeof value === "number" && Number.isSafeInteger(value)) value = BigInt(value);
      if (typeof value !== "bigint" || value < -(2n ** 63n) || value >= 2n ** 64n) {
        throw misfit(what, "a whole number of 64 bits", value);
      }
      view.setBigUint64(at, value, true);
    },
  };
}

/** Returns the codec of a `Uint8Array` of `size` bytes. */
export function bytes(size: number, what: string): ValueCodec<BtfValue> {
  return {
    size,
    decode: (view, at) =>
      new Uint8Array(view.buffer, view.byteOffset + at, size).slice() as Uint8Array<ArrayBuffer>,
    encode(value, view, at): void {
      if (!(value instanceof Uint8Array) || value.length !== size) {
        throw misfit(what, `${size} bytes`, value);
      }
      new Uint8Array(view.buffer, view.byteOffset + at, size).set(value);
    },
  };
}

/** Returns the codec of an array with one value for each possible CPU. */
export function perCpuCodec(
  one: ValueCodec<BtfValue>,
  valueSize: number,
  cpus: number,
  what: string,
): ValueCodec<BtfValue[]> {
  const step = roundUp(valueSize, 8);
  return {
    size: step * cpus,
    decode(view, at): BtfValue[] {
      const values: BtfValue[] = [];
      for (let cpu = 0; cpu < cpus; cpu++, at += step) {
        values.push(one.decode(view, at, at + valueSize));
      }
      return values;
    },
    encode(value, view, at): void {
      if (!Array.isArray(value) || value.length !== cpus) {
        throw misfit(what, `an array of ${cpus} values, one for each possible CPU`, value);
      }
      for (let cpu = 0; cpu < cpus; cpu++) one.encode(value[cpu], view, at + cpu * step);
    },
  };
}

/** An object with a descriptor, such as a map, a program or a link. */
export interface HasDescriptor {
  /** The descriptor; -1 once it is closed. */
  readonly fd: number;
}

/** Returns the codec of descriptors: encodes numbers and objects with a descriptor, decodes ids. */
export function descriptorCodec(size: number, what: string): ValueCodec<BtfValue> {
  const plain = size === 8 ? long(what) : size === 4 ? word(what) : bytes(size, what);
  return {
    size,
    decode: plain.decode,
    encode: (value, view, at) => plain.encode(descriptorOf(value), view, at),
  };
}

/**
 * Returns the descriptor of an object that has one, and any other value unchanged.
 *
 * @throws {SkepError} when the object was disposed.
 */
export function descriptorOf(value: unknown): unknown {
  if (typeof value !== "object" || value === null || !("fd" in value)) return value;
  if (value.fd !== -1) return value.fd;
  const name = "name" in value ? String(value.name) : "an object";
  throw disposedError("put into a map", name);
}

/** Creates the error of a value that does not fit. */
export function misfit(what: string, wanted: string, value: unknown): SkepError {
  return new SkepError({
    doing: "encode",
    subject: what,
    errno: "EINVAL",
    stage: "usage",
    why: `it takes ${wanted}, got ${described(value)}`,
  });
}

function described(value: unknown): string {
  if (value instanceof Uint8Array) return `${value.length} bytes`;
  if (Array.isArray(value)) return `an array of ${value.length}`;
  if (value === null) return "null";
  if (value === undefined) return "nothing";
  if (typeof value === "number" || typeof value === "bigint") return `the number ${value}`;
  return `${/^[aeiou]/.test(typeof value) ? "an" : "a"} ${typeof value}`;
}
