/**
 * `skep link`: links in the kernel. JSON names are those of bpftool.
 *
 * @module
 */

import { type Kernel, KernelError, linuxKernel } from "../kernel/mod.ts";
import { readLinkInfo } from "../loader/mod.ts";
import { openAll, openOne } from "./by_id.ts";
import { type Command, exitStatus } from "./command.ts";
import { stringify } from "./json.ts";
import { jsonOption } from "./options.ts";
import { table } from "./table.ts";

/** A link in bpftool's JSON: common fields, and those of its type. */
export interface LinkFacts {
  /** Link id. */
  readonly id: number;
  /** The kernel's name of the type. */
  readonly type: string;
  /** Program id; 0 for struct_ops. */
  readonly prog_id: number;
  /** Attach type, if the link type has one. */
  readonly attach_type?: string | number | undefined;
  /** Fields of the link type. */
  readonly [field: string]: string | number | bigint | undefined;
}

/** Reads the facts of one link. */
function linkFacts(kernel: Kernel, fd: number): LinkFacts {
  const info = readLinkInfo(kernel, fd);
  if (typeof info === "number") {
    throw new KernelError({
      doing: "read",
      subject: "link",
      command: "BPF_OBJ_GET_INFO_BY_FD",
      result: info,
    });
  }
  return {
    id: info.id,
    type: info.type === "unknown" ? String(info.typeNumber) : info.type,
    prog_id: info.programId,
    attach_type: info.attachType,
    ...info.details,
  };
}

function linkTable(facts: readonly LinkFacts[], colour: boolean): string {
  return table(
    [
      { head: "ID", align: "right" },
      { head: "TYPE" },
      { head: "PROG", align: "right" },
      { head: "ATTACH TYPE" },
      { head: "DETAILS" },
    ],
    facts.map(({ id, type, prog_id, attach_type, ...details }) => [
      String(id),
      type,
      String(prog_id),
      String(attach_type ?? ""),
      Object.entries(details).map(([name, value]) => `${name} ${value}`).join("  "),
    ]),
    { colour },
  );
}

/** The `skep link list` command. */
export const list: Command = {
  name: "link list",
  summary: "Lists the links in the kernel",
  usage: "[options]",
  options: [jsonOption],
  run(parsed, io): number {
    const kernel = linuxKernel();
    const facts = Array.from(openAll(kernel, "link"), ({ fd }) => linkFacts(kernel, fd));
    io.out(parsed.has("json") ? `${stringify(facts)}\n` : linkTable(facts, io.colour));
    return exitStatus.ok;
  },
};

/** The `skep link show` command. */
export const show: Command = {
  name: "link show",
  summary: "Shows one link",
  usage: "ID | PATH",
  options: [jsonOption],
  run(parsed, io): number {
    const kernel = linuxKernel();
    using opened = openOne(kernel, "link", parsed);
    const facts = linkFacts(kernel, opened.fd);
    io.out(parsed.has("json") ? `${stringify(facts)}\n` : linkTable([facts], io.colour));
    return exitStatus.ok;
  },
};
