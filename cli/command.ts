/**
 * The interface of a command, and its help text.
 *
 * @module
 */

import { bold } from "@std/fmt/colors";
import type { Io } from "./io.ts";
import { commonOptions, type Option, type Parsed } from "./options.ts";

/** Exit statuses: success, failure, wrong usage. */
export const exitStatus = { ok: 0, failed: 1, usage: 2 } as const;

/** A command; each is one file in `cli/`. */
export interface Command {
  /** Name on the command line with all words, for example `"prog list"`. */
  readonly name: string;
  /** One line about what it does. */
  readonly summary: string;
  /** The operands and options after the name: `"FILE… [options]"`. */
  readonly usage: string;
  /** Its options, without the common ones. */
  readonly options: readonly Option[];
  /** Further paragraphs for the help, as printed. */
  readonly details?: string | undefined;
  /** Runs the command; returns the exit status. */
  run(parsed: Parsed, io: Io): number | Promise<number>;
}

/** Formats the help of one command. */
export function commandHelp(command: Command, colour: boolean): string {
  const head = colour ? bold : String;
  const lines = [
    `${command.summary}.`,
    "",
    `${head("Usage:")} skep ${command.name} ${command.usage}`,
    "",
    head("Options:"),
    ...optionLines([...command.options, ...commonOptions]),
  ];
  if (command.details !== undefined) lines.push("", command.details.trim());
  return `${lines.join("\n")}\n`;
}

function optionLines(options: readonly Option[]): string[] {
  const forms = options.map((option) => {
    const short = option.short === undefined ? "    " : `-${option.short}, `;
    const value = option.kind === "flag" ? "" : ` ${option.placeholder ?? "VALUE"}`;
    return `  ${short}--${option.name}${value}`;
  });
  const width = Math.max(...forms.map((form) => form.length));
  return forms.map((form, index) => `${form.padEnd(width)}  ${options[index]?.help}`);
}
