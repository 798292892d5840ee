/**
 * `skep broker`: issues tokens over a socket by a policy.
 *
 * @module
 */

import { linuxKernel } from "../kernel/mod.ts";
import { type BrokerAddress, chooseBrokerUser, DescriptorSink, serveBroker } from "../token/mod.ts";
import { type Command, exitStatus } from "./command.ts";
import type { Io } from "./io.ts";
import { UsageError } from "./options.ts";

/** First descriptor of socket activation (SD_LISTEN_FDS_START). */
const FIRST_HANDED_OVER = 3;
const STANDARD_OUTPUT = 1;

/** The `skep broker` command. */
export const broker: Command = {
  name: "broker",
  summary: "Issues tokens over a socket to the processes that a policy lists",
  usage: "--socket PATH --policy FILE [--user NAME]",
  options: [
    {
      name: "socket",
      kind: "value",
      placeholder: "PATH",
      help: "Socket path to listen at; not needed with systemd socket activation (LISTEN_FDS)",
    },
    {
      name: "policy",
      kind: "value",
      placeholder: "FILE",
      help: "Policy file: JSON with comments; requests without a matching rule are refused",
    },
    {
      name: "user",
      kind: "value",
      placeholder: "NAME",
      help:
        "When started as root, change to this user: name, UID or UID:GID (default: skep, or a free uid)",
    },
  ],
  details:
    `Needs CAP_SYS_ADMIN and CAP_SYS_PTRACE. When started as root, it changes to an unprivileged user with
these two capabilities. Prints an audit line (JSON) for each grant, and sums up refusals; a token is
sent only after its line is written. Reloads the policy on SIGHUP (as that user), and ends on
SIGTERM and Ctrl-C. Notifies systemd when it is ready (NOTIFY_SOCKET).`,
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

/** Returns the listening socket passed by systemd, as sd_listen_fds(3) does. */
function handedOver(io: Io): BrokerAddress | undefined {
  const count = Number(io.environment("LISTEN_FDS") ?? "0");
  if (Number(io.environment("LISTEN_PID") ?? "0") !== Deno.pid || count === 0) return undefined;
  if (count === 1) return { fd: FIRST_HANDED_OVER };
  throw new UsageError(
    "skep broker",
    `one socket is supported, systemd passed ${count}`,
    "see --help",
  );
}
