/**
 * `skep verify`: loads and unloads objects, and never attaches. Its JSON lines are a stable
 * interface.
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

/** The `skep verify` command. */
export const verify: Command = {
  name: "verify",
  summary: "Loads and unloads objects, and reports the verdict for each program",
  usage: "FILE… [options]",
  options: [
    jsonOption,
    tokenOption,
    {
      name: "jobs",
      kind: "value",
      placeholder: "N",
      help: "Files and programs to process in parallel (default: one per CPU)",
    },
  ],
  details: `Attaches nothing. Each program is also loaded alone, including those with autoload off.

With --json, one line per file:
  {"object":"x.bpf.o","open":{"ok":true},"load":{"ok":false,"errno":"EACCES","stage":"program","error":"…"},
   "maps":[{"name":"events","type":"ringbuf"}],
   "programs":[{"name":"handle","section":"tp_btf/sched_switch","type":"tracing","ok":true,
                "tag":"8c18a8eb365f37b8","instructions":120,"verified":340}]}

The exit status is 0 when everything loaded, 1 when something failed, 2 for wrong usage.`,
  async run(parsed, io): Promise<number> {
    if (parsed.operands.length === 0) {
      throw new UsageError("skep verify", "no file is given", "write skep verify FILE…");
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
      // After Ctrl-C the printed verdicts are valid; the rest was not tried.
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
