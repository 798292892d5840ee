/**
 * `skep types`: an object's maps, variables and events as TypeScript.
 *
 * @module
 */

import { pascalCase, typeScriptTypes } from "../btf/mod.ts";
import { openObject } from "../loader/mod.ts";
import {
  eventTypes,
  holdsMaps,
  isPerCpu,
  type MapSpec,
  mapTypeTraits,
  type ObjectSpec,
  originTraits,
} from "../object/mod.ts";
import { type Command, exitStatus } from "./command.ts";
import { UsageError } from "./options.ts";
import { BPF_F_STACK_BUILD_ID } from "../uapi/bpf_flags.ts";

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
    ...maps.flatMap((map) => [map.keyTypeId, map.valueTypeId, events.get(map.name) ?? 0]),
    ...variables.map((variable) => variable.typeId),
  ].filter((id) => id !== 0);
  const printed = spec.btf === undefined ? undefined : typeScriptTypes(spec.btf, ids);
  const typed = (id: number): string | undefined => printed?.expressions.get(id);
  let imported = false;
  // Through a namespace: no struct of the object can have its name.
  const shape = (name: string): string => {
    imported = true;
    return `skep.${name}`;
  };
  const mapLines = maps.map((map) => {
    const key = keyType(map, typed, shape);
    const value = valueType(map, typed, shape);
    const event = typed(events.get(map.name) ?? 0) ??
      (isBuffer(map) ? "Uint8Array<ArrayBuffer>" : "never");
    return `    ${property(map.name)}: { key: ${key}; value: ${value}; event: ${event} };\n`;
  });
  const variableLines = variables.map(({ name, typeId, size }) =>
    `    ${property(name)}: ${typed(typeId) ?? bySize(size)};\n`
  );
  const file = spec.name.replace(/^.*\//, "");
  const from = imported ? `import type * as skep from ${JSON.stringify(module)};\n\n` : "";
  const declarations = printed === undefined || printed.declarations === ""
    ? ""
    : `${printed.declarations}\n`;
  return `// Types of ${file}, written by skep types.\n\n${from}${declarations}` +
    `/** The maps and variables of \`${file}\`: BpfObject.load<${typeName(file)}>(…). */\n` +
    `export type ${typeName(file)} = {\n  maps: {\n${mapLines.join("")}  };\n  variables: {\n` +
    `${variableLines.join("")}  };\n};\n`;
}

type Typed = (id: number) => string | undefined;
/** The name of a shape that the loader gives to what has no BTF. */
type Shape = (name: string) => string;

function keyType(map: MapSpec, typed: Typed, shape: Shape): string {
  const { key } = mapTypeTraits(map.type);
  if (key === "none") return "never";
  if (key === "descriptor") return "number";
  const known = typed(map.keyTypeId);
  if (known !== undefined) return known;
  if (key === "prefix" && map.keySize > 4) return shape("Prefix");
  if (key === "cgroup" && map.keySize === 16) return shape("CgroupStorageKey");
  return bySize(map.keySize);
}

function valueType(map: MapSpec, typed: Typed, shape: Shape): string {
  const one = oneValueType(map, typed, shape);
  if (!isPerCpu(map.type)) return one;
  return /^[\w.[\]]+$/.test(one) ? `${one}[]` : `(${one})[]`;
}

/** A value, of one CPU where each has its own. */
function oneValueType(map: MapSpec, typed: Typed, shape: Shape): string {
  const { value } = mapTypeTraits(map.type);
  if (value === "none") return "never";
  if (value === "descriptor") {
    return !holdsMaps(map.type) && map.valueSize === 8 ? "bigint" : "number";
  }
  if (value === "kernel-struct") return "Uint8Array<ArrayBuffer>";
  const known = typed(map.valueTypeId);
  if (known !== undefined) return known;
  if (value === "stack") {
    const buildIds = (map.flags & BPF_F_STACK_BUILD_ID) !== 0;
    if (map.valueSize % (buildIds ? 32 : 8) !== 0) return bySize(map.valueSize);
    return buildIds ? `${shape("BuildIdFrame")}[]` : "bigint[]";
  }
  if (value === "device" && isTarget(map)) return shape("DeviceTarget");
  if (value === "cpu" && isTarget(map)) return shape("CpuTarget");
  return bySize(map.valueSize);
}

function isTarget({ valueSize }: MapSpec): boolean {
  return valueSize === 4 || valueSize === 8;
}

function isBuffer({ type }: MapSpec): boolean {
  const { kind } = mapTypeTraits(type);
  return kind === "ring" || kind === "perf";
}

/** What a value without BTF is. */
function bySize(size: number): string {
  return size === 4 ? "number" : size === 8 ? "bigint" : "Uint8Array<ArrayBuffer>";
}

function property(name: string): string {
  return /^[A-Za-z_$][\w$]*$/.test(name) ? name : JSON.stringify(name);
}

function typeName(file: string): string {
  const name = pascalCase(file.replace(/(\.bpf)?\.o$/, ""));
  return `${/^[A-Za-z]/.test(name) ? name : `Bpf${name}`}Object`;
}
