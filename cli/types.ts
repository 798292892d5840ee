/**
 * `skep types`: an object's maps, variables and events as TypeScript.
 *
 * @module
 */

import { pascalCase, typeScriptTypes } from "../btf/mod.ts";
import { openObject } from "../loader/mod.ts";
import { eventTypes, type MapSpec, type ObjectSpec } from "../object/mod.ts";
import { type Command, exitStatus } from "./command.ts";
import { UsageError } from "./options.ts";

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

/** Shapes that the loader gives to values without BTF, by the type of the map. */
const shapes: { readonly [type: string]: { readonly key?: string; readonly value?: string } } = {
  devmap: { value: "DeviceTarget" },
  devmap_hash: { value: "DeviceTarget" },
  cpumap: { value: "CpuTarget" },
  lpm_trie: { key: "Prefix" },
};
const keyless = new Set<unknown>([
  "queue",
  "stack",
  "bloom_filter",
  "ringbuf",
  "user_ringbuf",
  "arena",
]);
const valueless = new Set<unknown>(["ringbuf", "user_ringbuf", "arena"]);
const storages = new Set<unknown>(["sk_storage", "task_storage", "inode_storage", "cgrp_storage"]);
const holders = new Set<unknown>([
  "prog_array",
  "perf_event_array",
  "cgroup_array",
  "array_of_maps",
  "hash_of_maps",
  "xskmap",
  "sockmap",
  "sockhash",
  "reuseport_sockarray",
]);

/** The TypeScript module of an object. */
export function objectTypes(spec: ObjectSpec, module: string): string {
  const events = eventTypes(spec);
  const maps = [...spec.maps].filter((map) => map.origin === "maps");
  const variables = [...spec.variables];
  const ids = [
    ...maps.flatMap((map) => [map.keyTypeId, map.valueTypeId, events.get(map.name) ?? 0]),
    ...variables.map((variable) => variable.typeId),
  ].filter((id) => id !== 0);
  const printed = spec.btf === undefined ? undefined : typeScriptTypes(spec.btf, ids);
  const typed = (id: number): string | undefined => printed?.expressions.get(id);
  let imported = false;
  // Through a namespace: no struct of the object can have its name.
  const shape = (name: string | undefined): string | undefined => {
    if (name === undefined) return undefined;
    imported = true;
    return `skep.${name}`;
  };
  const mapLines = maps.map((map) => {
    const key = keyless.has(map.type)
      ? "never"
      : storages.has(map.type)
      ? "number"
      : typed(map.keyTypeId) ?? shape(shapes[map.type]?.key) ?? bySize(map.keySize);
    const value = valueType(map, typed, shape);
    const event = typed(events.get(map.name) ?? 0) ?? (isBuffer(map) ? "Uint8Array" : "never");
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

function valueType(
  map: MapSpec,
  typed: (id: number) => string | undefined,
  shape: (name: string | undefined) => string | undefined,
): string {
  if (valueless.has(map.type)) return "never";
  if (holders.has(map.type)) return map.valueSize === 8 ? "bigint" : "number";
  if (map.type === "struct_ops") return "Uint8Array<ArrayBuffer>";
  if (map.type === "stack_trace" && typed(map.valueTypeId) === undefined) return "bigint[]";
  const one = typed(map.valueTypeId) ?? shape(shapes[map.type]?.value) ?? bySize(map.valueSize);
  if (!String(map.type).includes("percpu")) return one;
  return /^[\w.[\]]+$/.test(one) ? `${one}[]` : `(${one})[]`;
}

function isBuffer({ type }: MapSpec): boolean {
  return type === "ringbuf" || type === "perf_event_array";
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
