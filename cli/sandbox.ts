/**
 * `skep sandbox`: a command without privileges, with a delegation.
 *
 * @module
 */

import { dim } from "@std/fmt/colors";
import { Delegation, DELEGATION_OPTIONS, runInSandbox, type SandboxOptions } from "../token/mod.ts";
import type { Command } from "./command.ts";
import { type Option, parseCount, type Parsed, UsageError } from "./options.ts";
import { planFiles, profileOf } from "./plan_objects.ts";

const wordOptions: readonly Option[] = Object.values(DELEGATION_OPTIONS).map((option) => ({
  name: option.replace("_", "-"),
  kind: "list",
  placeholder: "WORD[:WORD…]",
  help: `Words of ${option}, or a hexadecimal mask, or any`,
}));

/** Exit status when the user ended it before the command ran: as the shell says of SIGTERM. */
const INTERRUPTED = 143;
/** The highest id that a user namespace can map: the one above means "no user". */
const HIGHEST_ID = 0xfffffffe;

/** The command. */
export const sandbox: Command = {
  name: "sandbox",
  summary: "Runs a command as an unprivileged user with exactly the delegation that it needs",
  usage: "[--for FILE…] [options] -- COMMAND…",
  options: [
    {
      name: "for",
      short: "f",
      kind: "list",
      placeholder: "FILE",
      help: "Delegate what this object needs; may be given several times",
    },
    ...wordOptions,
    {
      name: "profile",
      kind: "value",
      placeholder: "skep|libbpf",
      help: "With --for: who will load (default skep; libbpf needs more)",
    },
    {
      name: "user",
      short: "u",
      kind: "value",
      placeholder: "UID[:GID]",
      help: "The user outside; root inside (default 65534)",
    },
    {
      name: "net",
      kind: "value",
      placeholder: "new|keep",
      help: "A network namespace of its own (default), or that of the caller",
    },
    {
      name: "readable",
      kind: "list",
      placeholder: "PATH",
      help: "Show this path to the command, although the user may not read it",
    },
    { name: "verbose", short: "v", kind: "flag", help: "Tell what is delegated" },
  ],
  details:
    `Needs root and Linux 6.9. The command finds the delegated BPF filesystem at /sys/fs/bpf and in
LIBBPF_BPF_TOKEN_PATH; it may be skep, bpftool, or any program
with libbpf 1.5 or later (earlier ones know no tokens). Exit status, signals, terminal
and working directory pass through, and nothing remains after it ends. (Killed by SIGKILL, skep takes the
command with it, but cannot end what that left in the background.)

Examples:
  skep sandbox --for execsnoop.bpf.o -- skep run execsnoop.bpf.o
  skep sandbox --profile libbpf --for x.bpf.o -- bpftool prog load x.bpf.o /sys/fs/bpf/x
  skep sandbox --delegate-cmds map_create --delegate-maps array -- ./creates-a-map`,
  async run(parsed, io): Promise<number> {
    const command = [...parsed.operands, ...parsed.after];
    if (command.length === 0) {
      throw new UsageError("skep sandbox", "no command is named", "write -- COMMAND…");
    }
    const delegation = await delegationOf(parsed);
    if (parsed.has("verbose")) {
      const text = `delegated: ${delegation.empty ? "nothing" : delegation.toMountOptions()}`;
      io.error(`${io.errorColour ? dim(text) : text}\n`);
    }
    // A signal that came while files were read: from here on they are the command's.
    if (io.signal.aborted) return INTERRUPTED;
    const { code } = await runInSandbox({
      command,
      delegation,
      network: networkOf(parsed.value("net") ?? "new"),
      readable: parsed.list("readable"),
      forwardSignals: true,
      ...userOf(parsed.value("user")),
    });
    return code;
  },
};

async function delegationOf(parsed: Parsed): Promise<Delegation> {
  const profile = profileOf("sandbox", parsed.value("profile"));
  const options = wordOptions.flatMap(({ name }) =>
    parsed.list(name).map((words) => `${name.replace("-", "_")}=${words}`)
  );
  const files = parsed.list("for");
  if (files.length === 0 && options.length === 0) {
    throw new UsageError(
      "skep sandbox",
      "nothing is delegated",
      "write --for FILE, or --delegate-cmds and its like",
    );
  }
  const words = Delegation.parse(options.join(","));
  if (files.length === 0) return words;
  return words.union((await planFiles(files, profile)).delegation);
}

function networkOf(text: string): "new" | "keep" {
  if (text === "new" || text === "keep") return text;
  throw new UsageError("skep sandbox", `--net is "${text}"`, "write new or keep");
}

function userOf(text: string | undefined): Pick<SandboxOptions, "user"> {
  if (text === undefined) return {};
  const [user = "", group = user, ...more] = text.split(":");
  const [uid, gid] = [user, group].map((word) => parseCount("sandbox", "user", word, 0)) as [
    number,
    number,
  ];
  if (more.length > 0 || Math.max(uid, gid) > HIGHEST_ID) {
    throw new UsageError("skep sandbox", `--user is "${text}"`, "write UID or UID:GID");
  }
  if (uid === 0 || gid === 0) {
    throw new UsageError(
      "skep sandbox",
      "--user is root",
      "name a user without privileges: root's files would be the command's to change",
    );
  }
  return { user: { uid, gid } };
}
