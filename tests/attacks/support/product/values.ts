/**
 * What a caller may hand over although the types say otherwise.
 *
 * @module
 */

import { type AnyMap, LinuxKernel, linuxKernel } from "../../../../mod.ts";
import { createMap } from "./create.ts";

/** A value by name. It is made anew for each call: calls may change or detach it. */
export interface HostileValue {
  /** For reports. */
  readonly name: string;
  /** Makes it; `instance` is what the method is called on. */
  make(instance: unknown): unknown;
}

/** What another worker left: the number of its map, and memory that it shared with the kernel. */
export interface Donation {
  /** A descriptor that the worker opened. */
  readonly fd: number;
  /** The buffer of one element, transferred. */
  readonly element: ArrayBuffer;
  /** The memory of an array with BPF_F_MMAPABLE, transferred. */
  readonly memory: ArrayBuffer;
}

function detached(): Uint8Array {
  const bytes = new Uint8Array(8);
  structuredClone(bytes.buffer, { transfer: [bytes.buffer] });
  return bytes;
}

function shrunk(): Uint8Array {
  const buffer = new ArrayBuffer(64, { maxByteLength: 64 });
  const bytes = new Uint8Array(buffer, 8, 8);
  buffer.resize(4);
  return bytes;
}

/** Says 8 bytes and has none when it is looked at again. */
function shrinking(): Uint8Array {
  const buffer = new ArrayBuffer(8, { maxByteLength: 8 });
  const bytes = new Uint8Array(buffer);
  let asked = 0;
  return new Proxy(bytes, {
    get(target, property): unknown {
      if (property === "length" && ++asked > 1) buffer.resize(0);
      const value: unknown = Reflect.get(target, property, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

function dispose(instance: unknown): void {
  // The kernel has a close() that takes a number.
  if (typeof instance !== "object" || instance instanceof LinuxKernel || instance === null) return;
  const end: unknown = Reflect.get(instance, Symbol.dispose) ?? Reflect.get(instance, "close");
  try {
    if (typeof end === "function") Reflect.apply(end, instance, []);
  } catch {
    // A refusal is correct.
  }
}

/** Ends the instance while its own method looks at the argument. */
function disposing(instance: unknown): unknown {
  const once = <T>(value: T): T => {
    dispose(instance);
    return value;
  };
  return {
    get fd(): number {
      return once(900);
    },
    get length(): number {
      return once(8);
    },
    [Symbol.toPrimitive](): number {
      return once(900);
    },
    *[Symbol.iterator](): Generator<number> {
      yield once(1);
    },
  };
}

function disposedMap(): AnyMap {
  const map = createMap({ type: "hash", keySize: 4, valueSize: 8, maxEntries: 1 });
  map[Symbol.dispose]();
  return map;
}

function closedElsewhere(): AnyMap {
  const map = createMap({ type: "hash", keySize: 4, valueSize: 8, maxEntries: 1 });
  linuxKernel().close(map.fd);
  return map;
}

/** The name of the value that ends the instance. */
export const DISPOSES = "what disposes when it is read";

/** All of them. `canary` is a descriptor that no case owns. */
export function hostileValues(canary: number, donation: Donation): readonly HostileValue[] {
  const constant = (name: string, value: unknown): HostileValue => ({ name, make: () => value });
  return [
    constant("NaN", NaN),
    constant("-1", -1),
    constant("2**32", 2 ** 32),
    constant("2**53", 2 ** 53),
    constant("0.5", 0.5),
    constant("-(2**31)", -(2 ** 31)),
    constant("Infinity", Infinity),
    constant("2**32 and another's descriptor", 2 ** 32 + canary),
    constant("2n**64n - 1n", 2n ** 64n - 1n),
    { name: "a disposed map", make: disposedMap },
    { name: "a map closed elsewhere", make: closedElsewhere },
    constant("a map of another worker", { fd: donation.fd }),
    { name: "a detached buffer", make: detached },
    { name: "a shrunk buffer", make: shrunk },
    { name: "a buffer that shrinks while it is read", make: shrinking },
    { name: "a shared buffer", make: () => new Uint8Array(new SharedArrayBuffer(8)) },
    { name: "an element of another worker", make: () => new Uint8Array(donation.element) },
    { name: "memory of another worker", make: () => new Uint8Array(donation.memory) },
    { name: DISPOSES, make: disposing },
  ];
}

/** An argument list with a hostile value in one place. */
export interface Variant {
  /** Where the value stands, as `0.size`. */
  readonly place: string;
  /** Which one. */
  readonly value: string;
  /** The list. */
  make(instance: unknown): unknown[];
}

/** Every list that comes of `base` by putting one hostile value into one place, options and first elements included. */
export function* variants(
  base: readonly unknown[],
  values: readonly HostileValue[],
): Generator<Variant> {
  for (const path of places(base, 3)) {
    for (const value of values) {
      yield {
        place: path.join("."),
        value: value.name,
        make: (instance) => replaced(base, path, value.make(instance)) as unknown[],
      };
    }
  }
}

function* places(value: unknown, depth: number): Generator<string[]> {
  if (depth === 0 || typeof value !== "object" || value === null) return;
  if (Array.isArray(value)) {
    const most = depth === 3 ? value.length : Math.min(value.length, 2);
    for (let index = 0; index < most; index++) {
      yield [`${index}`];
      for (const rest of places(value[index], depth - 1)) yield [`${index}`, ...rest];
    }
  } else if (Object.getPrototypeOf(value) === Object.prototype) {
    for (const [key, part] of Object.entries(value)) {
      yield [key];
      for (const rest of places(part, depth - 1)) yield [key, ...rest];
    }
  }
}

function replaced(value: unknown, [key, ...rest]: readonly string[], by: unknown): unknown {
  if (key === undefined) return by;
  if (Array.isArray(value)) {
    return value.map((part: unknown, index) =>
      `${index}` === key ? replaced(part, rest, by) : part
    );
  }
  const part: unknown = typeof value === "object" && value !== null
    ? Reflect.get(value, key)
    : undefined;
  return { ...value as Record<string, unknown>, [key]: replaced(part, rest, by) };
}
