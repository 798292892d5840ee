/**
 * Finds fields of a map's value that only helpers may access: locks, timers, kernel pointers.
 *
 * @module
 */

import type { Btf } from "../btf/btf.ts";
import type { MapSpec } from "../object/spec/spec.ts";

/** A special field. */
export interface SpecialField {
  /** Its type, for example `bpf_spin_lock` or `kptr`. */
  readonly name: string;
  /** Offset in the value in bytes. */
  readonly offset: number;
  /** Size in bytes. */
  readonly size: number;
}

/** Structs that the kernel recognizes in a map's value, by BTF. */
export const SPECIAL_STRUCTS: ReadonlySet<string> = new Set([
  "bpf_spin_lock",
  "bpf_res_spin_lock",
  "bpf_timer",
  "bpf_wq",
  "bpf_task_work",
  "bpf_list_head",
  "bpf_list_node",
  "bpf_rb_root",
  "bpf_rb_node",
  "bpf_refcount",
]);

/** Type tags of pointers to kernel objects in a map's value. */
export const POINTER_TAGS: ReadonlySet<string> = new Set([
  "kptr",
  "kptr_untrusted",
  "percpu_kptr",
  "uptr",
]);

/** Nesting depth; the kernel searches no deeper. */
const DEEPEST = 8;
/** Listed elements per array of such structs. */
const MOST_ELEMENTS = 64;
const POINTER_SIZE = 8;

const known = new WeakMap<MapSpec, readonly SpecialField[]>();

/** Returns the special fields of a map's value, found in its BTF. */
export function specialFields(btf: Btf | undefined, map: MapSpec): readonly SpecialField[] {
  if (btf === undefined || map.valueTypeId === 0) return [];
  let fields = known.get(map);
  if (fields === undefined) {
    const found: SpecialField[] = [];
    try {
      collect(btf, map.valueTypeId, 0, 0, found);
    } catch {
      // The kernel refuses invalid types too.
    }
    known.set(map, fields = found);
  }
  return fields;
}

function collect(btf: Btf, id: number, offset: number, depth: number, found: SpecialField[]): void {
  if (depth > DEEPEST || found.length > MOST_ELEMENTS) return;
  const resolved = btf.resolve(id);
  const type = btf.type(resolved);
  switch (type.kind) {
    case "struct":
    case "union":
      if (SPECIAL_STRUCTS.has(type.name)) {
        found.push({ name: type.name, offset, size: btf.size(resolved) });
        return;
      }
      for (const member of type.members) {
        collect(btf, member.type, offset + Math.floor(member.bitOffset / 8), depth + 1, found);
      }
      return;
    case "array":
      for (let index = 0; index < Math.min(type.length, MOST_ELEMENTS); index++) {
        const before = found.length;
        collect(btf, type.type, offset + index * btf.size(type.type), depth + 1, found);
        if (found.length === before) return;
      }
      return;
    case "datasec":
      for (const variable of type.variables) {
        collect(btf, variable.type, offset + variable.offset, depth + 1, found);
      }
      return;
    case "var":
      collect(btf, type.type, offset, depth + 1, found);
      return;
    case "ptr": {
      const to = btf.type(type.type);
      if (to.kind === "type_tag" && POINTER_TAGS.has(to.name)) {
        found.push({ name: to.name, offset, size: POINTER_SIZE });
      }
      return;
    }
  }
}
