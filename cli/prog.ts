/**
 * `skep prog`: programs in the kernel. JSON names are those of bpftool.
 *
 * @module
 */

import { type Kernel, linuxKernel } from "../kernel/mod.ts";
import { printInstructions } from "../object/mod.ts";
import { decodeProgramInfo } from "../loader/mod.ts";
import { descriptorInfo, infoNumber, openAll, type Opened, openOne } from "./by_id.ts";
import { type Command, exitStatus } from "./command.ts";
import { stringify } from "./json.ts";
import { jsonOption } from "./options.ts";
import { instructionFacts } from "./prog_dump.ts";
import { table } from "./table.ts";

/** A program in bpftool's JSON. */
export interface ProgramFacts {
  /** Program id. */
  readonly id: number;
  /** The kernel's name of the type. */
  readonly type: string;
  /** Name, at most 15 characters. */
  readonly name?: string | undefined;
  /** Hash of the instructions. */
  readonly tag: string;
  /** Whether the license is GPL-compatible. */
  readonly gpl_compatible: boolean;
  /** Run time in nanoseconds, when statistics are enabled. */
  readonly run_time_ns?: bigint | undefined;
  /** Number of runs, when statistics are enabled. */
  readonly run_cnt?: bigint | undefined;
  /** Number of runs skipped because the program was already running. */
  readonly recursion_misses?: bigint | undefined;
  /** Load time in seconds since 1970. */
  readonly loaded_at: number;
  /** Uid that loaded it. */
  readonly uid: number;
  /** Size of the translated instructions in bytes. */
  readonly bytes_xlated: number;
  /** Whether it is JIT-compiled. */
  readonly jited: boolean;
  /** Size of the machine code in bytes. */
  readonly bytes_jited?: number | undefined;
  /** Memory in bytes. */
  readonly bytes_memlock?: number | undefined;
  /** Ids of the maps that it uses. */
  readonly map_ids?: readonly number[] | undefined;
  /** BTF id. */
  readonly btf_id?: number | undefined;
}

/** Reads the facts of one program. */
function programFacts(kernel: Kernel, fd: number, bootTime: number): ProgramFacts {
  const info = decodeProgramInfo(kernel.programInfo(fd, { mapIds: true }));
  const memory = infoNumber(descriptorInfo(kernel, fd), "memlock");
  return {
    id: info.id,
    type: info.typeName ?? String(info.type),
    name: info.name === "" ? undefined : info.name,
    tag: info.tag,
    gpl_compatible: info.gplCompatible,
    run_time_ns: info.runTime > 0n ? info.runTime : undefined,
    run_cnt: info.runTime > 0n ? info.runCount : undefined,
    recursion_misses: info.recursionMisses > 0n ? info.recursionMisses : undefined,
    loaded_at: Math.floor(bootTime + Number(info.loadTime) / 1e9),
    uid: info.uid,
    bytes_xlated: info.xlatedLength,
    jited: info.jitedLength > 0,
    bytes_jited: info.jitedLength > 0 ? info.jitedLength : undefined,
    bytes_memlock: memory,
    map_ids: info.mapIds.length > 0 ? info.mapIds : undefined,
    btf_id: info.btfId > 0 ? info.btfId : undefined,
  };
}

/** Returns the boot time in seconds since 1970. */
function bootTime(kernel: Kernel): number {
  const text = new TextDecoder().decode(kernel.readFile("/proc/uptime").bytes);
  return Date.now() / 1000 - Number(text.split(" ")[0]);
}

function programNames(kernel: Kernel): (fd: number) => string[] {
  return (fd) => {
    const { name, tag } = decodeProgramInfo(kernel.programInfo(fd));
    return [name, tag];
  };
}

function programTable(facts: readonly ProgramFacts[], colour: boolean): string {
  return table(
    [
      { head: "ID", align: "right" },
      { head: "TYPE" },
      { head: "NAME" },
      { head: "TAG" },
      { head: "UID", align: "right" },
      { head: "XLATED", align: "right" },
      { head: "JITED", align: "right" },
      { head: "MAPS" },
      { head: "LOADED" },
    ],
    facts.map((fact) => [
      String(fact.id),
      fact.type,
      fact.name ?? "",
      fact.tag,
      String(fact.uid),
      String(fact.bytes_xlated),
      String(fact.bytes_jited ?? ""),
      fact.map_ids?.join(",") ?? "",
      new Date(fact.loaded_at * 1000).toISOString().slice(0, 19),
    ]),
    { colour },
  );
}

/** The `skep prog list` command. */
export const list: Command = {
  name: "prog list",
  summary: "Lists the programs in the kernel",
  usage: "[options]",
  options: [jsonOption],
  run(parsed, io): number {
    const kernel = linuxKernel();
    const boot = bootTime(kernel);
    const facts = Array.from(
      openAll(kernel, "program"),
      ({ fd }) => programFacts(kernel, fd, boot),
    );
    io.out(parsed.has("json") ? `${stringify(facts)}\n` : programTable(facts, io.colour));
    return exitStatus.ok;
  },
};

/** The `skep prog show` command. */
export const show: Command = {
  name: "prog show",
  summary: "Shows one program",
  usage: "ID | PATH | NAME | tag TAG",
  options: [jsonOption],
  run(parsed, io): number {
    const kernel = linuxKernel();
    using opened = open(kernel, parsed);
    const facts = programFacts(kernel, opened.fd, bootTime(kernel));
    io.out(parsed.has("json") ? `${stringify(facts)}\n` : programTable([facts], io.colour));
    return exitStatus.ok;
  },
};

/** The `skep prog dump` command. */
export const dump: Command = {
  name: "prog dump",
  summary: "Prints a program's translated instructions",
  usage: "ID | PATH | NAME | tag TAG",
  options: [
    { name: "raw", kind: "flag", help: "Write the bytes of the instructions" },
    { name: "jited", kind: "flag", help: "With --raw: the machine code" },
    jsonOption,
  ],
  run(parsed, io): number {
    const kernel = linuxKernel();
    using opened = open(kernel, parsed);
    const jited = parsed.has("jited");
    const answer = kernel.programInfo(opened.fd, { xlated: true, jited });
    if (parsed.has("raw")) {
      io.outBytes(jited ? answer.jited : answer.xlated);
      return exitStatus.ok;
    }
    if (parsed.has("json")) {
      io.out(`${stringify([...instructionFacts(kernel, opened.fd)])}\n`);
      return exitStatus.ok;
    }
    for (const line of printInstructions(answer.xlated)) io.out(`${line}\n`);
    return exitStatus.ok;
  },
};

function open(kernel: Kernel, parsed: Parameters<Command["run"]>[0]): Opened {
  return openOne(kernel, "program", parsed, programNames(kernel));
}
