/**
 * `skep broker`: hands out tokens over a socket, by a policy.
 *
 * @module
 */

import { linuxKernel } from "../kernel/mod.ts";
import { type BrokerAddress, chooseBrokerUser, DescriptorSink, serveBroker } from "../token/mod.ts";
import { type Command, exitStatus } from "./command.ts";
import type { Io } from "./io.ts";
import { UsageError } from "./options.ts";

/** The first descriptor that a service manager hands over (SD_LISTEN_FDS_START). */
const FIRST_HANDED_OVER = 3;
const STANDARD_OUTPUT = 1;

/** The command. */
export const broker: Command = {
  name: "broker",
  summary: "Hands out tokens over a socket to the processes that a policy names",
  usage: "--socket PATH --policy FILE [--user NAME]",
  options: [
    {
      name: "socket",
      kind: "value",
      placeholder: "PATH",
      help: "The socket to listen at; not needed where systemd hands one over (LISTEN_FDS)",
    },
    {
      name: "policy",
      kind: "value",
      placeholder: "FILE",
      help: "Who gets what: JSON with comments; what is not named is denied",
    },
    {
      name: "user",
      kind: "value",
      placeholder: "NAME",
      help: "Started as root, become this user (name, UID or UID:GID; default skep, or a free uid)",
    },
  ],
  details:
    `Needs CAP_SYS_ADMIN and CAP_SYS_PTRACE. Started as root, it becomes a user of its own with these two
capabilities alone. Prints an audit line (JSON) for each grant and sums up refusals: a token that it
cannot record is not given. Reads the policy again on SIGHUP (that user must be able to), and ends on
SIGTERM and Ctrl-C. Tells systemd when it is ready (NOTIFY_SOCKET).`,
  async run(parsed, io): Promise<number> {
    const policy = parsed.value("policy");
    const socket = handedOver(io) ?? parsed.value("socket");
    if (socket === undefined || policy === undefined) {
      throw new UsageError("skep broker", "--socket and --policy are needed", "see --help");
    }
    const kernel = linuxKernel();
    const user = chooseBrokerUser(kernel, parsed.value("user"));
    const notify = (state: string): void => {
      const path = io.environment("NOTIFY_SOCKET") ?? "";
      if (path !== "") kernel.processes.sockets.notify(path, state);
    };
    using sink = new DescriptorSink(kernel, STANDARD_OUTPUT);
    io.signal.addEventListener("abort", () => notify("STOPPING=1"));
    await serveBroker({
      socket,
      policy,
      audit: (line) => sink.write(line),
      signal: io.signal,
      onReady: () => notify("READY=1"),
      confine: { user },
      kernel,
    });
    return exitStatus.ok;
  },
};

/** The listening socket that systemd has opened for this process: sd_listen_fds(3). */
function handedOver(io: Io): BrokerAddress | undefined {
  const count = Number(io.environment("LISTEN_FDS") ?? "0");
  if (Number(io.environment("LISTEN_PID") ?? "0") !== Deno.pid || count === 0) return undefined;
  if (count === 1) return { fd: FIRST_HANDED_OVER };
  throw new UsageError("skep broker", `it serves one socket, and was given ${count}`, "see --help");
}
