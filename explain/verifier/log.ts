/**
 * Parses the verifier's log into the refused instruction, the reason and the register state.
 *
 * The log's format is not stable between kernel versions, so parsing never fails: text that is not recognized
 * is left out of the parsed form.
 *
 * @module
 */
import { withoutUndefined } from "../../errors/without_undefined.ts";

/** Parsed form of a verifier log. Fields that the log does not contain are left out. */
export interface ParsedLog {
  /** The verifier's reason; several lines (at most the last four) are joined with `; `. */
  readonly reason?: string;
  /** Index of the refused instruction in the program as loaded. */
  readonly instruction?: number;
  /** The refused instruction as the kernel prints it: `r0 = *(u32 *)(r2 +0)`. */
  readonly instructionText?: string;
  /** Source line that the log shows before the instruction. */
  readonly source?: SourceLine;
  /** Last known state of registers and stack slots, by name (`R1`, `fp-8`). */
  readonly registers: { readonly [name: string]: string };
  /** The verifier's suggestion (Linux 7.3). */
  readonly suggestion?: string;
  /** Number of instructions that the verifier processed. */
  readonly processed?: number;
}

/** A source line of a program. */
export interface SourceLine {
  /** Text of the line. */
  readonly text: string;
  /** File name, if the log or the line info has it. */
  readonly file?: string;
  /** Line number, from 1. */
  readonly line?: number;
}

/** Characters parsed at the end of a log: logs can have hundreds of megabytes, and the reason is at the end. */
const TAIL = 1 << 18;
const INSTRUCTION = /^(\d+): \(([0-9a-f]{2})\) (.*)$/;
const STATE = /^(?:from (\d+) to (\d+)|(\d+)): (?:safe|(?:frame\d+: ?)?((?:R\d|fp).*))$/;
const BARE_STATE = /^(?:frame\d+: )?R\d+(?:_[a-z]+)?=/;
const SOURCE = /^; (.*?)(?: @ (\S[^@]*):(\d+))?$/;
const NUMBERS =
  /^(processed \d+ insns|verification time|stack depth|insns_state|max_states|total_states|peak_states|mark_read|subprog|func#\d+ @|Live regs before|.*reads in verifier)/;
const NOISE =
  /^(mark_precise|last_idx|regs=|parent (state|didn't)|propagating|caller:|callee:|returning from callee|to caller at|from \d+ to \d+|frame \d+|\s*$|Validating |Func#|Caller passes|arg#\d+ (type|reference))/;

/**
 * Parses a verifier log.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { parseVerifierLog } from "@skep/skep/explain";
 *
 * const parsed = parseVerifierLog(
 *   "0: R1=ctx() R10=fp0\n; return *p; @ x.c:7\n0: (61) r0 = *(u32 *)(r2 +0)\nR2 !read_ok\nprocessed 1 insns\n",
 * );
 * assertEquals(parsed.reason, "R2 !read_ok");
 * assertEquals(parsed.instruction, 0);
 * assertEquals(parsed.source, { text: "return *p;", file: "x.c", line: 7 });
 * ```
 */
export function parseVerifierLog(log: string): ParsedLog {
  const lines = tailLines(log);
  const walk = new LogWalk();
  for (const line of lines) walk.take(line);
  return walk.result(reportOf(lines));
}

function tailLines(log: string): string[] {
  const text = log.length > TAIL ? log.slice(log.length - TAIL) : log;
  const lines = text.split("\n");
  if (log.length > TAIL) lines.shift();
  return lines.map((line) => line.trimEnd());
}

/** Parser state: the last instruction, the messages after it, and the registers. */
class LogWalk {
  #instruction: number | undefined;
  #text: string | undefined;
  #source: SourceLine | undefined;
  #messages: string[] = [];
  #registers = new Map<string, string>();
  #processed: number | undefined;

  take(line: string): void {
    const instruction = INSTRUCTION.exec(line);
    if (instruction !== null) return this.#takeInstruction(instruction);
    const state = STATE.exec(line);
    if (state !== null) {
      this.#registers.clear();
      readRegisters(state[4] ?? "", this.#registers);
      this.#messages = [];
      return;
    }
    if (BARE_STATE.test(line)) return readRegisters(line, this.#registers);
    if (line.startsWith("; ")) return this.#takeSource(line);
    const processed = /^processed (\d+) insns/.exec(line);
    if (processed !== null) this.#processed = Number(processed[1]);
    if (NUMBERS.test(line) || NOISE.test(line)) return;
    this.#messages.push(line.trim());
  }

  #takeInstruction(match: RegExpExecArray): void {
    const [text, state] = splitState(match[3] ?? "");
    this.#instruction = Number(match[1]);
    this.#text = text;
    this.#messages = [];
    if (state !== undefined) readRegisters(state, this.#registers);
  }

  #takeSource(line: string): void {
    const match = SOURCE.exec(line);
    const text = (match?.[1] ?? line.slice(2)).trim();
    const file = match?.[2];
    this.#source = file === undefined ? { text } : { text, file, line: Number(match?.[3]) };
  }

  result(report: Report): ParsedLog {
    const messages = report.reason !== undefined ? [report.reason] : this.#messages;
    const reason = messages.length === 0 ? undefined : messages.slice(-4).join("; ");
    // Checks before verification (check_subprogs() …) name the instruction in their message.
    const named = this.#instruction === undefined && reason !== undefined
      ? /\binsn (\d+)\b/.exec(reason)
      : null;
    const instruction = report.instruction ?? this.#instruction ??
      (named === null ? undefined : Number(named[1]));
    const same = instruction === this.#instruction;
    return withoutUndefined({
      reason,
      instruction,
      instructionText: same ? this.#text : undefined,
      source: this.#source,
      registers: Object.fromEntries(this.#registers),
      suggestion: report.suggestion,
      processed: this.#processed,
    });
  }
}

/** The report that Linux 7.3 writes at the end of a log. */
interface Report {
  readonly reason?: string | undefined;
  readonly instruction?: number | undefined;
  readonly suggestion?: string | undefined;
}

function reportOf(lines: readonly string[]): Report {
  const start = lines.findLastIndex((line) => /^\s*Verification failed\b/i.test(line));
  if (start < 0) return {};
  const field = (name: string): string | undefined => {
    const at = lines.findIndex((line, index) =>
      index >= start && new RegExp(`^\\W*${name}\\b\\s*:?`, "i").test(line)
    );
    if (at < 0) return undefined;
    const rest = (lines[at] as string).replace(new RegExp(`^\\W*${name}\\b\\s*:?\\s*`, "i"), "");
    // The value follows the field's name, or is on the next line.
    return (rest === "" ? lines[at + 1] ?? "" : rest).trim() || undefined;
  };
  const title = (lines[start] as string).replace(/^\s*Verification failed\s*:?\s*/i, "").trim();
  const reason = field("Reason") ?? (title === "" ? undefined : title);
  const place = /(?:insn|instruction)?\s*#?(\d+)/i.exec(field("At") ?? "");
  const suggestion = field("Suggestion");
  return {
    reason,
    instruction: place !== null ? Number(place[1]) : undefined,
    suggestion,
  };
}

/** Splits an instruction's text from the comment with the new register state. */
function splitState(text: string): [string, string | undefined] {
  const at = text.search(/\s+; (?:frame\d+: )?(?:R\d|fp)/);
  if (at < 0) return [text.trim(), undefined];
  return [text.slice(0, at).trim(), text.slice(at).replace(/^\s+; (?:frame\d+: )?/, "")];
}

/** Parses `R1=ctx() R2_w=scalar(umax=255,var_off=(0x0; 0xff)) fp-8=mmmm` into names and values. */
function readRegisters(text: string, into: Map<string, string>): void {
  let depth = 0;
  let start = 0;
  for (let at = 0; at <= text.length; at++) {
    const character = text[at];
    if (character === "(" || character === "[") depth++;
    else if (character === ")" || character === "]") depth--;
    else if (at === text.length || (character === " " && depth <= 0)) {
      const item = /^(R\d+|fp-\d+)(?:_[a-zA-Z]+)?=(.*)$/.exec(text.slice(start, at));
      if (item !== null) into.set(item[1] as string, item[2] as string);
      start = at + 1;
    }
  }
}
