/**
 * Finds the type of the events of ring buffers and perf event arrays.
 *
 * @module
 */

import type { Btf } from "../../btf/btf.ts";
import type { BtfExt } from "../../btf/ext.ts";
import { Kind, type KindName } from "../../btf/types.ts";
import { MapType } from "../../uapi/enums.ts";
import { type ObjectSpec, parsedObject } from "../object_spec.ts";
import { outputSites } from "./output_sites.ts";

const TAG = "event_type:";
const TAGGABLE: readonly KindName[] = ["struct", "union", "typedef", "enum", "enum64", "int"];

/** Names of kernel types such as program contexts and packet headers, which are never events. */
const KERNEL_NAMES =
  /^(__sk_buff|xdp_md|pt_regs|user_pt_regs|sk_(msg|reuseport)_md|bpf_[a-z_]+|trace_event_raw_.*|(eth|ip|ipv6|tcp|udp|icmp|icmp6|arp|vlan_)hdr|sockaddr(_.*)?|in6?_addr|list_head|hlist_(node|head)|path|timespec64?)$/;

/**
 * Returns the type ids (in the object's BTF) of the events of each ring buffer and perf event array, by the
 * map's name. Maps whose event type is ambiguous are left out.
 *
 * A declaration tag on the map names the type:
 *
 * ```c
 * struct { ... } events SEC(".maps") __attribute__((btf_decl_tag("event_type:event")));
 * ```
 *
 * (clang emits a struct into BTF only when a global, a map or a function's parameter refers to it: for
 * example a pointer in a separate section, `const struct event *const event_type SEC(".event_types")`.)
 *
 * Without a tag, the type is inferred from the sizes of the events that the programs write. If all are the
 * same constant, it is the only struct of that size that the object uses in a map, a global or a parameter;
 * of several, the only one with "event" in its name.
 *
 * @example
 * ```ts ignore
 * import { eventTypes, openObject } from "@skep/skep";
 *
 * const spec = await openObject("execsnoop.bpf.o");
 * const type = eventTypes(spec).get("events");
 * ```
 */
export function eventTypes(spec: ObjectSpec): Map<string, number> {
  const types = new Map<string, number>();
  const { btf } = spec;
  if (btf === undefined) return types;
  const buffers = [...spec.maps].filter((map) => isEventMap(map.type)).map((map) => map.name);
  if (buffers.length === 0) return types;
  const tags = taggedTypes(btf);
  const rest: string[] = [];
  for (const map of buffers) {
    const type = tags.get(map);
    if (type === undefined) rest.push(map);
    else types.set(map, type);
  }
  if (rest.length === 0) return types;
  const sizes = eventSizes(spec);
  if (sizes.size === 0) return types;
  const own = bySize(btf, ownStructs(btf, spec));
  for (const map of rest) {
    const size = sizes.get(map);
    const type = size === undefined ? undefined : structOfSize(btf, own.get(size) ?? []);
    if (type !== undefined) types.set(map, type);
  }
  return types;
}

/** Returns whether maps of this type carry events. */
function isEventMap(type: string | number): boolean {
  const number = typeof type === "number" ? type : MapType[type as keyof typeof MapType];
  return number === MapType.ringbuf || number === MapType.perf_event_array;
}

/** Returns the types named by tags on variables, by the variable's name. */
function taggedTypes(btf: Btf): Map<string, number> {
  const types = new Map<string, number>();
  for (let id = btf.firstId; id < btf.endId; id++) {
    if (btf.kind(id) !== Kind.decl_tag) continue;
    const tag = btf.type(id);
    if (tag.kind !== "decl_tag" || !tag.name.startsWith(TAG) || tag.componentIndex >= 0) continue;
    const variable = btf.type(tag.type);
    const type = btf.find(tag.name.slice(TAG.length), TAGGABLE);
    if (variable.kind === "var" && type !== undefined) types.set(variable.name, type);
  }
  return types;
}

/** Returns the size in bytes of each map's events; maps with several or unknown sizes are left out. */
function eventSizes(spec: ObjectSpec): Map<string, number> {
  const sizes = new Map<string, number | undefined>();
  const { units, maps } = parsedObject(spec);
  for (const unit of units.all) {
    const loads = new Map<number, string>();
    for (const { kind, instruction, target } of unit.relocations) {
      const map = kind === "map" ? maps[target] : undefined;
      if (map !== undefined) loads.set(instruction, map.name);
    }
    if (loads.size === 0) continue;
    for (const { map, size } of outputSites(unit.code, loads)) {
      sizes.set(map, !sizes.has(map) || sizes.get(map) === size ? size : undefined);
    }
  }
  const known = new Map<string, number>();
  for (const [map, size] of sizes) if (size !== undefined) known.set(map, size);
  return known;
}

/**
 * Returns the structs that the object's definitions refer to: keys and values of maps, globals, parameters
 * of functions. Kernel types, identified by CO-RE relocations or by name, are left out.
 */
function ownStructs(btf: Btf, spec: ObjectSpec): Set<number> {
  const mentioned: number[] = [];
  for (const map of spec.maps) mentioned.push(map.keyTypeId, map.valueTypeId);
  for (let id = btf.firstId; id < btf.endId; id++) {
    const kind = btf.kind(id);
    if (kind !== Kind.var && kind !== Kind.func) continue;
    const type = btf.type(id);
    if (type.kind === "var") mentioned.push(type.type);
    if (type.kind !== "func") continue;
    const prototype = btf.type(type.type);
    if (prototype.kind !== "func_proto") continue;
    mentioned.push(...prototype.parameters.map((parameter) => parameter.type));
  }
  const kernelTypes = relocatedTypes(spec.btfExt);
  const structs = new Set<number>();
  for (const id of mentioned) {
    const struct = pointee(btf, id);
    if (struct === undefined || kernelTypes.has(struct)) continue;
    const name = btf.nameOf(struct);
    if (name !== "" && !KERNEL_NAMES.test(name)) structs.add(struct);
  }
  return structs;
}

/** Returns the struct behind pointers, qualifiers, typedefs and arrays. */
function pointee(btf: Btf, start: number): number | undefined {
  let id = start;
  // The limit also ends cycles in malformed BTF.
  for (let step = 0; step < 32 && id !== 0; step++) {
    const type = btf.type(id);
    if (type.kind === "struct") return id;
    if (!("type" in type) || type.kind === "func" || type.kind === "decl_tag") return undefined;
    id = type.type;
  }
  return undefined;
}

/** Returns the types that CO-RE relocations refer to, which are the kernel's. */
function relocatedTypes(btfExt: BtfExt | undefined): Set<number> {
  const types = new Set<number>();
  for (const section of btfExt?.core ?? []) {
    for (const { typeId } of section.records) types.add(typeId);
  }
  return types;
}

function bySize(btf: Btf, structs: ReadonlySet<number>): Map<number, number[]> {
  const sizes = new Map<number, number[]>();
  for (const id of structs) {
    const size = btf.size(id);
    const others = sizes.get(size);
    if (others === undefined) sizes.set(size, [id]);
    else others.push(id);
  }
  return sizes;
}

/** Returns the only struct of a size, or the only one named like an event. */
function structOfSize(btf: Btf, found: readonly number[]): number | undefined {
  if (found.length < 2) return found[0];
  const events = found.filter((id) => /event/i.test(btf.nameOf(id)));
  return events.length === 1 ? events[0] : undefined;
}
