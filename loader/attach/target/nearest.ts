/**
 * The names that exist, for messages about one that does not. Read only when something was not found.
 *
 * @module
 */

import { noSuchTarget } from "./error.ts";
import type { Kernel } from "../../../kernel/kernel.ts";
import { nearestNames } from "../../../object/spec/named.ts";

const TRACING = ["/sys/kernel/tracing", "/sys/kernel/debug/tracing"] as const;

/** Where tracefs is mounted, as far as this process can see it: the usual places, then any other. */
export function tracefs(kernel: Kernel): string | undefined {
  const usable = (path: string): boolean => kernel.readDirectory(`${path}/events`) !== undefined;
  return TRACING.find(usable) ?? lines(kernel.readFile("/proc/thread-self/mounts").bytes)
    .map((line) => line.split(" "))
    .filter(([, , type]) => type === "tracefs")
    .map(([, path = ""]) => path)
    .find(usable);
}

/** Tracepoints as `category/name`; empty where tracefs cannot be read. */
function tracepoints(kernel: Kernel): string[] {
  const root = tracefs(kernel);
  if (root === undefined) return [];
  const { result, bytes } = kernel.readFile(`${root}/available_events`);
  if (result < 0) return [];
  return new TextDecoder().decode(bytes).split("\n").filter((line) => line !== "").map((line) =>
    line.replace(":", "/")
  );
}

/** Raw tracepoints with names near to one that does not exist. */
export function nearestTracepoints(kernel: Kernel, name: string): string[] {
  const names = tracepoints(kernel)
    .filter((line) => !line.startsWith("syscalls/"))
    .map((line) => line.slice(line.indexOf("/") + 1));
  return nearestNames(name, names);
}

/** Tracepoints as `category/name` near to one that does not exist: first those of the same name elsewhere. */
export function nearestEvents(kernel: Kernel, category: string, name: string): string[] {
  const all = tracepoints(kernel);
  const same = all.filter((line) => line.endsWith(`/${name}`));
  return same.length > 0 ? same.slice(0, 3) : nearestNames(`${category}/${name}`, all);
}

/** Kernel functions that can be probed. */
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
 * Functions near to one that does not exist: first its own clones (`name.isra.0`, `name.constprop.0`,
 * `name.cold`), which the compiler made of it, then similar names.
 */
export function nearestFunctions(kernel: Kernel, name: string): string[] {
  const all = kernelFunctions(kernel);
  const clones = all.filter((candidate) => candidate.startsWith(`${name}.`));
  return clones.length > 0 ? clones.slice(0, 3) : nearestNames(name, all);
}

/** The error for a function that the kernel does not have. */
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

/** The lines of a text, without the empty ones. */
export function lines(bytes: Uint8Array): string[] {
  return new TextDecoder().decode(bytes).split("\n").filter((line) => line !== "");
}
