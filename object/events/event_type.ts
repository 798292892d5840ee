/**
 * Which type the events of a ring buffer or perf buffer have.
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

/** Types of program contexts and packets: they have a fixed meaning, and are never an event. */
const KERNEL_NAMES =
  /^(__sk_buff|xdp_md|pt_regs|user_pt_regs|sk_(msg|reuseport)_md|bpf_[a-z_]+|trace_event_raw_.*|(eth|ip|ipv6|tcp|udp|icmp|icmp6|arp|vlan_)hdr|sockaddr(_.*)?|in6?_addr|list_head|hlist_(node|head)|path|timespec64?)$/;

/**
 * The type ids (in the object's BTF) of the events that each ring buffer and perf event array carries,
 * by the map's name. A map whose type cannot be told for sure is left out.
 *
 * Two ways lead to a type. The sure one is a tag on the map:
 *
 * ```c
 * struct { ... } events SEC(".maps") __attribute__((btf_decl_tag("event_type:event")));
 * ```
 *
 * (clang writes a struct into BTF only when a global, a map or a function's parameter mentions it: a
 * pointer in a section of its own, `const struct event *const event_type SEC(".event_types")`, does.)
 *
 * Without a tag, the sizes of the events that the programs write are looked at. When they are one
 * constant, and one struct that the object itself uses in a map, a global or a parameter has that size
 * (of several, the one with "event" in its name), that is the type.
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

/** Whether events come out of maps of this type. */
function isEventMap(type: string | number): boolean {
  const number = typeof type === "number" ? type : MapType[type as keyof typeof MapType];
  return number === MapType.ringbuf || number === MapType.perf_event_array;
}

/** The types that tags on variables name, by the variable's name. */
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

/** The one size of the events of each map; maps with several sizes, or unknown ones, are left out. */
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
 * Structs that the object's own definitions mention: keys and values of maps, globals, parameters of
 * functions. The kernel's, known by CO-RE relocations or by name, are left out.
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

/** The struct at the end of pointers, qualifiers, typedefs and arrays. */
function pointee(btf: Btf, start: number): number | undefined {
  let id = start;
  // No chain in a sane BTF is as long as this; a cycle ends here too.
  for (let step = 0; step < 32 && id !== 0; step++) {
    const type = btf.type(id);
    if (type.kind === "struct") return id;
    if (!("type" in type) || type.kind === "func" || type.kind === "decl_tag") return undefined;
    id = type.type;
  }
  return undefined;
}

/** Types that CO-RE relocations are about: the kernel's, not the object's own. */
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

/** The one struct of those of a size. */
function structOfSize(btf: Btf, found: readonly number[]): number | undefined {
  if (found.length < 2) return found[0];
  const events = found.filter((id) => /event/i.test(btf.nameOf(id)));
  return events.length === 1 ? events[0] : undefined;
}
