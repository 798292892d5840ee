/**
 * Writes `uapi/layouts.ts` and `uapi/enums.ts` from the kernel BTF kept in
 * `tests/support/uapi.btf.ts`: `deno task generate`.
 *
 * With `--from FILE` (a vmlinux BTF, as `/sys/kernel/btf/vmlinux`) it first cuts the types that it
 * needs out of FILE and keeps those: that is how a newer kernel's names come in.
 *
 * With `--headers FOLDER` it also writes the constants, which BTF does not have (most are macros), from
 * the C headers in FOLDER: see `generate_constants.ts`.
 *
 * @module
 */

import { Btf, cutBtf, type EnumType } from "../../btf/mod.ts";
import { constantFiles } from "./generate_constants.ts";
import { snapshot } from "./uapi.btf.ts";

/** The enumerations: kernel name, name here, prefix, and what the values are. */
const enumerations = [
  ["bpf_cmd", "Command", "BPF_", "commands of bpf(2)"],
  ["bpf_map_type", "MapType", "BPF_MAP_TYPE_", "map types"],
  ["bpf_prog_type", "ProgramType", "BPF_PROG_TYPE_", "program types"],
  ["bpf_attach_type", "AttachType", "BPF_", "attach types"],
  ["bpf_link_type", "LinkType", "BPF_LINK_TYPE_", "link types"],
  ["bpf_func_id", "Helper", "BPF_FUNC_", "helper functions"],
] as const;

/** The members of `union bpf_attr`: name here, and the member's name or, for one without, a field of it. */
const members = [
  ["map_create", "map_type"],
  ["element", "key"],
  ["batch", "batch"],
  ["program_load", "prog_type"],
  ["object", "pathname"],
  ["program_attach", "attach_bpf_fd"],
  ["test_run", "test"],
  ["get_id", "start_id"],
  ["info", "info"],
  ["query", "query"],
  ["raw_tracepoint", "raw_tracepoint"],
  ["btf_load", "btf"],
  ["task_fd_query", "task_fd_query"],
  ["link_create", "link_create"],
  ["link_update", "link_update"],
  ["link_detach", "link_detach"],
  ["enable_statistics", "enable_stats"],
  ["iterator_create", "iter_create"],
  ["program_bind_map", "prog_bind_map"],
  ["token_create", "token_create"],
  ["program_stream_read", "prog_stream_read"],
  ["program_assoc_struct_ops", "prog_assoc_struct_ops"],
] as const;

const structNames = [
  "bpf_prog_info",
  "bpf_map_info",
  "bpf_btf_info",
  "bpf_link_info",
  "bpf_token_info",
  "bpf_iter_link_info",
  "bpf_func_info",
  "bpf_line_info",
  "perf_event_attr",
] as const;

function idOf(btf: Btf, name: string, kinds: Parameters<Btf["find"]>[1]): number {
  const id = btf.find(name, kinds);
  if (id === undefined) throw new TypeError(`Cannot generate: the BTF has no type "${name}"`);
  return id;
}

/** The types of a kernel's BTF that the generated files are made from, as a small BTF. */
export function cutSnapshot(kernel: Btf): Uint8Array<ArrayBuffer> {
  return cutBtf(kernel, [
    ...enumerations.map(([name]) => idOf(kernel, name, ["enum", "enum64"])),
    idOf(kernel, "bpf_attr", "union"),
    ...structNames.map((name) => idOf(kernel, name, ["struct", "union"])),
  ]).bytes;
}

const generatedNote = "Written by `deno task generate` from the kernel BTF kept in " +
  "`tests/support/uapi.btf.ts`. Do not edit.";

/** The text of `uapi/enums.ts`, before `deno fmt`. */
export function enumsText(btf: Btf): string {
  const tables: string[] = [];
  const reverse: string[] = [];
  for (const [kernelName, constant, prefix, what] of enumerations) {
    const type = btf.type(idOf(btf, kernelName, ["enum", "enum64"])) as EnumType;
    const isEnd = (name: string): boolean => name.startsWith("__MAX") || name.endsWith("MAX_ID");
    const end = Number(type.values.find(({ name }) => isEnd(name))?.value ?? Infinity);
    const lines = type.values
      // Above the end are flags that share the enumeration (BPF_COMMON_ATTRS).
      .filter(({ name, value }) => !name.startsWith("__") && Number(value) < end)
      .map(({ name, value }) => `  ${name.slice(prefix.length).toLowerCase()}: ${value},`);
    tables.push(
      `/** The ${what} (\`enum ${kernelName}\`): name to number. */`,
      `export const ${constant} = {`,
      ...lines,
      "} as const;",
      "",
      `/** A name of {@linkcode ${constant}}. */`,
      `export type ${constant}Name = keyof typeof ${constant};`,
      "",
    );
    const lower = constant[0]?.toLowerCase() + constant.slice(1);
    reverse.push(
      `const ${lower}Names: readonly (${constant}Name | undefined)[] = byNumber(${constant});`,
      "",
      `/** The name of one of the ${what} by number, or \`undefined\` where this version knows none. */`,
      `export function ${lower}Name(number: number): ${constant}Name | undefined {`,
      `  return ${lower}Names[number];`,
      "}",
      "",
    );
  }
  return `/**
 * The kernel's enumerations: names in lower case without their prefix, as \`const\` objects.
 *
 * ${generatedNote}
 *
 * @module
 */

${tables.join("\n")}
${reverse.join("\n")}
/** Of several names of a number the first that is not deprecated. */
function byNumber<Name extends string>(
  table: { readonly [name in Name]: number },
): (Name | undefined)[] {
  const names: (Name | undefined)[] = [];
  for (const name of Object.keys(table) as Name[]) {
    const number = table[name];
    if (names[number] === undefined || names[number].endsWith("_deprecated")) names[number] = name;
  }
  return names;
}
`;
}

/** The fields of a struct or union, those of nested ones under `outer_inner`, as source text. */
function fields(btf: Btf, id: number, bits = 0, prefix = ""): [name: string, field: string][] {
  const type = btf.type(btf.resolve(id));
  if (type.kind !== "struct" && type.kind !== "union") return [];
  return type.members.flatMap((member): [string, string][] => {
    const at = bits + member.bitOffset;
    const { kind } = btf.type(btf.resolve(member.type));
    if (kind === "struct" || kind === "union") {
      return fields(btf, member.type, at, member.name === "" ? prefix : `${prefix}${member.name}_`);
    }
    if (member.name === "") return [];
    const size = btf.size(member.type);
    const text = member.bitSize === 0
      ? `[${at / 8}, ${size}]`
      // The word that holds the bits, aligned to its size.
      : `[${Math.floor(at / (size * 8)) * size}, ${size}, ${at % (size * 8)}, ${member.bitSize}]`;
    return [[prefix + member.name, text]];
  });
}

function table(name: string, list: [name: string, field: string][]): string {
  // A name that a struct and one nested in it share stays the outer one's.
  const unique = new Map(list);
  const lines = [...unique].map(([field, text]) => `    ${field}: ${text},\n`);
  return `  ${name}: {\n${lines.join("")}  },\n`;
}

/** The text of `uapi/layouts.ts`, before `deno fmt`. */
export function uapiText(btf: Btf): string {
  const id = idOf(btf, "bpf_attr", "union");
  const attr = btf.type(id);
  if (attr.kind !== "union") throw new TypeError("Cannot generate: bpf_attr is not a union");
  const commands = members.map(([name, mark]) => {
    for (const member of attr.members) {
      const list = fields(btf, member.type);
      const fits = member.name === ""
        ? list.some(([field]) => field === mark)
        : member.name === mark;
      if (fits) return table(name, list);
    }
    throw new TypeError(`Cannot generate: bpf_attr has no "${mark}"`);
  });
  const sizes = structNames.map((name) =>
    `  ${name}: ${btf.size(idOf(btf, name, ["struct", "union"]))},\n`
  );
  const layouts = structNames.map((name) =>
    table(name, fields(btf, idOf(btf, name, ["struct", "union"])))
  );
  return `/**
 * Layouts of \`union bpf_attr\` and of the structs that bpf(2) and perf_event_open(2) answer with.
 *
 * ${generatedNote}
 *
 * A field is \`[offset, size]\` in bytes; a bit field is \`[offset, size, shift, width]\` of the word that
 * holds it, shift and width in bits. All are the same on x86-64 and aarch64.
 *
 * @module
 */

/** Where a field lies: offset and size in bytes, and for a bit field shift and width in bits. */
export type Field =
  | readonly [offset: number, size: number]
  | readonly [offset: number, size: number, shift: number, width: number];

/** Bytes of \`union bpf_attr\`. */
export const attributeSize = ${attr.size};

/** The fields of \`union bpf_attr\` by command. */
export const attributes = {
${commands.join("")}} as const;

/** Bytes of each struct, as this version of skep knows it. */
export const structSizes = {
${sizes.join("")}} as const;

/** The fields of each struct. */
export const structs = {
${layouts.join("")}} as const;
`;
}

/** The BTF that is kept. */
export function keptBtf(): Btf {
  return Btf.parse(Uint8Array.fromBase64(snapshot.replaceAll(/\s/g, "")), { name: "uapi" });
}

/** The text of `tests/support/uapi.btf.ts`. */
function snapshotText(bytes: Uint8Array): string {
  const lines = bytes.toBase64().match(/.{1,96}/g) ?? [];
  return `/**
 * The types of bpf(2) and perf_event_open(2), cut out of a kernel's BTF, in base64.
 *
 * Written by \`deno task generate --from FILE\`. Do not edit.
 *
 * @module
 */

/** The blob. */
export const snapshot: string = \`
${lines.join("\n")}
\`;
`;
}

async function formatted(text: string): Promise<string> {
  const config = new URL("../../deno.json", import.meta.url).pathname;
  const child = new Deno.Command(Deno.execPath(), {
    args: ["fmt", "--config", config, "--ext", "ts", "-"],
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(text));
  await writer.close();
  const { stdout, success } = await child.output();
  if (!success) throw new TypeError("Cannot generate: deno fmt does not take the text");
  return new TextDecoder().decode(stdout);
}

/** The generated files as they must be, by path from the repository's root. */
export async function generate(btf: Btf): Promise<{ readonly [path: string]: string }> {
  return {
    "uapi/layouts.ts": await formatted(uapiText(btf)),
    "uapi/enums.ts": await formatted(enumsText(btf)),
  };
}

if (import.meta.main) {
  const root = new URL("../../", import.meta.url);
  let btf: Btf | undefined;
  const files: { [path: string]: string } = {};
  for (let at = 0; at < Deno.args.length; at += 2) {
    const [flag, value] = Deno.args.slice(at, at + 2);
    if (value === undefined) throw new TypeError(`${flag} needs a path`);
    if (flag === "--from") {
      const bytes = cutSnapshot(Btf.parse(await Deno.readFile(value)));
      files["tests/support/uapi.btf.ts"] = snapshotText(bytes);
      btf = Btf.parse(bytes);
    } else if (flag === "--headers") {
      for (const [path, text] of Object.entries(await constantFiles(value))) {
        files[path] = await formatted(text);
      }
    } else throw new TypeError(`There is no option ${flag}`);
  }
  Object.assign(files, await generate(btf ?? keptBtf()));
  for (const [path, text] of Object.entries(files)) {
    await Deno.writeTextFile(new URL(path, root), text);
  }
}
