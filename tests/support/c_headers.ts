/**
 * Evaluates C headers with a compiler: the source that `uapi/` is generated from and compared with.
 *
 * @module
 */

/** The supported architectures. */
export type Architecture = "x86_64" | "aarch64";

/** A compiler with the headers of one architecture. */
export interface CHeaders {
  readonly architecture: Architecture;
  /** The command with its flags; it reads the source from standard input. */
  readonly command: readonly string[];
}

/** The results of a list of claims. */
export interface Verdicts {
  /** Claims that hold. */
  readonly held: readonly string[];
  /** Claims about names that these headers lack, because they may be older. */
  readonly unknown: readonly string[];
  /** Claims that are false. */
  readonly false: readonly string[];
}

function works(command: string): boolean {
  try {
    return new Deno.Command(command, { args: ["--version"], stdout: "null", stderr: "null" })
      .outputSync().success;
  } catch {
    return false;
  }
}

function isThere(path: string): boolean {
  try {
    return Deno.statSync(path).isDirectory;
  } catch {
    return false;
  }
}

/**
 * Returns a compiler for an architecture, or a text with the reason why there is none.
 *
 * @param root The folder with unpacked linux-libc-dev and, for another architecture, libc6-dev-…-cross.
 */
export function findHeaders(architecture: Architecture, root: string = ""): CHeaders | string {
  const native = architecture === Deno.build.arch;
  const triplet = `${architecture}-linux-gnu`;
  const folders = [
    `${root}/usr/include/${triplet}`,
    `${root}/usr/${triplet}/include`,
    `${root}/usr/include`,
  ];
  const asm = folders.filter((folder) => isThere(`${folder}/asm`));
  if (asm.length === 0) return `needs Linux's headers for ${architecture}`;
  const compiler = ["clang", ...(native ? ["gcc", "cc"] : [])].find(works);
  if (compiler === undefined) return `needs a C compiler for ${architecture}`;
  const include = folders.filter(isThere).flatMap((folder) => ["-isystem", folder]);
  if (native) return { architecture, command: [compiler, ...(root === "" ? [] : include)] };
  const { stdout } = new Deno.Command(compiler, { args: ["-print-resource-dir"] }).outputSync();
  const own = `${new TextDecoder().decode(stdout).trim()}/include`;
  return {
    architecture,
    command: [compiler, `--target=${triplet}`, "-nostdinc", "-isystem", own, ...include],
  };
}

async function compile(
  headers: CHeaders,
  flags: readonly string[],
  source: string,
): Promise<{ readonly output: string; readonly errors: string }> {
  const [command = "cc", ...rest] = headers.command;
  const child = new Deno.Command(command, {
    args: [...rest, ...flags, "-w", "-xc", "-o", "-", "-"],
    env: { LC_ALL: "C" },
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(source));
  await writer.close();
  const { stdout, stderr } = await child.output();
  const text = new TextDecoder();
  return { output: text.decode(stdout), errors: text.decode(stderr) };
}

const errorLimit = (headers: CHeaders): string =>
  headers.command[0] === "clang" ? "-ferror-limit=0" : "-fmax-errors=0";

/** Headers that others depend on without including them. */
const before: { readonly [header: string]: string } = {
  "asm/siginfo.h": "linux/types.h",
  "linux/if.h": "sys/socket.h",
  "linux/mount.h": "linux/fcntl.h",
};

function include(header: string): string {
  const first = before[header];
  return `#define _GNU_SOURCE\n#include <stddef.h>\n${
    first === undefined ? "" : `#include <${first}>\n`
  }#include <${header}>\n`;
}

/** Checks claims: C constant expressions that must be true. */
export async function checkClaims(
  headers: CHeaders,
  header: string,
  claims: readonly string[],
): Promise<Verdicts> {
  const asserts = claims.map((claim) => `_Static_assert(${claim}, "no");`).join("\n");
  const { errors } = await compile(
    headers,
    ["-fsyntax-only", errorLimit(headers)],
    `${include(header)}#line 1 "claims"\n${asserts}\n`,
  );
  const wrong = new Map<number, string>();
  for (const [, line = "", message = ""] of errors.matchAll(/^claims:(\d+):.*? error: (.*)$/gm)) {
    const at = Number(line) - 1;
    wrong.set(at, `${wrong.get(at) ?? ""}${message}\n`);
  }
  if (wrong.size === 0 && / error: /.test(errors)) {
    return { held: [], unknown: claims, false: [] };
  }
  const isUnknown = (at: number): boolean =>
    /undeclared|has no member|no member named|incomplete|invalid application/.test(
      wrong.get(at) ?? "",
    );
  return {
    held: claims.filter((_, at) => !wrong.has(at)),
    unknown: claims.filter((_, at) => isUnknown(at)),
    false: claims.filter((_, at) => wrong.has(at) && !isUnknown(at)),
  };
}

/**
 * Returns the values of integer constant expressions; those with names that the header does not define are
 * omitted.
 */
export async function readConstants(
  headers: CHeaders,
  header: string,
  expressions: readonly string[],
): Promise<ReadonlyMap<string, number>> {
  const claim = (expression: string): string => `(${expression}) == (${expression})`;
  const { held } = await checkClaims(headers, header, expressions.map(claim));
  const known = expressions.filter((expression) => held.includes(claim(expression)));
  // As in the kernel's asm-offsets.c, the assembler's text carries the numbers.
  const lines = known.map((expression, at) =>
    `  __asm__ volatile("\\n.ascii \\"->${at} %c0\\"" :: "i"((long long)(${expression})));`
  );
  const { output, errors } = await compile(
    headers,
    ["-S"],
    `${include(header)}void names(void) {\n${lines.join("\n")}\n}\n`,
  );
  const found = new Map<string, number>();
  for (const [, at = "", number = ""] of output.matchAll(/"->(\d+) [#$]?(-?\d+)"/g)) {
    const value = Number(number);
    const expression = known[Number(at)] ?? "";
    if (!Number.isSafeInteger(value)) throw new TypeError(`${expression} is ${number}: too large`);
    found.set(expression, value);
  }
  if (found.size !== known.length) throw new TypeError(`Cannot read <${header}>: ${errors}`);
  return found;
}

/** Returns the names with a prefix that a header defines or enumerates, in its order. */
export async function namesIn(
  headers: CHeaders,
  header: string,
  prefix: string,
): Promise<readonly string[]> {
  // The preprocessor removes comments; -dD keeps the macros.
  const { output } = await compile(headers, ["-E", "-dD"], include(header));
  const names = new Set<string>();
  const pattern = new RegExp(`^#define (${prefix}\\w+) |^\\s*(${prefix}\\w+)\\s*[=,]`, "gm");
  for (const [, macro, enumerator] of output.matchAll(pattern)) {
    const name = macro ?? enumerator;
    if (name !== undefined && !name.endsWith("_MAX")) names.add(name);
  }
  return [...names];
}
