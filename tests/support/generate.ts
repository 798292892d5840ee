/**
 * Writes `uapi/layouts.ts` and `uapi/enums.ts` from the kernel BTF kept in `tests/support/uapi.btf.ts`:
 * `deno task generate`.
 *
 * With `--from FILE` (a vmlinux BTF such as `/sys/kernel/btf/vmlinux`) it first extracts the types that it
 * needs from FILE and keeps those: this adds a newer kernel's names.
 *
 * With `--headers FOLDER` it also writes the constants, which BTF lacks (most are macros), from the C
 * headers in FOLDER: see `generate_constants.ts`. With `--usdt FOLDER`, once per version, it writes the
 * layouts of `bpf/usdt.bpf.h` in FOLDER.
 *
 * @module
 */

import { Btf, cutBtf, type EnumType } from "../../btf/mod.ts";
import { constantFiles } from "./generate_constants.ts";
import { type FlatField, flatFields } from "./flat_fields.ts";
import { snapshot } from "./uapi.btf.ts";
import { readUsdtHeader, type UsdtHeader, usdtText } from "./usdt_header.ts";

/** The enumerations: kernel name, constant, prefix, and a description of the values. */
const enumerations = [
  ["bpf_cmd", "Command", "BPF_", "commands of bpf(2)"],
  ["bpf_map_type", "MapType", "BPF_MAP_TYPE_", "map types"],
  ["bpf_prog_type", "ProgramType", "BPF_PROG_TYPE_", "program types"],
  ["bpf_attach_type", "AttachType", "BPF_", "attach types"],
  ["bpf_link_type", "LinkType", "BPF_LINK_TYPE_", "link types"],
  ["bpf_func_id", "Helper", "BPF_FUNC_", "helper functions"],
] as const;

/**
 * The members of `union bpf_attr`: name in `attributes`, and the member's name or, for an anonymous one,
 * that of a field.
 */
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

/**
 * The structs of each generated file, and the C header that defines them; `undefined` when none
 * does. `kernel=header` when the header has another name.
 */
export const structFiles: readonly {
  readonly file: string;
  readonly title: string;
  readonly constants: readonly [sizes: string, layouts: string];
  readonly headers: readonly (readonly [header: string | undefined, names: string])[];
}[] = [
  {
    file: "layouts",
    title: "Layouts of `union bpf_attr` and of the structs of bpf(2) and perf_event_open(2).",
    constants: ["structSizes", "structs"],
    headers: [
      [
        "linux/bpf.h",
        `bpf_prog_info bpf_map_info bpf_btf_info bpf_link_info bpf_token_info bpf_iter_link_info
        bpf_func_info bpf_line_info bpf_stack_build_id bpf_cgroup_storage_key bpf_devmap_val
        bpf_cpumap_val`,
      ],
      ["linux/perf_event.h", "perf_event_attr perf_event_header perf_event_mmap_page"],
      // linux/bpf.h describes the header before each record only by its size and two bits.
      [undefined, "bpf_ringbuf_hdr"],
    ],
  },
  {
    file: "system_layouts",
    title: "Layouts of the structs of other system calls: files, sockets, processes, netlink.",
    constants: ["systemStructSizes", "systemStructs"],
    headers: [
      ["linux/stat.h", "statx"],
      ["asm/statfs.h", "statfs"],
      ["linux/utsname.h", "new_utsname"],
      ["linux/mount.h", "mount_attr"],
      ["linux/capability.h", "__user_cap_header_struct __user_cap_data_struct"],
      ["linux/uio.h", "iovec"],
      ["linux/poll.h", "pollfd"],
      ["asm/siginfo.h", "siginfo"],
      ["linux/netlink.h", "nlmsghdr nlattr nlmsgerr"],
      ["linux/rtnetlink.h", "ifinfomsg tcmsg"],
      ["linux/if.h", "ifreq"],
      [undefined, "linux_dirent64"],
      ["linux/un.h", "sockaddr_un"],
      // libc's struct msghdr is the kernel's user_msghdr.
      ["sys/socket.h", "ucred cmsghdr user_msghdr=msghdr"],
    ],
  },
];

/** Returns the structs in a text of {@linkcode structFiles}, with their names in the header. */
export function namesOf(text: string): [kernel: string, header: string][] {
  return text.trim().split(/\s+/).map((name) => {
    const [kernel = "", header = kernel] = name.split("=");
    return [kernel, header];
  });
}

const structNames = structFiles.flatMap(({ headers }) =>
  headers.flatMap(([, names]) => namesOf(names).map(([name]) => name))
);

/**
 * Returns the id of a type.
 *
 * @throws {TypeError} when the BTF lacks it.
 */
export function idOf(btf: Btf, name: string, kinds: Parameters<Btf["find"]>[1]): number {
  const id = btf.find(name, kinds);
  if (id === undefined) throw new TypeError(`Cannot generate: the BTF has no type "${name}"`);
  return id;
}

/** Extracts the types of a kernel's BTF that the generated files are made from. */
export function cutSnapshot(kernel: Btf): Uint8Array<ArrayBuffer> {
  return cutBtf(kernel, [
    ...enumerations.map(([name]) => idOf(kernel, name, ["enum", "enum64"])),
    idOf(kernel, "bpf_attr", "union"),
    ...structNames.map((name) => idOf(kernel, name, ["struct", "union"])),
  ]).bytes;
}

const generatedNote = "Written by `deno task generate` from the kernel BTF kept in " +
  "`tests/support/uapi.btf.ts`. Do not edit.";

/** Returns the text of `uapi/enums.ts`, before `deno fmt`. */
export function enumsText(btf: Btf): string {
  const tables: string[] = [];
  const reverse: string[] = [];
  for (const [kernelName, constant, prefix, what] of enumerations) {
    const type = btf.type(idOf(btf, kernelName, ["enum", "enum64"])) as EnumType;
    const isEnd = (name: string): boolean => name.startsWith("__MAX") || name.endsWith("MAX_ID");
    const end = Number(type.values.find(({ name }) => isEnd(name))?.value ?? Infinity);
    const lines = type.values
      // Values above the end are flags that share the enumeration (BPF_COMMON_ATTRS).
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
      `/** Returns the name of one of the ${what} by number; undefined for an unknown number. */`,
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
/** Maps each number to its name; of several names, the first that is not deprecated. */
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

function table(name: string, list: readonly FlatField[]): string {
  // A field of a nested struct with the name of an outer field is omitted.
  const unique = new Map(list.map(({ name: field, field: text }) => [field, text]));
  const lines = [...unique].map(([field, text]) => `    ${field}: [${text.join(", ")}],\n`);
  return `  ${name}: {\n${lines.join("")}  },\n`;
}

/** Returns the parts of `union bpf_attr` by their names in `attributes`. */
export function attributeParts(btf: Btf): [name: string, fields: readonly FlatField[]][] {
  const attr = btf.type(idOf(btf, "bpf_attr", "union"));
  if (attr.kind !== "union") throw new TypeError("Cannot generate: bpf_attr is not a union");
  return members.flatMap(([name, mark]): [name: string, fields: readonly FlatField[]][] => {
    for (const member of attr.members) {
      const list = flatFields(btf, member.type);
      const fits = member.name === ""
        ? list.some((field) => field.name === mark)
        : member.name === mark;
      if (!fits) continue;
      const path = member.name === "" ? "" : `${member.name}.`;
      return [[name, list.map((field) => ({ ...field, path: path + field.path }))]];
    }
    return [];
  });
}

/** Returns the text of a file of layouts, before `deno fmt`. */
function layoutsText(btf: Btf, { title, constants, headers }: typeof structFiles[number]): string {
  const names = headers.flatMap(([, list]) => namesOf(list).map(([name]) => name));
  const [sizesName, layoutsName] = constants;
  const sizes = names.map((name) =>
    `  ${name}: ${btf.size(idOf(btf, name, ["struct", "union"]))},\n`
  );
  const layouts = names.map((name) =>
    table(name, flatFields(btf, idOf(btf, name, ["struct", "union"])))
  );
  const parts = attributeParts(btf);
  if (parts.length < members.length) throw new TypeError("Cannot generate: bpf_attr lacks a part");
  const attr = `
/** Size of \`union bpf_attr\` in bytes. */
export const attributeSize = ${btf.size(idOf(btf, "bpf_attr", "union"))};

/** The fields of \`union bpf_attr\` by command. */
export const attributes = {
${parts.map(([name, list]) => table(name, list)).join("")}} as const;
`;
  return `/**
 * ${title}
 *
 * ${generatedNote}
 *
 * Each field is a {@linkcode Field}. The layouts are the same on x86-64 and aarch64.
 *
 * @module
 */
${constants[1] === "structs" ? attr : ""}
/** Size of each struct in bytes, in this version. */
export const ${sizesName} = {
${sizes.join("")}} as const;

/** The fields of each struct. */
export const ${layoutsName} = {
${layouts.join("")}} as const;
`;
}

/** Returns the kept BTF. */
export function keptBtf(): Btf {
  return Btf.parse(Uint8Array.fromBase64(snapshot.replaceAll(/\s/g, "")), { name: "uapi" });
}

/** Returns the text of `tests/support/uapi.btf.ts`. */
function snapshotText(bytes: Uint8Array): string {
  const lines = bytes.toBase64().match(/.{1,96}/g) ?? [];
  return `/**
 * The types of bpf(2) and perf_event_open(2), extracted from a kernel's BTF, in base64.
 *
 * Written by \`deno task generate --from FILE\`. Do not edit.
 *
 * @module
 */

/** The raw BTF. */
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

/** Returns the generated files by path from the repository's root. */
export async function generate(btf: Btf): Promise<{ readonly [path: string]: string }> {
  return {
    "uapi/enums.ts": await formatted(enumsText(btf)),
    ...Object.fromEntries(
      await Promise.all(
        structFiles.map(async (file) => [
          `uapi/${file.file}.ts`,
          await formatted(layoutsText(btf, file)),
        ]),
      ),
    ),
  };
}

if (import.meta.main) {
  const root = new URL("../../", import.meta.url);
  let btf: Btf | undefined;
  const files: { [path: string]: string } = {};
  const usdt: UsdtHeader[] = [];
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
    } else if (flag === "--usdt") {
      const header = await readUsdtHeader(value);
      if (typeof header === "string") throw new TypeError(`Cannot generate: ${header}`);
      usdt.push(header);
    } else throw new TypeError(`There is no option ${flag}`);
  }
  if (usdt.length > 0) files["uapi/usdt.ts"] = await formatted(usdtText(usdt));
  Object.assign(files, await generate(btf ?? keptBtf()));
  for (const [path, text] of Object.entries(files)) {
    await Deno.writeTextFile(new URL(path, root), text);
  }
}
