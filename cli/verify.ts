/**
 * `skep verify`: loads and unloads, never attaches. Its JSON lines are a contract.
 *
 * @module
 */

import { bold, green, red } from "@std/fmt/colors";
import { SkepError } from "../elf/error.ts";
import type { ObjectSpec } from "../object/mod.ts";
import { BpfObject, openObject } from "../loader/mod.ts";
import type { TokenOption } from "../token/mod.ts";
import { type Command, exitStatus } from "./command.ts";
import { stringify } from "./json.ts";
import { jsonOption, parseCount, UsageError } from "./options.ts";
import { printable, table } from "./table.ts";
import { tokenOf, tokenOption } from "./token_option.ts";

/** Whether a step worked, and if not, why. */
export interface StepVerdict {
  /** Whether it worked. */
  readonly ok: boolean;
  /** The errno by name: the kernel's, or the nearest that libbpf would answer. */
  readonly errno?: string;
  /** `open`, `btf`, `map`, `relocate` or `program`. */
  readonly stage?: string;
  /** One line. */
  readonly error?: string;
}

/** One program, loaded alone. */
export interface ProgramVerdict extends StepVerdict {
  /** The function's name. */
  readonly name: string;
  /** The section's name. */
  readonly section: string;
  /** The kernel's name of the type. */
  readonly type: string;
  /** The kernel's tag of the loaded program. */
  readonly tag?: string;
  /** Instructions as given to the kernel. */
  readonly instructions?: number;
  /** Instructions that the verifier walked. */
  readonly verified?: number;
}

/** What `skep verify --json` prints for a file, on one line. */
export interface Verdict {
  /** The path as it was given. */
  readonly object: string;
  /** Parsing. */
  readonly open: StepVerdict;
  /** A plain load with the default autoload. */
  readonly load: StepVerdict;
  /** Its maps, with the hidden ones. */
  readonly maps: readonly { readonly name: string; readonly type: string }[];
  /** Every entry program, each tried alone. */
  readonly programs: readonly ProgramVerdict[];
}

/** How to verify. */
export interface VerifyOptions {
  /** The token to use. */
  readonly token: TokenOption;
  /** Programs that the kernel verifies at the same time. */
  readonly jobs: number;
  /** Ends between two programs. */
  readonly signal?: AbortSignal;
}

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
      help: "Programs verified at the same time (default: one per CPU)",
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
  async run(parsed, io) {
    if (parsed.operands.length === 0) {
      throw new UsageError("skep verify", "no file is named", "write skep verify FILE…");
    }
    const given = parsed.value("jobs");
    const jobs = given === undefined
      ? navigator.hardwareConcurrency
      : parseCount("verify", "jobs", given);
    const options: VerifyOptions = { token: tokenOf(parsed), jobs, signal: io.signal };
    let everythingLoaded = true;
    for (const file of parsed.operands) {
      if (io.signal.aborted) return exitStatus.failed;
      const verdict = await verifyObject(file, options);
      everythingLoaded &&= allOk(verdict);
      io.out(parsed.has("json") ? `${stringify(verdict)}\n` : verdictTable(verdict, io.colour));
    }
    return everythingLoaded ? exitStatus.ok : exitStatus.failed;
  },
};

function allOk(verdict: Verdict): boolean {
  return verdict.open.ok && verdict.load.ok && verdict.programs.every(({ ok }) => ok);
}

/** Tries one file: opens it, loads it as it is, loads each program alone. Leaves nothing loaded. */
export async function verifyObject(file: string, options: VerifyOptions): Promise<Verdict> {
  let spec: ObjectSpec;
  try {
    spec = await openObject(file);
  } catch (error) {
    const refused = refusal(error, "open");
    return { object: file, open: refused, load: refused, maps: [], programs: [] };
  }
  let load: StepVerdict = { ok: true };
  try {
    using _object = await BpfObject.load(spec, { token: options.token, jobs: options.jobs });
  } catch (error) {
    load = refusal(error, "program");
  }
  const programs: ProgramVerdict[] = [];
  for (const program of spec.programs) {
    if (options.signal?.aborted === true) break;
    programs.push(await verifyAlone(file, program.name, options));
  }
  const maps = Array.from(spec.maps, ({ name, type }) => ({ name, type: String(type) }));
  return { object: file, open: { ok: true }, load, maps, programs };
}

/** Loads one program of a file, with all others off. The file is parsed again: a load may not leave marks. */
async function verifyAlone(
  file: string,
  name: string,
  options: VerifyOptions,
): Promise<ProgramVerdict> {
  const spec = await openObject(file);
  for (const other of spec.programs) other.autoload = other.name === name;
  const { section, type } = spec.programs.get(name);
  const head = { name, section, type: String(type) };
  try {
    using object = await BpfObject.load(spec, { token: options.token, jobs: 1 });
    const program = object.programs.get(name);
    const info = program.info();
    return {
      ...head,
      ok: true,
      tag: info.tag,
      instructions: program.linked.instructions.length / 8,
      verified: info.verifiedInstructions,
    };
  } catch (error) {
    const { errno, error: line } = refusal(error, "program");
    return { ...head, ok: false, errno: errno ?? "EINVAL", error: line ?? "" };
  }
}

/** An error in the words of the contract. Errors that are not ours are ours to mend: they are thrown on. */
function refusal(
  error: unknown,
  stage: string,
): { ok: false; errno: string; stage: string; error: string } {
  if (!(error instanceof SkepError)) throw error;
  return {
    ok: false,
    errno: error.errno ?? "EINVAL",
    stage: error.stage ?? stage,
    error: error.message,
  };
}

function verdictTable(verdict: Verdict, colour: boolean): string {
  const mark = ({ ok, errno }: StepVerdict): string => ok ? "ok" : errno ?? "refused";
  const paint = (text: string, ok: boolean): string =>
    colour ? (ok ? green(text) : red(text)) : text;
  const { object, open, load, maps, programs } = verdict;
  const state = !open.ok
    ? `${paint("does not open", false)}: ${open.error}`
    : load.ok
    ? paint("loads", true)
    : `${paint("does not load", false)}: ${load.error}`;
  const lines = [`${colour ? bold(printable(object)) : printable(object)}: ${state}\n`];
  if (maps.length > 0) {
    lines.push(
      `  maps: ${printable(maps.map(({ name, type }) => `${name} (${type})`).join(", "))}\n`,
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
      lines.push(`  ${printable(name)}: ${printable(error ?? "")}\n`);
    }
  }
  return lines.join("");
}
