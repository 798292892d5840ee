/**
 * `skep map`: maps in the kernel. JSON names are those of bpftool.
 *
 * @module
 */

import { type Kernel, linuxKernel } from "../kernel/mod.ts";
import { programTypeName } from "../object/mod.ts";
import { BpfMap, mapInfo } from "../loader/mod.ts";
import { descriptorInfo, infoNumber, openAll, openOne } from "./by_id.ts";
import { type Command, exitStatus } from "./command.ts";
import { stringify } from "./json.ts";
import { jsonOption } from "./options.ts";
import { table } from "./table.ts";
import { elementFacts } from "./map_dump.ts";
import { cell } from "./values.ts";

/** A map in bpftool's JSON. */
export interface MapFacts {
  /** Map id. */
  readonly id: number;
  /** The kernel's name of the type. */
  readonly type: string;
  /** Name, at most 15 characters. */
  readonly name?: string | undefined;
  /** Map flags (BPF_F_…). */
  readonly flags: number;
  /** Size of a key in bytes. */
  readonly bytes_key: number;
  /** Size of a value in bytes. */
  readonly bytes_value: number;
  /** Maximum number of elements. */
  readonly max_entries: number;
  /** Memory in bytes. */
  readonly bytes_memlock?: number | undefined;
  /** Program type of a prog array. */
  readonly owner_prog_type?: string | undefined;
  /** 1 when bpf(2) may no longer write it (BPF_MAP_FREEZE). */
  readonly frozen: number;
  /** BTF id. */
  readonly btf_id?: number | undefined;
}

/** Reads the facts of one map. */
function mapFacts(kernel: Kernel, fd: number): MapFacts {
  const info = mapInfo(kernel, fd, "map");
  const more = descriptorInfo(kernel, fd);
  const memory = infoNumber(more, "memlock");
  const owner = infoNumber(more, "owner_prog_type");
  return {
    id: info.id,
    type: info.typeName ?? String(info.type),
    name: info.name === "" ? undefined : info.name,
    flags: info.flags,
    bytes_key: info.keySize,
    bytes_value: info.valueSize,
    max_entries: info.maxEntries,
    bytes_memlock: memory,
    owner_prog_type: owner === undefined ? undefined : programTypeName(owner) ?? String(owner),
    frozen: infoNumber(more, "frozen") ?? 0,
    btf_id: info.btfId > 0 ? info.btfId : undefined,
  };
}

function mapTable(facts: readonly MapFacts[], colour: boolean): string {
  return table(
    [
      { head: "ID", align: "right" },
      { head: "TYPE" },
      { head: "NAME" },
      { head: "KEY", align: "right" },
      { head: "VALUE", align: "right" },
      { head: "ENTRIES", align: "right" },
      { head: "FLAGS" },
      { head: "MEMORY", align: "right" },
      { head: "FROZEN" },
    ],
    facts.map((fact) => [
      String(fact.id),
      fact.type,
      fact.name ?? "",
      String(fact.bytes_key),
      String(fact.bytes_value),
      String(fact.max_entries),
      `0x${fact.flags.toString(16)}`,
      String(fact.bytes_memlock ?? ""),
      fact.frozen === 1 ? "yes" : "",
    ]),
    { colour },
  );
}

/** The `skep map list` command. */
export const list: Command = {
  name: "map list",
  summary: "Lists the maps in the kernel",
  usage: "[options]",
  options: [jsonOption],
  run(parsed, io): number {
    const kernel = linuxKernel();
    const facts = Array.from(openAll(kernel, "map"), ({ fd }) => mapFacts(kernel, fd));
    io.out(parsed.has("json") ? `${stringify(facts)}\n` : mapTable(facts, io.colour));
    return exitStatus.ok;
  },
};

/** The `skep map show` command. */
export const show: Command = {
  name: "map show",
  summary: "Shows one map",
  usage: "ID | PATH | NAME",
  options: [jsonOption],
  run(parsed, io): number {
    const kernel = linuxKernel();
    using opened = openOne(kernel, "map", parsed, mapNames(kernel));
    const facts = mapFacts(kernel, opened.fd);
    io.out(parsed.has("json") ? `${stringify(facts)}\n` : mapTable([facts], io.colour));
    return exitStatus.ok;
  },
};

/** The `skep map dump` command. */
export const dump: Command = {
  name: "map dump",
  summary: "Prints the elements of a map",
  usage: "ID | PATH | NAME",
  options: [jsonOption],
  details:
    "Keys and values are decoded when the map has BTF, and printed as bytes otherwise. As in bpftool,\nthe JSON has the bytes, with decoded values in `formatted`.",
  run(parsed, io): number {
    const kernel = linuxKernel();
    using opened = openOne(kernel, "map", parsed, mapNames(kernel));
    using map = BpfMap.open(mapInfo(kernel, opened.fd, "map").id, { kernel });
    const json = parsed.has("json");
    if (json) {
      io.out(`${stringify([...elementFacts(map)])}\n`);
      return exitStatus.ok;
    }
    const rows = Array.from(map.entries(), ([key, value]) => [cell(key), cell(value)]);
    io.out(table([{ head: "KEY" }, { head: "VALUE" }], rows, { colour: io.colour }));
    return exitStatus.ok;
  },
};

function mapNames(kernel: Kernel): (fd: number) => string[] {
  return (fd) => [mapInfo(kernel, fd, "map").name];
}
