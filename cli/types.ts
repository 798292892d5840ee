/**
 * `skep types`: an object's maps, variables and events as TypeScript.
 *
 * @module
 */

import { pascalCase, typeScriptTypes } from "../btf/mod.ts";
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

/** The command. */
export const types: Command = {
  name: "types",
  summary: "Prints TypeScript types of an object's maps, variables and events",
  usage: "FILE [options]",
  options: [
    {
      name: "module",
      kind: "value",
      placeholder: "NAME",
      help: "Where skep is imported from (default @skep/skep)",
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
      throw new UsageError("skep types", "one object must be named", "write skep types FILE");
    }
    const spec = await openObject(path);
    io.out(objectTypes(spec, parsed.value("module") ?? "@skep/skep"));
    return exitStatus.ok;
  },
};

/** The TypeScript module of an object. */
export function objectTypes(spec: ObjectSpec, module: string): string {
  const events = eventTypes(spec);
  const maps = [...spec.maps].filter((map) => originTraits[map.origin].declared);
  const variables = [...spec.variables];
  const ids = [
    ...maps.flatMap((map) => [...typeIds(map), events.get(map.name) ?? 0]),
    ...variables.map((variable) => variable.typeId),
  ].filter((id) => id !== 0);
  const printed = spec.btf === undefined ? undefined : typeScriptTypes(spec.btf, ids);
  const typed = (id: number): string | undefined => printed?.expressions.get(id);
  const mapLines = maps.map((map) =>
    `    ${property(map.name)}: ${mapClass(map, typed, typed(events.get(map.name) ?? 0))};\n`
  );
  const variableLines = variables.map(({ name, typeId, size }) =>
    `    ${property(name)}: ${typed(typeId) ?? bySize(size)};\n`
  );
  const file = spec.name.replace(/^.*\//, "");
  // Through a namespace: no struct of the object can have its name.
  const from = maps.length > 0 ? `import type * as skep from ${JSON.stringify(module)};\n\n` : "";
  const declarations = printed === undefined || printed.declarations === ""
    ? ""
    : `${printed.declarations}\n`;
  return `// Types of ${file}, written by skep types.\n\n${from}${declarations}` +
    `/** The maps and variables of \`${file}\`: BpfObject.load<${typeName(file)}>(…). */\n` +
    `export type ${typeName(file)} = {\n  maps: {\n${mapLines.join("")}  };\n  variables: {\n` +
    `${variableLines.join("")}  };\n};\n`;
}

/** The types of a map and of the maps in it. */
function typeIds({ keyTypeId, valueTypeId, inner }: MapSpec): number[] {
  return [keyTypeId, valueTypeId, ...(inner === undefined ? [] : typeIds(inner))];
}

/** The expression of a type of the object's BTF; undefined for 0. */
type Typed = (id: number) => string | undefined;

/** The class of a live map, with its types. */
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

/** A value, of one CPU where each has its own. */
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

/** What a value without BTF is. */
function bySize(size: number): string {
  return size === 4 ? "number" : size === 8 ? "bigint" : BYTES;
}

function property(name: string): string {
  return /^[A-Za-z_$][\w$]*$/.test(name) ? name : JSON.stringify(name);
}

function typeName(file: string): string {
  const name = pascalCase(file.replace(/(\.bpf)?\.o$/, ""));
  return `${/^[A-Za-z]/.test(name) ? name : `Bpf${name}`}Object`;
}
