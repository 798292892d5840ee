/**
 * Rules of map types that a loader needs: which have no BTF, which hold maps.
 *
 * @module
 */

import { MapType, type MapTypeName, mapTypeName } from "../../uapi/enums.ts";
import type { MapSpec } from "./spec.ts";

/** Types whose key and value types the kernel refuses to take. */
const WITHOUT_BTF: ReadonlySet<string> = new Set<MapTypeName>([
  "perf_event_array",
  "cgroup_array",
  "stack_trace",
  "array_of_maps",
  "hash_of_maps",
  "devmap",
  "devmap_hash",
  "cpumap",
  "xskmap",
  "sockmap",
  "sockhash",
  "queue",
  "stack",
  "arena",
]);

/** The type ids that the kernel is given for a map: 0 and 0 where it takes none. */
export function mapTypeIds(map: MapSpec): {
  readonly keyTypeId: number;
  readonly valueTypeId: number;
} {
  const { keyTypeId, valueTypeId } = map;
  const type = typeof map.type === "number" ? mapTypeName(map.type) : map.type;
  if (type !== undefined && WITHOUT_BTF.has(type)) return { keyTypeId: 0, valueTypeId: 0 };
  // A struct_ops value is a type of the kernel's BTF, given in another field.
  if (type === "struct_ops") return { keyTypeId: 0, valueTypeId: 0 };
  return { keyTypeId, valueTypeId };
}

/** The number of a map's type; undefined for a name that this version's kernel enumeration lacks. */
export function mapTypeNumber(map: MapSpec): number {
  return typeof map.type === "number" ? map.type : MapType[map.type];
}

/** Whether a map of the type holds maps. */
export function holdsMaps(type: MapTypeName | number): boolean {
  return type === "array_of_maps" || type === "hash_of_maps";
}
