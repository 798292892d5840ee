/**
 * The `skep` command.
 *
 *     skep run FILE            load, attach, and print events
 *     skep inspect FILE        show a compiled object
 *     skep plan FILE           compute the delegation that it needs
 *     skep verify FILE…        load and unload, and report the verdicts
 *
 * Each command is a module that is loaded on use.
 *
 * @example Run a command and read what it prints
 * ```ts ignore
 * import { main } from "@skep/skep/cli";
 *
 * Deno.exit(await main(["inspect", "execsnoop.bpf.o"]));
 * ```
 *
 * @module
 */

import { bold, red } from "@std/fmt/colors";
import { terminalText } from "../errors/escape.ts";
import { KernelError } from "../errors/kernel_error.ts";
import { SkepError } from "../errors/skep_error.ts";
import { type Command, commandHelp, exitStatus } from "./command.ts";
import { guardedIo, type Io, OutputClosed, processIo } from "./io.ts";
import { parseOptions, UsageError } from "./options.ts";
import { stringify } from "./json.ts";

/** An entry of the command line: a command, or a noun with verbs. */
interface Entry {
  readonly summary: string;
  readonly load?: (() => Promise<Command>) | undefined;
  readonly verbs?: { readonly [verb: string]: Entry } | undefined;
}

const list = "List them all";
const show = "Show one by id, name or pin";

const entries: { readonly [word: string]: Entry } = {
  run: {
    summary: "Load an object, attach its programs, print its events",
    load: async () => (await import("./run.ts")).run,
  },
  inspect: {
    summary: "Show a compiled object",
    load: async () => (await import("./inspect.ts")).inspect,
  },
  plan: {
    summary: "Compute the delegation that objects need",
    load: async () => (await import("./plan.ts")).plan,
  },
  verify: {
    summary: "Load and unload objects, and report the verdicts",
    load: async () => (await import("./verify.ts")).verify,
  },
  doctor: {
    summary: "Examine what this process may do with BPF",
    load: async () => (await import("./doctor.ts")).doctor,
  },
  types: {
    summary: "Print TypeScript types of an object's maps and variables",
    load: async () => (await import("./types.ts")).types,
  },
  sandbox: {
    summary: "Run a command as an unprivileged user with a delegation",
    load: async () => (await import("./sandbox.ts")).sandbox,
  },
  broker: {
    summary: "Issue tokens over a socket by a policy",
    load: async () => (await import("./broker.ts")).broker,
  },
  prog: {
    summary: "Programs in the kernel",
    verbs: {
      list: { summary: list, load: async () => (await import("./prog.ts")).list },
      show: { summary: show, load: async () => (await import("./prog.ts")).show },
      dump: {
        summary: "Print the instructions",
        load: async () => (await import("./prog.ts")).dump,
      },
    },
  },
  map: {
    summary: "Maps in the kernel",
    verbs: {
      list: { summary: list, load: async () => (await import("./map.ts")).list },
      show: { summary: show, load: async () => (await import("./map.ts")).show },
      dump: { summary: "Print the elements", load: async () => (await import("./map.ts")).dump },
    },
  },
  link: {
    summary: "Links in the kernel",
    verbs: {
      list: { summary: list, load: async () => (await import("./link.ts")).list },
      show: { summary: show, load: async () => (await import("./link.ts")).show },
    },
  },
  btf: {
    summary: "BTF in the kernel and in files",
    verbs: {
      list: { summary: list, load: async () => (await import("./btf.ts")).list },
      show: { summary: show, load: async () => (await import("./btf.ts")).show },
      dump: {
        summary: "Print types as C, TypeScript or raw",
        load: async () => (await import("./btf.ts")).dump,
      },
    },
  },
  pin: {
    summary: "Objects pinned in a BPF filesystem",
    verbs: {
      list: { summary: list, load: async () => (await import("./pin.ts")).list },
      remove: { summary: "Remove pins", load: async () => (await import("./pin.ts")).remove },
    },
  },
};

export type { Io } from "./io.ts";

/** Runs one command line with `io`, or else that of this process; returns the exit status. */
export async function main(args: readonly string[], io?: Io): Promise<number> {
  if (io !== undefined) return await dispatch(args, guardedIo(io));
  using own = processIo();
  return await dispatch(args, guardedIo(own));
}

async function dispatch(args: readonly string[], io: Io): Promise<number> {
  try {
    return await route("", entries, args, io);
  } catch (error) {
    if (error instanceof OutputClosed) return exitStatus.ok;
    return report(await explained(error), io);
  }
}

/** Explains errors that a seccomp filter caused, for commands that read the kernel. */
async function explained(error: unknown): Promise<unknown> {
  if (!(error instanceof KernelError) || error.name !== "KernelError") return error;
  const { explainSeccomp } = await import("../token/explain/seccomp.ts");
  const { linuxKernel } = await import("../kernel/linux/linux.ts");
  return explainSeccomp(linuxKernel(), error) ?? error;
}

async function route(
  before: string,
  table: { readonly [word: string]: Entry },
  args: readonly string[],
  io: Io,
): Promise<number> {
  const [word, ...rest] = args;
  if (word === undefined || word === "--help" || word === "-h" || word === "help") {
    const asked = word === "help" && before === "" ? rest.filter((word) => word !== "--help") : [];
    if (asked.length > 0) return await route(before, table, [...asked, "--help"], io);
    const text = overview(before, table, io.colour);
    // No command is wrong usage, so that scripts notice a lost argument.
    if (word === undefined) io.error(text);
    else io.out(text);
    return word === undefined ? exitStatus.usage : exitStatus.ok;
  }
  if (before === "" && (word === "--version" || word === "-V" || word === "version")) {
    io.out(`skep ${await version()}\n`);
    return exitStatus.ok;
  }
  const entry = Object.hasOwn(table, word) ? table[word] : undefined;
  const name = before === "" ? word : `${before} ${word}`;
  if (entry?.verbs !== undefined) return await route(name, entry.verbs, rest, io);
  if (entry?.load === undefined) {
    throw new UsageError(
      before === "" ? "skep" : `skep ${before}`,
      `unknown command "${word}"`,
      `use one of ${Object.keys(table).join(", ")}`,
    );
  }
  const command = await entry.load();
  const parsed = parseOptions(command.name, command.options, rest);
  if (parsed.has("help")) {
    io.out(commandHelp(command, io.colour));
    return exitStatus.ok;
  }
  return await command.run(parsed, io);
}

function overview(
  before: string,
  table: { readonly [word: string]: Entry },
  colour: boolean,
): string {
  const head = colour ? bold : String;
  const width = Math.max(...Object.keys(table).map((word) => word.length));
  const prefix = before === "" ? "skep" : `skep ${before}`;
  const lines = Object.entries(table).map(([word, entry]) => {
    const verbs = entry.verbs === undefined ? "" : `: ${Object.keys(entry.verbs).join(", ")}`;
    return `  ${word.padEnd(width)}  ${entry.summary}${verbs}`;
  });
  const first = before === ""
    ? "skep loads compiled eBPF objects, with or without privileges.\n\n"
    : "";
  return `${first}${head("Usage:")} ${prefix} COMMAND [options]\n\n${head("Commands:")}\n${
    lines.join("\n")
  }\n\nskep help COMMAND tells more.\n`;
}

/** Prints an error as one line; with SKEP_DEBUG, all of it. */
function report(error: unknown, io: Io): number {
  const label = io.errorColour ? red("error:") : "error:";
  const debug = (io.environment("SKEP_DEBUG") ?? "") !== "";
  if (error instanceof SkepError) {
    io.error(`${label} ${error.message}\n`);
    if (debug) io.error(`${stringify(error, 2)}\n${error.stack ?? ""}\n`);
    return error instanceof UsageError ? exitStatus.usage : exitStatus.failed;
  }
  const text = error instanceof Error ? error.message : String(error);
  io.error(`${label} ${terminalText(text.replace(/\s+/g, " "))}\n`);
  if (debug && error instanceof Error) io.error(`${error.stack ?? ""}\n`);
  return exitStatus.failed;
}

async function version(): Promise<string> {
  const { default: configuration } = await import("../deno.json", { with: { type: "json" } });
  return configuration.version;
}

if (import.meta.main) Deno.exit(await main(Deno.args));
