/**
 * `skep broker`: hands out tokens over a socket, by a policy.
 *
 * @module
 */

import { serveBroker } from "../token/mod.ts";
import { type Command, exitStatus } from "./command.ts";
import { UsageError } from "./options.ts";

/** The command. */
export const broker: Command = {
  name: "broker",
  summary: "Hands out tokens over a socket to the processes that a policy names",
  usage: "--socket PATH --policy FILE",
  options: [
    {
      name: "socket",
      kind: "value",
      placeholder: "PATH",
      help: "The socket to listen at",
    },
    {
      name: "policy",
      kind: "value",
      placeholder: "FILE",
      help: "Who gets what: JSON with comments; what is not named is denied",
    },
  ],
  details:
    `Needs root. Prints an audit line (JSON) for each decision, reads the policy again on SIGHUP, and
ends on SIGTERM and Ctrl-C.`,
  async run(parsed, io): Promise<number> {
    const [socket, policy] = [parsed.value("socket"), parsed.value("policy")];
    if (socket === undefined || policy === undefined) {
      throw new UsageError("skep broker", "--socket and --policy are needed", "see --help");
    }
    await serveBroker({
      socket,
      policy,
      audit: (line) => io.out(`${line}\n`),
      signal: io.signal,
    });
    return exitStatus.ok;
  },
};
