/**
 * `skep sandbox`: runs a command as an unprivileged user with a delegation.
 *
 * @module
 */

import { dim } from "@std/fmt/colors";
import { linuxKernel } from "../kernel/mod.ts";
import {
  BPF_CAPABILITIES,
  type BpfCapability,
  Delegation,
  DELEGATION_OPTIONS,
  delegationCapabilities,
  holderAccess,
  holderText,
  type Plan,
} from "../plan/mod.ts";
import { runInSandbox, type SandboxOptions, type UserRange } from "../token/mod.ts";
import { kernelBtf } from "../loader/mod.ts";
import { ownFiles } from "./own_files.ts";
import type { Command } from "./command.ts";
import { type Option, parseCount, type Parsed, UsageError } from "./options.ts";
import { planFiles, profileOf } from "./plan_objects.ts";

const wordOptions: readonly Option[] = Object.values(DELEGATION_OPTIONS).map((option) => ({
  name: option.replace("_", "-"),
  kind: "list",
  placeholder: "WORD[:WORD…]",
  help: `Values of ${option} by name, a hexadecimal mask, or any`,
}));

/** Exit status when interrupted before the command ran: 128 + SIGTERM, as in a shell. */
const INTERRUPTED = 143;
/** The highest uid that a user namespace can map; 0xffffffff means "no user". */
const HIGHEST_ID = 0xfffffffe;

/** The `skep sandbox` command. */
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
      help: "Delegate what this object needs; can be repeated",
    },
    ...wordOptions,
    {
      name: "profile",
      kind: "value",
      placeholder: "skep|libbpf",
      help: "With --for: loader to plan for, skep (default) or libbpf (needs more)",
    },
    {
      name: "user",
      short: "u",
      kind: "value",
      placeholder: "UID[:GID]",
      help: "Unprivileged user outside, who is root inside (default: an unused uid of the range)",
    },
    {
      name: "user-range",
      kind: "value",
      placeholder: "FIRST-LAST",
      help: "Range of uids for sandboxes (default 1879048192-1879113727)",
    },
    {
      name: "capabilities",
      kind: "value",
      placeholder: "NAME,…",
      help:
        "Capabilities inside (default: those that the plan needs or may need); always includes bpf",
    },
    {
      name: "net",
      kind: "value",
      placeholder: "new|keep",
      help: "Network namespace: new (default), or keep the caller's",
    },
    {
      name: "readable",
      kind: "list",
      placeholder: "PATH",
      help: "Make this path readable for the command although its user may not read it",
    },
    { name: "verbose", short: "v", kind: "flag", help: "Print what is delegated" },
  ],
  details:
    `Needs root and Linux 6.9. The delegated BPF filesystem is mounted at /sys/fs/bpf, and named by
LIBBPF_BPF_TOKEN_PATH; it may be skep, bpftool, or any program
with libbpf 1.5 or later (earlier ones do not support tokens). Exit status, signals
and working directory pass through; on a terminal the command gets a new one. When it or skep ends, the
kernel kills every process that it started. skep's files and those of --for are readable for it.

Examples:
  skep sandbox --for execsnoop.bpf.o -- skep run execsnoop.bpf.o
  skep sandbox --profile libbpf --for x.bpf.o -- bpftool prog load x.bpf.o /sys/fs/bpf/x
  skep sandbox --delegate-cmds map_create --delegate-maps array -- ./creates-a-map`,
  async run(parsed, io): Promise<number> {
    const command = [...parsed.operands, ...parsed.after];
    if (command.length === 0) {
      throw new UsageError("skep sandbox", "no command is given", "write -- COMMAND…");
    }
    const { delegation, plan, more } = await delegationOf(parsed);
    const capabilities = capabilitiesOf(parsed.value("capabilities")) ??
      [
        ...new Set([
          ...plan?.capabilities ?? [],
          ...plan?.maybe.map(({ capability }) => capability) ?? [],
          ...delegationCapabilities(more),
        ]),
      ];
    if (parsed.has("verbose")) {
      const holder = holderAccess(delegation, {
        capabilities,
        kernelBtf: kernelBtf(linuxKernel()),
      });
      const lines = [
        `delegated: ${delegation.empty ? "nothing" : delegation.toMountOptions()}`,
        `capabilities: ${capabilities.join(", ")}`,
        ...(delegation.empty ? [] : holderText(holder)),
      ];
      for (const line of lines) io.error(`${io.errorColour ? dim(line) : line}\n`);
    }
    // Signals during the setup end skep; later ones are forwarded to the command.
    if (io.signal.aborted) return INTERRUPTED;
    const own = ownFiles(linuxKernel(), command[0]);
    const { code } = await runInSandbox({
      command,
      delegation,
      network: networkOf(parsed.value("net") ?? "new"),
      readable: [...parsed.list("readable"), ...parsed.list("for"), ...own.readable],
      scratch: own.scratch,
      capabilities,
      userRange: rangeOf(parsed.value("user-range")),
      forwardSignals: true,
      ...userOf(parsed.value("user")),
    });
    return code;
  },
};

/** Returns the delegation: what the objects' plan needs, and what the options add. */
async function delegationOf(
  parsed: Parsed,
): Promise<{ delegation: Delegation; plan?: Plan | undefined; more: Delegation }> {
  const profile = profileOf("sandbox", parsed.value("profile"));
  const options = wordOptions.flatMap(({ name }) =>
    parsed.list(name).map((words) => `${name.replace("-", "_")}=${words}`)
  );
  const files = parsed.list("for");
  if (files.length === 0 && options.length === 0) {
    throw new UsageError(
      "skep sandbox",
      "nothing is delegated",
      "write --for FILE, or --delegate-cmds and the other --delegate options",
    );
  }
  const words = Delegation.parse(options.join(","));
  if (files.length === 0) return { delegation: words, more: words };
  const plan = await planFiles(files, profile);
  return { delegation: words.union(plan.delegation), plan, more: words };
}

function capabilitiesOf(text: string | undefined): BpfCapability[] | undefined {
  if (text === undefined) return undefined;
  return text.split(",").filter((name) => name !== "").map((name) => {
    const found = BPF_CAPABILITIES.find((known) =>
      known === name.toLowerCase().replace(/^cap_/, "")
    );
    if (found !== undefined) return found;
    throw new UsageError(
      "skep sandbox",
      `unknown capability "${name}" in --capabilities`,
      `write some of ${BPF_CAPABILITIES.join(",")}`,
    );
  });
}

function rangeOf(text: string | undefined): UserRange | undefined {
  if (text === undefined) return undefined;
  const [, low, high] = /^(\d+)-(\d+)$/.exec(text) ?? [];
  const [first, last] = [Number(low), Number(high)];
  if (first > 0 && last >= first && last <= HIGHEST_ID) return { first, count: last - first + 1 };
  throw new UsageError("skep sandbox", `invalid --user-range "${text}"`, "write FIRST-LAST");
}

function networkOf(text: string): "new" | "keep" {
  if (text === "new" || text === "keep") return text;
  throw new UsageError("skep sandbox", `invalid --net "${text}"`, "write new or keep");
}

function userOf(text: string | undefined): Pick<SandboxOptions, "user"> {
  if (text === undefined) return {};
  const [user = "", group = user, ...more] = text.split(":");
  const [uid, gid] = [user, group].map((word) => parseCount("sandbox", "user", word, 0)) as [
    number,
    number,
  ];
  if (more.length > 0 || Math.max(uid, gid) > HIGHEST_ID) {
    throw new UsageError("skep sandbox", `invalid --user "${text}"`, "write UID or UID:GID");
  }
  if (uid === 0 || gid === 0) {
    throw new UsageError(
      "skep sandbox",
      "--user must not be root",
      "choose an unprivileged user: as uid 0 the command could change root's files",
    );
  }
  return { user: { uid, gid } };
}
