/**
 * Lists existing names near one that does not exist, for error messages, and the kernel's probeable functions.
 *
 * @module
 */

import { noSuchTarget } from "./error.ts";
import type { Kernel } from "../../../kernel/kernel.ts";
import { nearestNames } from "../../../object/spec/named.ts";

const TRACING = ["/sys/kernel/tracing", "/sys/kernel/debug/tracing"] as const;

/** Returns a usable tracefs mount: the conventional paths first, then any in this thread's mounts. */
export function tracefs(kernel: Kernel): string | undefined {
  const usable = (path: string): boolean => kernel.readDirectory(`${path}/events`) !== undefined;
  return TRACING.find(usable) ?? lines(kernel.readFile("/proc/thread-self/mounts").bytes)
    .map((line) => line.split(" "))
    .filter(([, , type]) => type === "tracefs")
    .map(([, path = ""]) => path)
    .find(usable);
}

/** Lists tracepoints as `category/name`; empty when tracefs cannot be read. */
function tracepoints(kernel: Kernel): string[] {
  const root = tracefs(kernel);
  if (root === undefined) return [];
  const { result, bytes } = kernel.readFile(`${root}/available_events`);
  if (result < 0) return [];
  return new TextDecoder().decode(bytes).split("\n").filter((line) => line !== "").map((line) =>
    line.replace(":", "/")
  );
}

/** Returns the raw tracepoints with the nearest names. */
export function nearestTracepoints(kernel: Kernel, name: string): string[] {
  const names = tracepoints(kernel)
    .filter((line) => !line.startsWith("syscalls/"))
    .map((line) => line.slice(line.indexOf("/") + 1));
  return nearestNames(name, names);
}

/** Returns the nearest tracepoints as `category/name`: those of the same name in other categories, else similar names. */
export function nearestEvents(kernel: Kernel, category: string, name: string): string[] {
  const all = tracepoints(kernel);
  const same = all.filter((line) => line.endsWith(`/${name}`));
  return same.length > 0 ? same.slice(0, 3) : nearestNames(`${category}/${name}`, all);
}

/** Lists the kernel functions that can be probed; without tracefs, all functions of /proc/kallsyms. */
export function kernelFunctions(kernel: Kernel): string[] {
  const root = tracefs(kernel);
  const listed = root === undefined
    ? undefined
    : kernel.readFile(`${root}/available_filter_functions`);
  if (listed !== undefined && listed.result >= 0) {
    return lines(listed.bytes).map((line) => line.split(" ", 1)[0] as string);
  }
  const symbols = kernel.readFile("/proc/kallsyms");
  if (symbols.result < 0) return [];
  const functions: string[] = [];
  for (const line of lines(symbols.bytes)) {
    const [, type, name] = line.split(/\s+/, 3);
    if ((type === "t" || type === "T") && name !== undefined) functions.push(name);
  }
  return functions;
}

/**
 * Returns the functions nearest to one that does not exist: the clones that the compiler made of it
 * (`name.isra.0`, `name.constprop.0`, `name.cold`), else similar names.
 */
export function nearestFunctions(kernel: Kernel, name: string): string[] {
  const all = kernelFunctions(kernel);
  const clones = all.filter((candidate) => candidate.startsWith(`${name}.`));
  return clones.length > 0 ? clones.slice(0, 3) : nearestNames(name, all);
}

/** Creates the error for a kernel function that does not exist. */
export function noSuchFunction(
  kernel: Kernel,
  program: { readonly name: string },
  name: string,
): Error {
  return noSuchTarget(
    program.name,
    "kernel function",
    name,
    nearestFunctions(kernel, name),
    "the compiler may have inlined it: probe its caller",
  );
}

/** Returns the lines of a text without empty ones. */
export function lines(bytes: Uint8Array): string[] {
  return new TextDecoder().decode(bytes).split("\n").filter((line) => line !== "");
}
