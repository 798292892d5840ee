/**
 * `skep pin`: pins in a BPF file system.
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
/** Depth limit for directories in a BPF file system. */
const deepest = 16;

/** One pin. */
export interface PinFacts {
  /** Path of the pin. */
  readonly pinned: string;
  /** Kind of the object, from the descriptor's link in procfs. */
  readonly type: string;
}

/** Yields all pins below a directory of a BPF file system, depth first. */
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
  check(magic, { doing: "examine", subject: path, command: "statfs" });
  if (magic !== BPF_FS_MAGIC) {
    throw new SkepError({
      doing: "list pins in",
      subject: path,
      errno: "EINVAL",
      why: "the directory is not on a BPF filesystem",
      fix: `mount one: mount -t bpf bpf ${path}`,
    });
  }
}

/** The `skep pin list` command. */
export const list: Command = {
  name: "pin list",
  summary: "Lists the pins in a BPF filesystem",
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

/** The `skep pin remove` command. */
export const remove: Command = {
  name: "pin remove",
  summary: "Removes pins; an object without other references is freed",
  usage: "PATH…",
  options: [],
  run(parsed): number {
    if (parsed.operands.length === 0) {
      throw new UsageError("skep pin remove", "no path is given", "see skep pin list");
    }
    const kernel = linuxKernel();
    for (const path of parsed.operands) {
      // Only pins: this command must never delete another file.
      checkMount(kernel, path);
      check(kernel.unlink(path), { doing: "remove", subject: path, command: "unlink" });
    }
    return exitStatus.ok;
  },
};
