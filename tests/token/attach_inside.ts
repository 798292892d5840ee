/**
 * The part of the attach planner's tests that runs inside a sandbox.
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

/** A program to attach, and the event to cause while it is attached. */
export interface Trial {
  /** Path of the object file. */
  readonly path: string;
  /** Names of the programs to load; the first is attached. */
  readonly programs: readonly string[];
  /** The event to cause while the program is attached. */
  readonly trigger: "getpgid" | "library" | "target" | "none";
  /** Options of attach() that JSON can hold. */
  readonly attach?:
    | Pick<AttachOptions, "path" | "function" | "provider" | "name" | "tracepoint">
    | undefined;
  /** Attach cookie. */
  readonly cookie?: number | undefined;
  /** Options of the load that JSON can hold. */
  readonly load?: Pick<LoadOptions, "rewrite" | "onError"> | undefined;
}

/** The observed result of a trial. */
export interface Sight {
  /** The loader's attach decisions, one line per program. */
  readonly decisions: readonly string[];
  /** Load outcome of each program: `ok`, or the error's message. */
  readonly outcomes: { readonly [program: string]: string };
  /** Kind of the link. */
  readonly kind?: string | undefined;
  /** Number of the program type in the kernel's program info. */
  readonly type?: number | undefined;
  /** Number of runs while the program was attached. */
  readonly hits?: number | undefined;
  /** Number of runs after the link was closed. */
  readonly later?: number | undefined;
  /** Last value that the program recorded. */
  readonly value?: string | undefined;
  /** Error of the load or the attachment. */
  readonly error?: JsonValue | undefined;
}

/** Loads and attaches a program, causes its event, and returns the result. */
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
  // Deno.gid() calls getgid() in libc.
  Deno.gid();
}

/** Runs the `skep` command inside the sandbox. */
export async function command(words: string[]): Promise<JsonValue> {
  return { ...await skep(words) };
}

/** Returns the address of a function in /proc/kallsyms; users without privileges read 0. */
export function addressOf(name: string): bigint {
  const { bytes } = linuxKernel().readFile("/proc/kallsyms");
  const line = new TextDecoder().decode(bytes).split("\n")
    .find((line) => line.split(" ")[2] === name) ?? "0";
  return BigInt(`0x${line.split(" ", 1)[0]}`);
}
