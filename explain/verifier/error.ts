/**
 * The error of a program that the verifier refused, with its log and the refused source line.
 *
 * @module
 */

import type { ErrorData } from "../../errors/skep_error.ts";
import { KernelError } from "../../errors/kernel_error.ts";
import { type ParsedLog, parseVerifierLog, type SourceLine } from "./log.ts";

/** Facts about a refused program load. */
export interface VerifierFacts {
  /** Name of the program. */
  readonly program: string;
  /** Result of BPF_PROG_LOAD: `-errno`. */
  readonly result: number;
  /** Verifier log; empty when the kernel wrote none. */
  readonly log: string;
  /** Returns the source line of an instruction from line info. */
  readonly sourceOf?: ((instruction: number) => SourceLine | undefined) | undefined;
  /** Explains a poisoned call; undefined when it is not one. */
  readonly poison?:
    | ((callee: number, instruction: number | undefined) => string | undefined)
    | undefined;
  /** Reason to report when the log has none. */
  readonly why?: string | undefined;
  /** What to do, in the imperative. */
  readonly fix?: string | undefined;
  /** Further data, such as the program's type. */
  readonly data?: ErrorData | undefined;
}

/**
 * Thrown when the kernel refuses to load a program.
 *
 * The message contains the verifier's reason and the C source line. {@linkcode VerifierError.log} has the
 * unmodified log, {@linkcode VerifierError.parsed} its parsed form.
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
  /** Name of the class, preserved by minification. */
  override readonly name: string = "VerifierError";
  /** The unmodified verifier log. */
  readonly log: string;
  /** Parsed form of the log. */
  readonly parsed: ParsedLog;
  /** C source line of the refused instruction. */
  readonly source?: SourceLine | undefined;

  /** Creates the error by parsing the log. */
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

/** The verifier's message for a poisoned call. */
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
