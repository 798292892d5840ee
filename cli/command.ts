/**
 * What a command is, and how its help looks.
 *
 * @module
 */

import { bold } from "@std/fmt/colors";
import type { Io } from "./io.ts";
import { commonOptions, type Option, type Parsed } from "./options.ts";

/** Exit statuses: done, did not work, was asked wrongly. */
export const exitStatus = { ok: 0, failed: 1, usage: 2 } as const;

/** A command: one file of `cli/` each. */
export interface Command {
  /** Its name on the command line, with the words before it: `"prog list"`. */
  readonly name: string;
  /** What it does, in one line. */
  readonly summary: string;
  /** What follows the name: `"FILE… [options]"`. */
  readonly usage: string;
  /** Its options, without those that all have. */
  readonly options: readonly Option[];
  /** More to say than the options do: paragraphs, ready to print. */
  readonly details?: string | undefined;
  /** Does it; answers the exit status. */
  run(parsed: Parsed, io: Io): number | Promise<number>;
}

/** The help of one command. */
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
