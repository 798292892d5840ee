/**
 * Finds executables and libraries, and the file offsets of their functions.
 *
 * @module
 */

import { ElfError } from "../../../elf/elf_error.ts";
import { ElfFile, type ElfSymbol } from "../../../elf/elf.ts";
import type { Kernel } from "../../../kernel/kernel.ts";
import { nearestNames } from "../../../object/spec/named.ts";
import { attachError, checkAttach, noSuchTarget } from "./error.ts";
import { globMatcher } from "./glob.ts";
import { symbolVersions } from "./symbol_versions.ts";
import { systemCallsOf } from "../../../uapi/system_calls.ts";
import { SEEK_END } from "../../../uapi/files.ts";

/** A function of a file and its offset. */
export interface FilePlace {
  /** Name of the symbol. */
  readonly name: string;
  /** Offset from the start of the file in bytes, as uprobes take it. */
  readonly offset: bigint;
}

/**
 * Returns the path of an executable or library. A name without `/` is searched for in LD_LIBRARY_PATH and the
 * system's library directories if it is a library (`*.so*`), else in PATH, /usr/bin and /usr/sbin.
 *
 * @throws {AttachError} ENOENT with the directories searched.
 */
export function findExecutable(kernel: Kernel, program: string, name: string): string {
  if (name.includes("/")) return name;
  const environment = environmentOf(kernel);
  const library = /\.so(\.|$)/.test(name);
  const triple = `${kernel.machine.machine}-linux-gnu`;
  const folders = library
    ? [
      ...(environment.get("LD_LIBRARY_PATH") ?? "").split(":"),
      "/usr/lib64",
      "/usr/lib",
      `/usr/lib/${triple}`,
      `/lib/${triple}`,
    ]
    : [...(environment.get("PATH") ?? "").split(":"), "/usr/bin", "/usr/sbin"];
  for (const folder of folders) {
    if (folder !== "" && kernel.stat(`${folder}/${name}`).result === 0) return `${folder}/${name}`;
  }
  throw attachError(program, `there is no ${library ? "library" : "program"} "${name}"`, {
    errno: "ENOENT",
    fix: "give its full path",
    data: { folders },
  });
}

/**
 * Returns the given path, after searching for a bare name.
 *
 * @throws {AttachError} EINVAL when no path is given, ENOENT when a bare name is not found.
 */
export function requirePath(
  kernel: Kernel,
  program: { readonly name: string },
  path: string | undefined,
): string {
  if (path !== undefined) return findExecutable(kernel, program.name, path);
  throw attachError(program.name, "no executable or library was given", {
    errno: "EINVAL",
    fix:
      'attach({ path: "libc.so.6", function: "malloc" }), or name it in the section: uprobe/PATH:FUNCTION',
  });
}

/** Reads the environment from /proc, which needs no `--allow-env`. */
function environmentOf(kernel: Kernel): Map<string, string> {
  const { bytes } = kernel.readFile("/proc/self/environ");
  return new Map(
    new TextDecoder().decode(bytes).split("\0").map((line) => {
      const at = line.indexOf("=");
      return [line.slice(0, at), line.slice(at + 1)];
    }),
  );
}

/** Maps and parses a file, and calls back with it. The mapping ends when the callback returns. */
export function withExecutable<T>(
  kernel: Kernel,
  program: string,
  path: string,
  use: (file: ElfFile) => T,
): T {
  const fd = checkAttach(kernel.open(path), program, "open", {
    data: { path },
    why: `"${path}" cannot be opened`,
  });
  try {
    const size = fileSize(kernel, fd);
    const mapping = kernel.map(fd, size, { private: true });
    if (typeof mapping === "number") {
      checkAttach(mapping, program, "mmap", { data: { path } });
      throw attachError(program, `"${path}" cannot be read`, { errno: "EIO" });
    }
    using mapped = mapping;
    return use(ElfFile.parse(mapped.u8, { name: path, anyMachine: true }));
  } catch (error) {
    if (!(error instanceof ElfError)) throw error;
    throw attachError(program, error.message, { errno: "ENOEXEC", data: { path } });
  } finally {
    kernel.close(fd);
  }
}

/** Returns the size of a file in bytes, by lseek(SEEK_END). */
function fileSize(kernel: Kernel, fd: number): number {
  return kernel.call(systemCallsOf(kernel.machine.machine).lseek, fd, 0, SEEK_END);
}

/**
 * Finds one function by name and version.
 *
 * @throws {AttachError} ENOENT with the nearest names, ENOTUNIQ when several definitions are equally suitable.
 */
export function functionPlace(
  program: string,
  file: ElfFile,
  name: string,
  version?: string,
): FilePlace {
  const all = [...candidates(file, file.dynamicSymbols), ...candidates(file, file.symbols)];
  let found = all.filter((symbol) => symbol.name === name);
  if (version !== undefined) {
    const versions = symbolVersions(file);
    const versioned = candidates(file, file.dynamicSymbols).filter((symbol) =>
      symbol.name === name && versions.get(symbol.index)?.name === version
    );
    if (found.length > 0 && versioned.length === 0) {
      const known = candidates(file, file.dynamicSymbols)
        .filter((symbol) => symbol.name === name)
        .map((symbol) => versions.get(symbol.index)?.name)
        .filter((text) => text !== undefined);
      throw noSuchTarget(program, `version of ${name} in ${file.name}`, version, known);
    }
    found = versioned;
  }
  if (found.length === 0) {
    const names = all.map((symbol) => symbol.name);
    throw noSuchTarget(
      program,
      `function in ${file.name}`,
      name,
      nearestNames(name, names),
      "the file may be stripped: give an offset instead",
    );
  }
  const offsets = new Map(found.map((symbol) => [fileOffset(program, file, symbol), symbol]));
  if (offsets.size > 1) {
    // A strong definition takes precedence over a weak one, then a default version over a hidden one.
    const strong = [...offsets].filter(([, symbol]) => symbol.binding !== "weak");
    const versions = symbolVersions(file);
    const defaults = strong.filter(([, symbol]) =>
      file.dynamicSymbols[symbol.index] === symbol && versions.get(symbol.index)?.hidden === false
    );
    const chosen = strong.length === 1 ? strong : defaults;
    if (chosen.length !== 1) {
      throw attachError(program, `${file.name} has ${offsets.size} functions named "${name}"`, {
        errno: "ENOTUNIQ",
        fix: "name its version (function@VERSION), or give an offset",
        data: { offsets: [...offsets.keys()] },
      });
    }
    return { name, offset: BigInt((chosen[0] as [number, ElfSymbol])[0]) };
  }
  return { name, offset: BigInt([...offsets.keys()][0] as number) };
}

/**
 * Finds all functions that match a pattern, each offset once.
 *
 * @throws {AttachError} ENOENT when none matches.
 */
export function matchingFunctions(program: string, file: ElfFile, pattern: string): FilePlace[] {
  const matches = globMatcher(pattern);
  const places = new Map<number, string>();
  const symbols = file.hasSymbolTable ? file.symbols : file.dynamicSymbols;
  for (const symbol of candidates(file, symbols)) {
    if (matches(symbol.name)) places.set(fileOffset(program, file, symbol), symbol.name);
  }
  if (places.size === 0) {
    throw attachError(program, `no function of ${file.name} matches "${pattern}"`, {
      errno: "ENOENT",
      data: { pattern, path: file.name },
    });
  }
  return [...places].map(([offset, name]) => ({ name, offset: BigInt(offset) }));
}

/** Returns the symbols that are functions defined in the file. */
function candidates(file: ElfFile, symbols: readonly ElfSymbol[]): ElfSymbol[] {
  return symbols.filter((symbol) =>
    symbol.type === "func" && symbol.value !== 0 && symbol.sectionIndex !== 0 &&
    symbol.sectionIndex < file.sections.length
  );
}

/** Converts st_value to a file offset: st_value − sh_addr + sh_offset. */
function fileOffset(program: string, file: ElfFile, symbol: ElfSymbol): number {
  const section = file.sections[symbol.sectionIndex];
  if (section === undefined) {
    throw attachError(program, `symbol "${symbol.name}" of ${file.name} is in no section`, {
      errno: "ENOEXEC",
    });
  }
  return symbol.value - section.address + section.offset;
}
