/**
 * A program that the kernel refused, with the whole verifier log and the line that matters.
 *
 * @module
 */

import type { ErrorData } from "../../errors/skep_error.ts";
import { KernelError } from "../../errors/kernel_error.ts";
import { type ParsedLog, parseVerifierLog, type SourceLine } from "./log.ts";

/** What is known about a refused program load. */
export interface VerifierFacts {
  /** The program's name. */
  readonly program: string;
  /** What BPF_PROG_LOAD answered: `-errno`. */
  readonly result: number;
  /** The verifier's log; empty when the kernel wrote none. */
  readonly log: string;
  /** The source line of an instruction, by line info. */
  readonly sourceOf?: ((instruction: number) => SourceLine | undefined) | undefined;
  /** What a poisoned instruction stands for. */
  readonly poison?:
    | ((callee: number, instruction: number | undefined) => string | undefined)
    | undefined;
  /** Why, when the log says nothing. */
  readonly why?: string | undefined;
  /** What the reader can do about it. */
  readonly fix?: string | undefined;
  /** More facts, such as the program's type. */
  readonly data?: ErrorData | undefined;
}

/**
 * The verifier refused a program.
 *
 * The message shows the kernel's reason beside the C source line; {@linkcode VerifierError.log} has the
 * whole log as the kernel wrote it, {@linkcode VerifierError.parsed} what was understood of it.
 *
 * @example
 * ```ts ignore
 * import { BpfObject, VerifierError } from "@skep/skep";
 *
 * try {
 *   using object = await BpfObject.load("x.bpf.o");
 * } catch (error) {
 *   if (error instanceof VerifierError) console.error(error.log);
 *   throw error;
 * }
 * ```
 */
export class VerifierError extends KernelError {
  /** The class's name, also after minification. */
  override readonly name: string = "VerifierError";
  /** The whole log. */
  readonly log: string;
  /** What was understood of the log. */
  readonly parsed: ParsedLog;
  /** The C source line of the refused instruction. */
  readonly source?: SourceLine | undefined;

  /** Makes the error from the log. */
  constructor(facts: VerifierFacts, options?: ErrorOptions) {
    const parsed = parseVerifierLog(facts.log);
    const source = parsed.instruction === undefined
      ? undefined
      : facts.sourceOf?.(parsed.instruction) ?? parsed.source;
    const why = explain(parsed, source, facts);
    const fix = facts.fix ?? parsed.suggestion;
    super({
      doing: "load program",
      subject: facts.program,
      command: "BPF_PROG_LOAD",
      result: facts.result,
      stage: "program",
      why,
      fix,
      data: {
        ...facts.data,
        log: facts.log,
        reason: parsed.reason,
        instruction: parsed.instruction,
        instructionText: parsed.instructionText,
        source: source === undefined ? undefined : { ...source },
        registers: parsed.registers,
      },
    }, options);
    this.log = facts.log;
    this.parsed = parsed;
    if (source !== undefined) this.source = source;
  }
}

/** Words for a poisoned call, as the verifier prints it. */
const POISON = /invalid func unknown#(\d+)/;

function explain(
  parsed: ParsedLog,
  source: SourceLine | undefined,
  facts: VerifierFacts,
): string | undefined {
  const poisoned = POISON.exec(parsed.reason ?? "");
  const translated = poisoned === null
    ? undefined
    : facts.poison?.(Number(poisoned[1]), parsed.instruction);
  const reason = translated ?? parsed.reason ?? facts.why;
  if (reason === undefined) return undefined;
  const code = translated === undefined && parsed.instructionText !== undefined
    ? ` in \`${parsed.instructionText}\``
    : "";
  const at = parsed.instruction === undefined ? "" : ` at instruction ${parsed.instruction}${code}`;
  return `${reason}${at}${place(source)}`;
}

function place(source: SourceLine | undefined): string {
  if (source === undefined || source.text === "") return "";
  const where = source.file === undefined ? "" : `${baseName(source.file)}:${source.line ?? 0}: `;
  return ` (${where}${source.text})`;
}

function baseName(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}
