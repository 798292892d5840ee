/**
 * Keys and values of maps as JS values: by BTF where the map has types, by size where it has none.
 *
 * @module
 */

import type { Btf } from "../btf/btf.ts";
import { type BtfValue, codecFor } from "../btf/codec/mod.ts";
import { SkepError } from "../elf/error.ts";
import { roundUp } from "./map_rules.ts";

/** Reads and writes one kind of value. */
export interface ValueCodec<T = unknown> {
  /** Bytes. */
  readonly size: number;
  /** Reads the value at an offset. */
  decode(view: DataView, at: number, end?: number): T;
  /** Writes the value at an offset. Throws a {@linkcode SkepError} that names the field that does not fit. */
  encode(value: unknown, view: DataView, at: number): void;
}

/**
 * The codec of a key or value: of its BTF type when there is one and its size is right, else a number for
 * four bytes, a bigint for eight, and bytes for all others.
 */
export function valueCodec(
  btf: Btf | undefined,
  typeId: number,
  size: number,
  what: string,
): ValueCodec<BtfValue> {
  if (btf !== undefined && typeId !== 0) {
    const codec = codecFor(btf, typeId);
    // A type that ends in a flexible array, or whose map was made larger, is shorter than its value.
    if (codec.size <= size) return named(codec, what);
  }
  if (size === 4) return word(what);
  if (size === 8) return long(what);
  return bytes(size, what);
}

/** The codec of a type whose errors say what it is the value of. */
function named(codec: ValueCodec<BtfValue>, what: string): ValueCodec<BtfValue> {
  return {
    size: codec.size,
    decode: (view, at, end) => codec.decode(view, at, end),
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
      view.setUint32(at, value >>> 0, true);
    },
  };
}

function long(what: string): ValueCodec<BtfValue> {
  return {
    size: 8,
    decode: (view, at) => view.getBigUint64(at, true),
    encode(value, view, at): void {
      if (typeof value === "number" && Number.isInteger(value)) value = BigInt(value);
      if (typeof value !== "bigint" || value < -(2n ** 63n) || value >= 2n ** 64n) {
        throw misfit(what, "a whole number of 64 bits", value);
      }
      view.setBigUint64(at, BigInt.asUintN(64, value), true);
    },
  };
}

function bytes(size: number, what: string): ValueCodec<BtfValue> {
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

/** One value for each CPU, as an array. */
export function perCpuCodec(
  one: ValueCodec<BtfValue>,
  valueSize: number,
  cpus: number,
  what: string,
): ValueCodec<BtfValue[]> {
  const step = roundUp(valueSize, 8);
  return {
    size: step * cpus,
    decode: (view, at) =>
      Array.from({ length: cpus }, (_, cpu) => one.decode(view, at + cpu * step)),
    encode(value, view, at): void {
      if (!Array.isArray(value) || value.length !== cpus) {
        throw misfit(what, `an array of ${cpus} values, one for each possible CPU`, value);
      }
      for (let cpu = 0; cpu < cpus; cpu++) one.encode(value[cpu], view, at + cpu * step);
    },
  };
}

/** What has a descriptor: a map, a program, a link. */
export interface HasDescriptor {
  /** The descriptor. */
  readonly fd: number;
}

/** A map of descriptors: things with a descriptor or numbers go in, ids come out. */
export function descriptorCodec(size: number, what: string): ValueCodec<BtfValue> {
  const plain = size === 8 ? long(what) : size === 4 ? word(what) : bytes(size, what);
  return {
    size,
    decode: (view, at, end) => plain.decode(view, at, end),
    encode(value, view, at): void {
      const fd = typeof value === "object" && value !== null && "fd" in value ? value.fd : value;
      plain.encode(fd, view, at);
    },
  };
}

function misfit(what: string, wanted: string, value: unknown): SkepError {
  const got = value instanceof Uint8Array
    ? `${value.length} bytes`
    : Array.isArray(value)
    ? `an array of ${value.length}`
    : value === null
    ? "null"
    : typeof value === "number" || typeof value === "bigint"
    ? `the number ${value}`
    : `a ${typeof value}`;
  return new SkepError({
    doing: "encode",
    subject: what,
    errno: "EINVAL",
    stage: "usage",
    why: `it takes ${wanted}, got ${got}`,
  });
}
