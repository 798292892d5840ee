/**
 * `skep verify`: loads and unloads, never attaches. Its JSON lines are a contract.
 *
 * @module
 */

import { bold, green, red } from "@std/fmt/colors";
import { type Verdict, verifyFiles, type VerifyReport } from "../loader/mod.ts";
import { type Command, exitStatus } from "./command.ts";
import { stringify } from "./json.ts";
import { jsonOption, parseCount, UsageError } from "./options.ts";
import { terminalText } from "../errors/escape.ts";
import { table } from "./table.ts";
import { tokenOf, tokenOption } from "./token_option.ts";

/** The command. */
export const verify: Command = {
  name: "verify",
  summary: "Loads and unloads objects, and tells what the kernel says of each program",
  usage: "FILE… [options]",
  options: [
    jsonOption,
    tokenOption,
    {
      name: "jobs",
      kind: "value",
      placeholder: "N",
      help: "Files and programs worked on at the same time (default: one per CPU)",
    },
  ],
  details:
    `Nothing is attached. Each program is also tried alone, those too that are off by default.

With --json, one line per file:
  {"object":"x.bpf.o","open":{"ok":true},"load":{"ok":false,"errno":"EACCES","stage":"program","error":"…"},
   "maps":[{"name":"events","type":"ringbuf"}],
   "programs":[{"name":"handle","section":"tp_btf/sched_switch","type":"tracing","ok":true,
                "tag":"8c18a8eb365f37b8","instructions":120,"verified":340}]}

The exit status is 0 when everything loaded, 1 when something did not, 2 for wrong usage.`,
  async run(parsed, io): Promise<number> {
    if (parsed.operands.length === 0) {
      throw new UsageError("skep verify", "no file is named", "write skep verify FILE…");
    }
    const jobs = parsed.value("jobs");
    const reports = verifyFiles(parsed.operands, {
      token: tokenOf(parsed),
      signal: io.signal,
      jobs: jobs === undefined ? undefined : parseCount("verify", "jobs", jobs),
    });
    let everythingLoaded = true;
    try {
      for await (const report of reports) {
        everythingLoaded &&= allOk(report);
        io.out(parsed.has("json") ? `${stringify(report)}\n` : verdictTable(report, io.colour));
      }
    } catch (error) {
      // Ctrl-C: what was told so far is right, and the rest was not tried.
      if (!io.signal.aborted) throw error;
      return exitStatus.failed;
    }
    return everythingLoaded ? exitStatus.ok : exitStatus.failed;
  },
};

function allOk(verdict: VerifyReport): boolean {
  return verdict.open.ok && verdict.load.ok && verdict.programs.every(({ ok }) => ok);
}

function verdictTable(verdict: VerifyReport, colour: boolean): string {
  const mark = ({ ok, errno }: Verdict): string => ok ? "ok" : errno ?? "refused";
  const paint = (text: string, ok: boolean): string =>
    colour ? (ok ? green(text) : red(text)) : text;
  const { object, open, load, maps, programs } = verdict;
  const state = !open.ok
    ? `${paint("does not open", false)}: ${open.error}`
    : load.ok
    ? paint("loads", true)
    : `${paint("does not load", false)}: ${load.error}`;
  const lines = [`${colour ? bold(terminalText(object)) : terminalText(object)}: ${state}\n`];
  if (maps.length > 0) {
    lines.push(
      `  maps: ${terminalText(maps.map(({ name, type }) => `${name} (${type})`).join(", "))}\n`,
    );
  }
  if (programs.length > 0) {
    lines.push(table(
      [
        { head: "PROGRAM" },
        { head: "SECTION" },
        { head: "TYPE" },
        { head: "ALONE" },
        { head: "TAG" },
        { head: "INSNS", align: "right" },
        { head: "VERIFIED", align: "right" },
      ],
      programs.map((program) => [
        program.name,
        program.section,
        program.type,
        mark(program),
        program.tag ?? "",
        String(program.instructions ?? ""),
        String(program.verified ?? ""),
      ]),
      { colour, indent: "  " },
    ));
  }
  for (const { name, ok, error } of programs) {
    if (!ok && error !== load.error) {
      lines.push(`  ${terminalText(name)}: ${terminalText(error ?? "")}\n`);
    }
  }
  return lines.join("");
}
