/**
 * Writes the constants of `uapi/` from C headers: a part of `deno task generate --headers FOLDER`.
 *
 * FOLDER contains Debian's newest linux-libc-dev, libc6-dev, libc6-dev-arm64-cross and
 * linux-headers-…-common, unpacked with `dpkg -x`.
 *
 * @module
 */

import { type Architecture, findHeaders, namesIn, readConstants } from "./c_headers.ts";
import { families, type Family, kernelErrnos, systemCallNames } from "./uapi_families.ts";

/** The constants of one C header: name to number, or to one number per architecture. */
export interface HeaderConstants {
  readonly header: string;
  readonly constants: ReadonlyMap<string, number | { readonly [arch in Architecture]: number }>;
}

/** Reads the constants of a family, by header. */
export async function readFamily(family: Family, root: string): Promise<HeaderConstants[]> {
  const [x86, arm] = [findHeaders("x86_64", root), findHeaders("aarch64", root)];
  if (typeof x86 === "string") throw new TypeError(`Cannot generate: ${x86}`);
  if (typeof arm === "string") throw new TypeError(`Cannot generate: ${arm}`);
  const found: HeaderConstants[] = [];
  for (const { header, names, expressions = {} } of family.headers) {
    const wanted = new Map<string, string>();
    for (const name of names.trim().split(/\s+/)) {
      const all = name.endsWith("*") ? await namesIn(x86, header, name.slice(0, -1)) : [name];
      for (const one of all) wanted.set(one, one);
    }
    for (const [name, expression] of Object.entries(expressions)) wanted.set(name, expression);
    const [one, other] = [
      await readConstants(x86, header, [...wanted.values()]),
      await readConstants(arm, header, [...wanted.values()]),
    ];
    const constants: [string, number | { readonly [arch in Architecture]: number }][] = [];
    for (const [name, expression] of wanted) {
      const [x86_64, aarch64] = [one.get(expression), other.get(expression)];
      if (x86_64 === undefined || aarch64 === undefined) {
        throw new TypeError(`Cannot generate: <${header}> has no ${expression}`);
      }
      constants.push([name, x86_64 === aarch64 ? x86_64 : { x86_64, aarch64 }]);
    }
    found.push({ header, constants: new Map(constants) });
  }
  return found;
}

/** Prints a number in the base in which its kind is usually written. */
function written(name: string, value: number): string {
  if (value < 8) return String(value);
  if (/^[OS]_/.test(name)) return `0o${value.toString(8)}`;
  const isFlag = /_F_|CLOEXEC|NONBLOCK|^EPOLL|^(MAP|MS|AT|CLONE|MSG|MOUNT|FS|XDP_FLAGS)_/.test(
    name,
  );
  const isRequest = /^SIOC|^NS_GET|^PIDFD_GET|_IOC_|^TC_H/.test(name);
  if (/SIZE/.test(name)) return String(value);
  return isFlag || isRequest || value > 0xffff ? `0x${value.toString(16)}` : String(value);
}

const note = "Written by `deno task generate --headers FOLDER`. Do not edit.";

/** Returns the text of a family's file, before `deno fmt`. */
export function familyText(family: Family, headers: readonly HeaderConstants[]): string {
  const lines = headers.flatMap(({ header, constants }) =>
    [...constants].flatMap(([name, value]) =>
      typeof value === "number"
        ? [
          `/** \`${header}\`. */`,
          `export const ${name}${value < 0 ? ": number" : ""} = ${written(name, value)};`,
        ]
        : []
    )
  );
  return `/**
 * ${family.title}
 *
 * Names and numbers come from the headers of Linux and libc, and are the same on x86-64 and aarch64.
 *
 * ${note}
 *
 * @module
 */

${lines.join("\n")}
`;
}

/** Returns the text of `uapi/architecture.ts`, before `deno fmt`. */
export function architectureText(headers: readonly HeaderConstants[]): string {
  const tables = (["x86_64", "aarch64"] as const).map((arch) => {
    const lines = headers.flatMap(({ header, constants }) =>
      [...constants].flatMap(([name, value]) =>
        typeof value === "number"
          ? []
          : [`/** \`${header}\`. */`, `${name}: ${written(name, value[arch])},`]
      )
    );
    return `  ${arch}: {\n${lines.join("\n")}\n  },`;
  });
  return `/**
 * Constants whose values depend on the architecture.
 *
 * ${note}
 *
 * @module
 */

/** A supported architecture, named as the kernel does in \`uname -m\`. */
export type Architecture = "x86_64" | "aarch64";

/** The numbers by architecture. */
export const architectures = {
${tables.join("\n")}
} as const;

/** Returns the numbers of a machine by its \`uname -m\`; those of x86-64 for an unknown one. */
export function numbersOf(machine: string): typeof architectures[Architecture] {
  return architectures[machine === "aarch64" ? "aarch64" : "x86_64"];
}
`;
}

/** Returns the text of `uapi/system_calls.ts`, before `deno fmt`. */
async function systemCallsText(root: string): Promise<string> {
  const tables: string[] = [];
  for (const arch of ["x86_64", "aarch64"] as const) {
    const headers = findHeaders(arch, root);
    if (typeof headers === "string") throw new TypeError(`Cannot generate: ${headers}`);
    const expressions = systemCallNames.map((name) => `__NR_${name}`);
    const numbers = await readConstants(headers, "asm/unistd.h", expressions);
    const lines = systemCallNames.map((name) => {
      const number = numbers.get(`__NR_${name}`);
      if (number === undefined) throw new TypeError(`Cannot generate: ${arch} has no ${name}`);
      return `${name}: ${number},`;
    });
    tables.push(`  ${arch}: {\n${lines.join("\n")}\n  },`);
  }
  return `/**
 * Numbers of system calls.
 *
 * ${note}
 *
 * @module
 */

import type { Architecture } from "./architecture.ts";

/** The numbers by architecture (\`__NR_…\` of \`asm/unistd.h\`). */
export const systemCallTables = {
${tables.join("\n")}
} as const;

/** Numbers of system calls by name: those of one architecture. */
export type SystemCalls = typeof systemCallTables[Architecture];

/** Returns the numbers of a machine by its \`uname -m\`; those of x86-64 for an unknown one. */
export function systemCallsOf(machine: string): SystemCalls {
  return systemCallTables[machine === "aarch64" ? "aarch64" : "x86_64"];
}
`;
}

/** Returns the text of `uapi/errno_numbers.ts`, before `deno fmt`. */
async function errnoText(root: string): Promise<string> {
  const headers = findHeaders("x86_64", root);
  if (typeof headers === "string") throw new TypeError(`Cannot generate: ${headers}`);
  const names = await namesIn(headers, "linux/errno.h", "E");
  const numbers = [...await readConstants(headers, "linux/errno.h", names)];
  // Numbers that are not meant for user space, but that bpf(2) and fsconfig(2) return nevertheless.
  const folders = [...Deno.readDirSync(`${root}/usr/src`)].map(({ name }) => name);
  const folder = folders.find((name) => /^linux-headers-.*-common$/.test(name));
  const text = await Deno.readTextFile(`${root}/usr/src/${folder}/include/linux/errno.h`);
  for (const name of kernelErrnos) {
    const number = new RegExp(`^#define ${name}\\s+(\\d+)`, "m").exec(text)?.[1];
    if (number === undefined) throw new TypeError(`Cannot generate: the kernel has no ${name}`);
    numbers.push([name, Number(number)]);
  }
  const seen = new Set<number>();
  // Of two names of a number (EAGAIN and EWOULDBLOCK), the first is the usual one.
  const unique = numbers.sort(([, a], [, b]) => a - b).filter(([, number]) => {
    if (seen.has(number)) return false;
    seen.add(number);
    return true;
  });
  return `/**
 * Errno numbers, the same on x86-64 and aarch64: those of \`linux/errno.h\`, and some of the kernel's internal ones
 * that system calls return.
 *
 * ${note}
 *
 * @module
 */

/** Errno: name to number. */
export const Errno = {
${unique.map(([name, number]) => `${name}: ${number},`).join("\n")}
} as const;
`;
}

/** Returns all generated files of constants by path from the repository's root, before `deno fmt`. */
export async function constantFiles(root: string): Promise<{ readonly [path: string]: string }> {
  const files: { [path: string]: string } = {};
  const all: HeaderConstants[] = [];
  for (const family of families) {
    const headers = await readFamily(family, root);
    all.push(...headers);
    files[`uapi/${family.file}.ts`] = familyText(family, headers);
  }
  files["uapi/architecture.ts"] = architectureText(all);
  files["uapi/errno_numbers.ts"] = await errnoText(root);
  files["uapi/system_calls.ts"] = await systemCallsText(root);
  return files;
}
