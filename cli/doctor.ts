/**
 * `skep doctor`: examines what this process may do with BPF, and what prevents more.
 *
 * @module
 */

import { linuxKernel } from "../kernel/mod.ts";
import { doctor as examine } from "../token/mod.ts";
import { type Command, exitStatus } from "./command.ts";
import { stringify } from "./json.ts";
import { jsonOption } from "./options.ts";
import { terminalText } from "../errors/escape.ts";

/** The `skep doctor` command. */
export const doctor: Command = {
  name: "doctor",
  summary: "Examines what this process may do with BPF, and what prevents more; loads nothing",
  usage: "[options]",
  options: [jsonOption],
  details:
    `Shows the kernel, namespaces, capabilities, delegating mounts and their tokens, and which
program types would load with which attach types.`,
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
