/**
 * `skep pin`: what is pinned in a BPF filesystem.
 *
 * @module
 */

import { SkepError } from "../errors/skep_error.ts";
import { check, type Kernel, linuxKernel } from "../kernel/mod.ts";
import { type Command, exitStatus } from "./command.ts";
import { stringify } from "./json.ts";
import { jsonOption, UsageError } from "./options.ts";
import { table } from "./table.ts";
import { BPF_FS_MAGIC, S_IFDIR, S_IFMT } from "../uapi/files.ts";

const defaultMount = "/sys/fs/bpf";
/** A BPF filesystem may hold directories in directories; nobody pins deeper than this. */
const deepest = 16;

/** One pin. */
export interface PinFacts {
  /** Where it is. */
  readonly pinned: string;
  /** What it is, by the link that procfs shows for an open one. */
  readonly type: string;
}

/** All pins below a directory of a BPF filesystem, depth first. */
function* pins(kernel: Kernel, directory: string, depth: number = 0): Generator<PinFacts> {
  const names = depth < deepest ? kernel.readDirectory(directory) ?? [] : [];
  for (const name of [...names].sort()) {
    const path = `${directory}/${name}`;
    const { result, mode } = kernel.stat(path);
    if (result < 0) continue;
    if ((mode & S_IFMT) === S_IFDIR) yield* pins(kernel, path, depth + 1);
    else yield { pinned: path, type: pinType(kernel, path) };
  }
}

function pinType(kernel: Kernel, path: string): string {
  const fd = kernel.objectGet(path);
  if (fd < 0) return "unknown";
  try {
    const target = kernel.readLink(`/proc/self/fd/${fd}`) ?? "";
    return /bpf[-_](prog|map|link)/.exec(target)?.[1] ?? "unknown";
  } finally {
    kernel.close(fd);
  }
}

function checkMount(kernel: Kernel, path: string): void {
  const magic = kernel.filesystemType(path);
  check(magic, { doing: "look at", subject: path, command: "statfs" });
  if (magic !== BPF_FS_MAGIC) {
    throw new SkepError({
      doing: "list pins in",
      subject: path,
      errno: "EINVAL",
      why: "it is not a BPF filesystem",
      fix: `mount one: mount -t bpf bpf ${path}`,
    });
  }
}

/** `skep pin list`. */
export const list: Command = {
  name: "pin list",
  summary: "Lists what is pinned in a BPF filesystem",
  usage: `[DIRECTORY, default ${defaultMount}]`,
  options: [jsonOption],
  run(parsed, io): number {
    const kernel = linuxKernel();
    const directory = parsed.operands[0] ?? defaultMount;
    checkMount(kernel, directory);
    const facts = [...pins(kernel, directory.replace(/\/+$/, ""))];
    io.out(
      parsed.has("json") ? `${stringify(facts)}\n` : table(
        [{ head: "TYPE" }, { head: "PINNED" }],
        facts.map(({ type, pinned }) => [type, pinned]),
        { colour: io.colour },
      ),
    );
    return exitStatus.ok;
  },
};

/** `skep pin remove`. */
export const remove: Command = {
  name: "pin remove",
  summary: "Removes pins; what nothing else holds is gone with them",
  usage: "PATH…",
  options: [],
  run(parsed): number {
    if (parsed.operands.length === 0) {
      throw new UsageError("skep pin remove", "no path is named", "see skep pin list");
    }
    const kernel = linuxKernel();
    for (const path of parsed.operands) {
      // Only pins: this command must not be able to delete a user's file.
      checkMount(kernel, path);
      check(kernel.unlink(path), { doing: "remove", subject: path, command: "unlink" });
    }
    return exitStatus.ok;
  },
};
