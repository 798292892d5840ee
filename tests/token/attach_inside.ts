/**
 * What the tests of the attach planner do inside a sandbox.
 *
 * @module
 */

import { type JsonValue, SkepError } from "../../errors/skep_error.ts";
import { linuxKernel } from "../../kernel/linux/linux.ts";
import type { AttachOptions } from "../../loader/attach/attach.ts";
import { BpfObject, type LoadOptions, openObject } from "../../loader/mod.ts";
import { attachmentText } from "../../token/mod.ts";
import { callGetpgid, GETPGID, outerPid } from "../support/hooks.ts";
import { skep } from "../support/memory_io.ts";
import { ProbedProgram } from "../support/probed_program.ts";

/** What is attached, and what has to happen then. */
export interface Trial {
  /** The object file. */
  readonly path: string;
  /** The programs to load; the first is attached. */
  readonly programs: readonly string[];
  /** What happens while it is attached. */
  readonly trigger: "getpgid" | "library" | "target" | "none";
  /** Options of attach() that JSON can hold. */
  readonly attach?:
    | Pick<AttachOptions, "path" | "function" | "provider" | "name" | "tracepoint">
    | undefined;
  /** The cookie. */
  readonly cookie?: number | undefined;
  /** Options of the load that JSON can hold. */
  readonly load?: Pick<LoadOptions, "rewrite" | "onError"> | undefined;
}

/** What was seen. */
export interface Sight {
  /** What the loader decided, a line for each program. */
  readonly decisions: readonly string[];
  /** Outcomes: `ok`, or the error's message. */
  readonly outcomes: { readonly [program: string]: string };
  /** The kind of link. */
  readonly kind?: string | undefined;
  /** The program type that the kernel tells, by number. */
  readonly type?: number | undefined;
  /** How often the program ran. */
  readonly hits?: number | undefined;
  /** How often it ran after the link was gone. */
  readonly later?: number | undefined;
  /** What it noted last. */
  readonly value?: string | undefined;
  /** Why it was not loaded or attached. */
  readonly error?: JsonValue | undefined;
}

/** Loads and attaches a program, lets it see its event, and tells what came of it. */
export async function attach(trial: Trial): Promise<JsonValue> {
  const sight: { -readonly [key in keyof Sight]: Sight[key] } = { decisions: [], outcomes: {} };
  try {
    await look(trial, sight);
  } catch (error) {
    if (!(error instanceof SkepError)) throw error;
    sight.error = { name: error.name, ...error.toJSON() };
  }
  return JSON.parse(JSON.stringify(sight));
}

async function look(
  trial: Trial,
  sight: { -readonly [key in keyof Sight]: Sight[key] },
): Promise<void> {
  const spec = await openObject(trial.path);
  for (const program of spec.programs) program.autoload = trial.programs.includes(program.name);
  spec.variables.find("target")?.set(outerPid());
  spec.variables.find("syscall_number")?.set(BigInt(GETPGID));
  using object = await BpfObject.load(spec, { token: "/sys/fs/bpf", ...trial.load });
  sight.decisions = object.attachDecisions.map(attachmentText);
  sight.outcomes = Object.fromEntries(
    object.outcomes.filter(({ program }) => program.autoload)
      .map(({ program, ok, error }) => [program.name, ok ? "ok" : error?.message ?? "?"]),
  );
  const program = object.programs.find(trial.programs[0] ?? "");
  if (program === undefined) return;
  sight.type = program.info().type;
  const hits = (): number => Number(object.variables.get("hits").get());
  const before = hits();
  await using target = trial.trigger === "target" ? new ProbedProgram() : undefined;
  {
    using link = program.attach({
      ...trial.attach,
      cookie: trial.cookie === undefined ? undefined : BigInt(trial.cookie),
      pid: trial.trigger === "library" ? 0 : target?.pid,
    });
    sight.kind = link.kind;
    await fire(trial.trigger, target);
    sight.hits = hits() - before;
    const noted = object.variables.find("value") ?? object.variables.find("cookie");
    sight.value = String(noted?.get());
  }
  const after = hits();
  await fire(trial.trigger, target);
  sight.later = hits() - after;
}

async function fire(trigger: Trial["trigger"], target: ProbedProgram | undefined): Promise<void> {
  if (trigger === "getpgid") callGetpgid();
  if (trigger === "target") await target?.go();
  if (trigger !== "library") return;
  // Deno asks libc.
  Deno.gid();
}

/** Runs the command there. */
export async function command(words: string[]): Promise<JsonValue> {
  return { ...await skep(words) };
}

/** Where the kernel's list of symbols has a function: root alone sees it. */
export function addressOf(name: string): bigint {
  const { bytes } = linuxKernel().readFile("/proc/kallsyms");
  const line = new TextDecoder().decode(bytes).split("\n")
    .find((line) => line.split(" ")[2] === name) ?? "0";
  return BigInt(`0x${line.split(" ", 1)[0]}`);
}
