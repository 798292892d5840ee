/**
 * A map's elements in bpftool's JSON: bytes, and values decoded by BTF.
 *
 * @module
 */

import { type Btf, codecFor } from "../btf/mod.ts";
import type { AnyMap } from "../loader/mod.ts";

/** One element. */
export interface ElementFacts {
  /** Bytes of the key in hexadecimal. */
  readonly key: readonly string[];
  /** Bytes of the value. */
  readonly value?: readonly string[] | undefined;
  /** Bytes of the value per CPU, for per-CPU maps. */
  readonly values?: readonly CpuFacts[] | undefined;
  /** Key and value decoded by BTF. */
  readonly formatted?: {
    /** The key. */
    readonly key?: unknown;
    /** The value. */
    readonly value?: unknown;
    /** The value of each CPU. */
    readonly values?: readonly CpuFacts[] | undefined;
  } | undefined;
}

/** The value of one CPU. */
export interface CpuFacts {
  /** CPU number. */
  readonly cpu: number;
  /** The value. */
  readonly value: unknown;
}

/** Yields the elements of a map that was opened by id. */
export function* elementFacts(map: AnyMap): Generator<ElementFacts> {
  const { keySize, valueSize, typeIds, btf } = map;
  const perCpu = String(map.type).includes("percpu");
  const step = map.raw.valueSize;
  const stride = perCpu ? Math.ceil(valueSize / 8) * 8 : step;
  const key = decoder(btf, typeIds.key, keySize);
  const value = decoder(btf, typeIds.value, valueSize);
  for (const { count, keys, values, unreadable } of map.raw.chunks()) {
    if (unreadable !== undefined) throw unreadable;
    for (let index = 0; index < count; index++) {
      const keyBytes = keys.subarray(index * keySize, (index + 1) * keySize);
      const parts = Array.from({ length: step / stride }, (_, part) => {
        const start = index * step + part * stride;
        return values.subarray(start, start + valueSize);
      });
      const shown = (one: (bytes: Uint8Array) => unknown): Pick<ElementFacts, "values"> & {
        readonly value?: unknown;
      } =>
        perCpu
          ? { values: parts.map((bytes, cpu) => ({ cpu, value: one(bytes) })) }
          : { value: one(parts[0] as Uint8Array) };
      yield {
        key: hex(keyBytes),
        ...shown(hex) as Pick<ElementFacts, "value" | "values">,
        formatted: value === undefined ? undefined : { key: key?.(keyBytes), ...shown(value) },
      };
    }
  }
}

/** Returns a decoder for a BTF type; undefined without a type. */
function decoder(
  btf: Btf | undefined,
  typeId: number,
  size: number,
): ((bytes: Uint8Array) => unknown) | undefined {
  if (btf === undefined || typeId === 0) return undefined;
  const codec = codecFor(btf, typeId);
  if (codec.size > size) return undefined;
  const section = btf.kindName(typeId) === "datasec" ? btf.nameOf(typeId) : undefined;
  return (bytes) => {
    const value = codec.decodeBytes(bytes);
    return section === undefined ? value : { [section]: apart(value) };
  };
}

/** Splits a section's variables into objects with one member each, as bpftool prints them. */
function apart(value: unknown): unknown[] {
  return Object.entries(value as object).map(([name, member]) => ({ [name]: member as unknown }));
}

function hex(bytes: Uint8Array): string[] {
  return Array.from(bytes, (byte) => `0x${byte.toString(16).padStart(2, "0")}`);
}
