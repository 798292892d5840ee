/**
 * `skep btf`: BTF in the kernel and in files. JSON names are those of bpftool.
 *
 * @module
 */

import { SkepError } from "../errors/skep_error.ts";
import { Btf, printAllC, printC, printTypeScript, toJson } from "../btf/mod.ts";
import { check, type Kernel, linuxKernel } from "../kernel/mod.ts";
import { ObjectSpec } from "../object/mod.ts";
import { decodeProgramInfo, mapInfo, readUserFile } from "../loader/mod.ts";
import { openAll, openOne } from "./by_id.ts";
import { type Command, exitStatus } from "./command.ts";
import type { Io } from "./io.ts";
import { stringify } from "./json.ts";
import { jsonOption, type Parsed, UsageError } from "./options.ts";
import { table } from "./table.ts";

/** One kernel BTF, in bpftool's JSON. */
export interface BtfFacts {
  /** BTF id. */
  readonly id: number;
  /** Size in bytes. */
  readonly size: number;
  /** `vmlinux` or a module's name; absent for other BTF. */
  readonly name?: string | undefined;
  /** Whether it belongs to vmlinux or a module. */
  readonly kernel: boolean;
  /** Ids of the programs that use it. */
  readonly prog_ids: readonly number[];
  /** Ids of the maps that use it. */
  readonly map_ids: readonly number[];
}

function btfFacts(kernel: Kernel, fd: number): Omit<BtfFacts, "prog_ids" | "map_ids"> {
  const { result, id, name, kernel: ofKernel, bytes } = kernel.btfInfo(fd);
  check(result, { doing: "read", subject: "BTF", command: "BPF_OBJ_GET_INFO_BY_FD" });
  return { id, size: bytes.length, name: name === "" ? undefined : name, kernel: ofKernel };
}

function listFacts(kernel: Kernel): BtfFacts[] {
  const users = { program: new Map<number, number[]>(), map: new Map<number, number[]>() };
  const add = (of: Map<number, number[]>, btf: number, id: number): void => {
    if (btf !== 0) of.set(btf, [...of.get(btf) ?? [], id]);
  };
  for (const { fd } of openAll(kernel, "program")) {
    const { btfId, id } = decodeProgramInfo(kernel.programInfo(fd));
    add(users.program, btfId, id);
  }
  for (const { fd, id } of openAll(kernel, "map")) {
    add(users.map, mapInfo(kernel, fd, `map ${id}`).btfId, id);
  }
  return Array.from(openAll(kernel, "btf"), ({ fd }) => {
    const facts = btfFacts(kernel, fd);
    return {
      ...facts,
      prog_ids: users.program.get(facts.id) ?? [],
      map_ids: users.map.get(facts.id) ?? [],
    };
  });
}

function print(facts: readonly BtfFacts[], parsed: Parsed, io: Io): void {
  if (parsed.has("json")) return io.out(`${stringify(facts)}\n`);
  io.out(table(
    [
      { head: "ID", align: "right" },
      { head: "NAME" },
      { head: "BYTES", align: "right" },
      { head: "OF" },
      { head: "PROGS" },
      { head: "MAPS" },
    ],
    facts.map(({ id, name, size, kernel, prog_ids, map_ids }) => [
      String(id),
      name ?? "",
      String(size),
      kernel ? "kernel" : "object",
      prog_ids.join(","),
      map_ids.join(","),
    ]),
    { colour: io.colour },
  ));
}

/** The `skep btf list` command. */
export const list: Command = {
  name: "btf list",
  summary: "Lists the BTF in the kernel",
  usage: "[options]",
  options: [jsonOption],
  run(parsed, io): number {
    print(listFacts(linuxKernel()), parsed, io);
    return exitStatus.ok;
  },
};

/** The `skep btf show` command. */
export const show: Command = {
  name: "btf show",
  summary: "Shows one BTF",
  usage: "ID | NAME",
  options: [jsonOption],
  run(parsed, io): number {
    const kernel = linuxKernel();
    using opened = openOne(kernel, "btf", parsed, (fd) => [btfFacts(kernel, fd).name ?? ""]);
    const { id } = btfFacts(kernel, opened.fd);
    const facts = listFacts(kernel).filter((fact) => fact.id === id);
    if (parsed.has("json")) io.out(`${stringify(facts[0])}\n`);
    else print(facts, parsed, io);
    return exitStatus.ok;
  },
};

const formats = ["c", "typescript", "raw"] as const;

/** The `skep btf dump` command. */
export const dump: Command = {
  name: "btf dump",
  summary: "Prints types as C, TypeScript or raw",
  usage: "file FILE | id ID | vmlinux [options]",
  options: [
    {
      name: "format",
      short: "f",
      kind: "value",
      placeholder: "FORMAT",
      help: `${formats.join(", ")} (default c)`,
    },
    {
      name: "type",
      short: "t",
      kind: "list",
      placeholder: "NAME",
      help: "Only this struct, union, enum or typedef, with the types that it uses",
    },
    jsonOption,
  ],
  details: `Examples:
  skep btf dump vmlinux > vmlinux.h
  skep btf dump vmlinux --type task_struct
  skep btf dump file execsnoop.bpf.o --format typescript --type event`,
  async run(parsed, io): Promise<number> {
    const format = parsed.has("json") ? "json" : parsed.value("format") ?? "c";
    if (format !== "json" && !formats.some((known) => known === format)) {
      throw new UsageError(
        "skep btf dump",
        `unknown format "${format}"`,
        `write one of ${formats.join(", ")}`,
      );
    }
    const btf = await openBtf(parsed);
    const named = parsed.list("type").flatMap((name) => find(btf, name));
    const all = named.length === 0;
    if (format === "c") io.out(all ? printAllC(btf) : printC(btf, named));
    else {
      const ids = all ? Array.from(ownIds(btf)) : named;
      if (format === "typescript") {
        const typed = all ? ids.filter((id) => printable.has(btf.kindName(id))) : ids;
        io.out(printTypeScript(btf, typed));
      } else if (format === "json") {
        io.out(`${stringify({ types: ids.map((id) => toJson(btf, id)) })}\n`);
      } else for (const id of ids) io.out(`${stringify(toJson(btf, id))}\n`);
    }
    return exitStatus.ok;
  },
};

const printable: ReadonlySet<string> = new Set(["struct", "union", "enum", "enum64"]);

function* ownIds(btf: Btf): Generator<number> {
  for (let id = btf.firstId; id < btf.endId; id++) yield id;
}

function find(btf: Btf, name: string): number[] {
  const ids = btf.findAll(name, ["struct", "union", "enum", "enum64", "typedef"]);
  if (ids.length > 0) return ids;
  throw new SkepError({
    doing: "find",
    subject: `type ${name}`,
    errno: "ENOENT",
    why: `${btf.name} does not define it`,
    stage: "btf",
  });
}

async function openBtf(parsed: Parsed): Promise<Btf> {
  const [how, what] = parsed.operands;
  if (how === "file" && what !== undefined) return await openBtfFile(what);
  const kernel = linuxKernel();
  if (how === "vmlinux" && what === undefined) return vmlinux(kernel);
  if (how === "id" && what !== undefined) {
    using opened = openOne(kernel, "btf", parsed);
    const { result, name, kernel: ofKernel, bytes } = kernel.btfInfo(opened.fd);
    check(result, { doing: "read", subject: `BTF ${what}`, command: "BPF_OBJ_GET_INFO_BY_FD" });
    // A module's BTF is split: it builds on that of vmlinux.
    const module = ofKernel && name !== "vmlinux";
    return Btf.parse(bytes, { name, base: module ? vmlinux(kernel) : undefined });
  }
  throw new UsageError(
    "skep btf dump",
    "no BTF is specified",
    "write file FILE, id ID or vmlinux",
  );
}

function vmlinux(kernel: Kernel): Btf {
  const path = "/sys/kernel/btf/vmlinux";
  const { result, bytes } = kernel.readFile(path);
  check(result, { doing: "read", subject: path, command: "read" });
  return Btf.parse(bytes, { name: "vmlinux" });
}

/** Reads the BTF of an object file, or a raw BTF file, which begins with the BTF magic number. */
async function openBtfFile(path: string): Promise<Btf> {
  const bytes = await readUserFile(path, "read");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const magic = bytes.length < 2 ? 0 : view.getUint16(0, true);
  if (magic === 0xeb9f || magic === 0x9feb) return Btf.parse(bytes, { name: path });
  const { btf } = ObjectSpec.parse(bytes, { name: path });
  if (btf !== undefined) return btf;
  throw new SkepError({
    doing: "read",
    subject: path,
    errno: "ENOENT",
    why: "the file has no BTF",
    fix: "compile with clang -g",
    stage: "btf",
  });
}
