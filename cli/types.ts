/**
 * `skep types`: prints an object's maps, variables and events as TypeScript.
 *
 * @module
 */

import { pascalCase, typeScriptTypes } from "../btf/mod.ts";
import { commentText, propertyKey, stringLiteral } from "../errors/escape.ts";
import { openObject } from "../loader/mod.ts";
import {
  eventTypes,
  type MapSpec,
  mapTypeTraits,
  type ObjectSpec,
  originTraits,
} from "../object/mod.ts";
import { type Command, exitStatus } from "./command.ts";
import { UsageError } from "./options.ts";
import { BPF_F_MMAPABLE, BPF_F_STACK_BUILD_ID } from "../uapi/bpf_flags.ts";

/** The `skep types` command. */
export const types: Command = {
  name: "types",
  summary: "Prints TypeScript types of an object's maps, variables and events",
  usage: "FILE [options]",
  options: [
    {
      name: "module",
      kind: "value",
      placeholder: "NAME",
      help: "Module specifier of skep (default @skep/skep)",
    },
  ],
  details: `Example:
  skep types execsnoop.bpf.o > execsnoop.types.ts

  import type { ExecsnoopObject } from "./execsnoop.types.ts";
  using object = await BpfObject.load<ExecsnoopObject>("execsnoop.bpf.o");
  for await (const event of object.map("events").records()) console.log(event.comm);`,
  async run(parsed, io): Promise<number> {
    const [path, ...more] = parsed.operands;
    if (path === undefined || more.length > 0) {
      throw new UsageError("skep types", "exactly one file is needed", "write skep types FILE");
    }
    const spec = await openObject(path);
    io.out(objectTypes(spec, parsed.value("module") ?? "@skep/skep"));
    return exitStatus.ok;
  },
};

/** Returns the TypeScript module for an object. */
export function objectTypes(spec: ObjectSpec, module: string): string {
  const events = eventTypes(spec);
  const maps = [...spec.maps].filter((map) => originTraits[map.origin].declared);
  const variables = [...spec.variables];
  const ids = [
    ...maps.flatMap((map) => [...typeIds(map), events.get(map.name) ?? 0]),
    ...variables.map((variable) => variable.typeId),
  ].filter((id) => id !== 0);
  const file = spec.name.replace(/^.*\//s, "");
  const object = typeName(file);
  const printed = spec.btf === undefined
    ? undefined
    : typeScriptTypes(spec.btf, ids, { taken: ["skep", object] });
  const typed = (id: number): string | undefined => printed?.expressions.get(id);
  const mapLines = properties(
    maps.map((map) => [map.name, mapClass(map, typed, typed(events.get(map.name) ?? 0))] as const),
  );
  const variableLines = properties(
    variables.map(({ name, typeId, size }) => [name, typed(typeId) ?? bySize(size)] as const),
  );
  // A namespace import, so that no struct of the object can have the same name.
  const from = maps.length > 0 ? `import type * as skep from ${stringLiteral(module)};\n\n` : "";
  const declarations = printed === undefined || printed.declarations === ""
    ? ""
    : `${printed.declarations}\n`;
  const shown = commentText(file);
  return `// Types of ${shown}, written by skep types.\n\n${from}${declarations}` +
    `/** The maps and variables of \`${shown}\`: BpfObject.load<${object}>(…). */\n` +
    `export type ${object} = {\n  maps: {\n${mapLines}  };\n  variables: {\n` +
    `${variableLines}  };\n};\n`;
}

/** Formats properties of an object type; several with one name get a union type. */
function properties(all: readonly (readonly [name: string, type: string])[]): string {
  const types = new Map<string, Set<string>>();
  for (const [name, type] of all) {
    const known = types.get(name);
    if (known === undefined) types.set(name, new Set([type]));
    else known.add(type);
  }
  let text = "";
  for (const [name, of] of types) text += `    ${propertyKey(name)}: ${[...of].join(" | ")};\n`;
  return text;
}

/** Returns the types of a map and of its inner maps. */
function typeIds({ keyTypeId, valueTypeId, inner }: MapSpec): number[] {
  return [keyTypeId, valueTypeId, ...(inner === undefined ? [] : typeIds(inner))];
}

/** Formats a type of the object's BTF; undefined for id 0. */
type Typed = (id: number) => string | undefined;

/** Returns the class of a loaded map, with its type arguments. */
function mapClass(map: MapSpec, typed: Typed, event: string | undefined): string {
  const key = (): string => keyType(map, typed);
  const value = (): string => valueType(map, typed);
  const record = event ?? BYTES;
  switch (mapTypeTraits(map.type).kind) {
    case "keyed":
      return `skep.KeyedMap<${key()}, ${value()}>`;
    case "array": {
      const mappable = (map.flags & BPF_F_MMAPABLE) !== 0;
      return `skep.${mappable ? "ArrayMap" : "KeyedMap"}<${key()}, ${value()}>`;
    }
    case "per-cpu":
      return `skep.PerCpuMap<${key()}, ${value()}>`;
    case "descriptors":
      return `skep.DescriptorMap<${key()}, ${map.valueSize === 8 ? "bigint" : "number"}>`;
    case "maps": {
      const inner = map.inner === undefined ? "" : `, ${mapClass(map.inner, typed, undefined)}`;
      return `skep.MapOfMaps<${key()}${inner}>`;
    }
    case "storage":
      return `skep.StorageMap<${value()}>`;
    case "queue":
      return `skep.QueueMap<${value()}>`;
    case "bloom":
      return `skep.BloomFilter<${value()}>`;
    case "ring":
      return `skep.RingBufferMap<${record}>`;
    case "perf":
      return `skep.PerfEventArray<${record}>`;
    case "user-ring":
      return "skep.UserRingBufferMap";
    case "arena":
      return "skep.ArenaMap";
  }
}

function keyType(map: MapSpec, typed: Typed): string {
  const known = typed(map.keyTypeId);
  if (known !== undefined) return known;
  const { key } = mapTypeTraits(map.type);
  if (key === "prefix" && map.keySize > 4) return "skep.Prefix";
  if (key === "cgroup" && map.keySize === 16) return "skep.CgroupStorageKey";
  return bySize(map.keySize);
}

/** Returns the type of a value: an array for per-CPU maps. */
function valueType(map: MapSpec, typed: Typed): string {
  const { value } = mapTypeTraits(map.type);
  if (value === "kernel-struct") return BYTES;
  const known = typed(map.valueTypeId);
  if (known !== undefined) return known;
  const target = map.valueSize === 4 || map.valueSize === 8;
  if (value === "device" && target) return "skep.DeviceTarget";
  if (value === "cpu" && target) return "skep.CpuTarget";
  if (value !== "stack") return bySize(map.valueSize);
  const buildIds = (map.flags & BPF_F_STACK_BUILD_ID) !== 0;
  if (map.valueSize % (buildIds ? 32 : 8) !== 0) return BYTES;
  return buildIds ? "skep.BuildIdFrame[]" : "bigint[]";
}

const BYTES = "Uint8Array<ArrayBuffer>";

/** Returns the type of a value without BTF. */
function bySize(size: number): string {
  return size === 4 ? "number" : size === 8 ? "bigint" : BYTES;
}

/** Converts `tcp-connections.bpf.o` to `TcpConnectionsObject`. */
function typeName(file: string): string {
  return `${pascalCase(file.replace(/(\.bpf)?\.o$/, "").replace(/[-. ]+/g, "_"))}Object`;
}
