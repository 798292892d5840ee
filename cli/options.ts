/**
 * Options of a command, declared once for parsing and for help.
 *
 * @module
 */

import { parseArgs } from "@std/cli/parse-args";
import { SkepError } from "../errors/skep_error.ts";

/** One option of a command. */
export interface Option {
  /** Long name, without dashes. */
  readonly name: string;
  /** One-letter name. */
  readonly short?: string | undefined;
  /** `flag` takes no value, `value` takes one, `list` can be repeated. */
  readonly kind: "flag" | "value" | "list";
  /** Placeholder of the value in the help, in capitals. */
  readonly placeholder?: string | undefined;
  /** One line for the help. */
  readonly help: string;
}

/** A parsed command line. */
export interface Parsed {
  /** Returns whether a flag was given. */
  has(name: string): boolean;
  /** Returns the value of an option; the last one when it was repeated. */
  value(name: string): string | undefined;
  /** Returns all values of a list option. */
  list(name: string): readonly string[];
  /** Arguments that are no options. */
  readonly operands: readonly string[];
  /** Arguments after `--`. */
  readonly after: readonly string[];
}

/** Wrong usage of the command line: exit status 2. */
export class UsageError extends SkepError {
  /** Name of the class, preserved in minified code. */
  override readonly name: string = "UsageError";

  /** Creates the error: `why` is the complaint, `fix` what to write instead. */
  constructor(subject: string, why: string, fix?: string) {
    super({
      doing: "run",
      subject,
      why,
      stage: "usage",
      fix,
    });
  }
}

/** Options of every command. */
export const commonOptions: readonly Option[] = [
  { name: "help", short: "h", kind: "flag", help: "Show this help" },
];

/** `--json`, for commands that print facts. */
export const jsonOption: Option = {
  name: "json",
  short: "j",
  kind: "flag",
  help: "Print JSON instead of a table",
};

/**
 * Parses arguments by a command's options.
 *
 * @throws {UsageError} for anything that these do not allow.
 */
export function parseOptions(
  command: string,
  declared: readonly Option[],
  args: readonly string[],
): Parsed {
  const options = [...declared, ...commonOptions];
  const named = (kind: Option["kind"]): string[] =>
    options.filter((option) => option.kind === kind).map((option) => option.name);
  const values = [...named("value"), ...named("list")];
  // parse-args would take the next option as a missing value, so check first.
  checkValues(command, options, args);
  let unknown: string | undefined;
  const parsed = parseArgs([...args], {
    boolean: named("flag"),
    string: [...values, "_"],
    collect: named("list"),
    alias: Object.fromEntries(
      options.flatMap((option) => option.short === undefined ? [] : [[option.short, option.name]]),
    ),
    "--": true,
    unknown: (argument: string, key?: string) => {
      if (key !== undefined) unknown ??= argument;
      return key === undefined;
    },
  }) as unknown as Record<string, unknown> & { _: string[]; "--"?: string[] | undefined };
  if (unknown !== undefined) {
    const shown = unknown.startsWith("-") ? unknown : `--${unknown}`;
    throw new UsageError(
      `skep ${command}`,
      `unknown option ${shown}`,
      nearest(shown.replace(/^-+|=.*$/g, ""), options) ?? `see skep ${command} --help`,
    );
  }
  return {
    has: (name) => parsed[name] === true,
    value: (name) => {
      const value = parsed[name];
      const last = Array.isArray(value) ? value.at(-1) : value;
      return typeof last === "string" ? last : undefined;
    },
    list: (name) => {
      const value = parsed[name];
      return Array.isArray(value) ? value.map(String) : [];
    },
    operands: parsed._,
    after: parsed["--"] ?? [],
  };
}

function checkValues(command: string, options: readonly Option[], args: readonly string[]): void {
  for (const [index, argument] of args.entries()) {
    if (argument === "--") return;
    const option = options.find((option) =>
      argument === `--${option.name}` || argument === `-${option.short}`
    );
    if (option === undefined || option.kind === "flag") continue;
    const next = args[index + 1];
    if (next === undefined || (next.startsWith("--") && next !== "-")) {
      throw new UsageError(
        `skep ${command}`,
        `--${option.name} needs a value`,
        `write --${option.name} ${option.placeholder ?? "VALUE"}`,
      );
    }
  }
}

function nearest(name: string, options: readonly Option[]): string | undefined {
  const near = options.find((option) =>
    name.length > 1 && (option.name.startsWith(name) || name.startsWith(option.name))
  );
  return near === undefined ? undefined : `did you mean --${near.name}?`;
}

/** Parses a duration to milliseconds: `"5"` and `"5s"` (seconds), `"500ms"`, `"2m"`, `"1h"`. */
export function parseDuration(command: string, text: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h)?$/.exec(text);
  const factor = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }[match?.[2] ?? "s"];
  const milliseconds = Number(match?.[1]) * (factor ?? Number.NaN);
  // setTimeout takes 31 bits, or 24 days.
  if (!(milliseconds > 0 && milliseconds < 2 ** 31)) {
    throw new UsageError(
      `skep ${command}`,
      `"${text}" is not a duration`,
      "write seconds (5, 0.5) or a number with ms, s, m or h",
    );
  }
  return milliseconds;
}

/** Parses an integer of at least `least`. */
export function parseCount(command: string, option: string, text: string, least = 1): number {
  const count = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(count) || count < least) {
    throw new UsageError(
      `skep ${command}`,
      `--${option} is "${text}"`,
      `write an integer of at least ${least}`,
    );
  }
  return count;
}
