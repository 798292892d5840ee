/**
 * `skep doctor`: what this process can do with BPF, and why not more.
 *
 * @module
 */

import { linuxKernel } from "../kernel/mod.ts";
import { doctor as examine } from "../token/mod.ts";
import { type Command, exitStatus } from "./command.ts";
import { stringify } from "./json.ts";
import { jsonOption } from "./options.ts";
import { terminalText } from "../errors/escape.ts";

/** The command. */
export const doctor: Command = {
  name: "doctor",
  summary: "Tells what this process can do with BPF, and why not more; loads nothing",
  usage: "[options]",
  options: [jsonOption],
  details:
    `Kernel, namespaces, capabilities, mounts that delegate, tokens that can be had of them, and which
program types with which attach types would load here.`,
  run(parsed, io): number {
    const report = examine({ kernel: linuxKernel() });
    io.out(
      parsed.has("json")
        ? `${stringify(report, 2)}\n`
        : report.lines.map((line) => `${terminalText(line)}\n`).join(""),
    );
    return exitStatus.ok;
  },
};
