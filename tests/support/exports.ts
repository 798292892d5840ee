/**
 * Finds unused exports by reading the sources.
 *
 * @module
 */

/** How files use the names that other files export. */
interface Uses {
  /** `path#name`: the files that import it. */
  readonly imported: Map<string, Set<string>>;
  /** `path#name`: the `mod.ts` files that re-export it by name. */
  readonly named: Map<string, Set<string>>;
  /** `mod.ts` files and the files that they re-export completely. */
  readonly whole: readonly (readonly [from: string, to: string])[];
}

/** Returns the source without comments. */
function withoutComments(source: string): string {
  return source.replace(/\/\*[\s\S]*?\*\/|^\s*\/\/[^\n]*/gm, " ");
}

/** Resolves a specifier in a file to a path relative to the root. */
function target(from: string, specifier: string): string {
  const own = /^@skep\/skep\/?(.*)$/.exec(specifier);
  if (own !== null) return own[1] === "" ? "mod.ts" : `${own[1]}/mod.ts`;
  return specifier.startsWith(".")
    ? new URL(specifier, `file:///${from}`).pathname.slice(1)
    : specifier;
}

/** Returns the names in the braces of an import or export statement. */
function names(list: string): string[] {
  return list.split(",").map((each) =>
    each.trim().replace(/^type\s+/, "").replace(/\s+as\s[\s\S]*$/, "")
  ).filter((name) => name !== "");
}

function usesOf(files: ReadonlyMap<string, string>): Uses {
  const imported = new Map<string, Set<string>>();
  const named = new Map<string, Set<string>>();
  const whole: [string, string][] = [];
  const note = (where: Map<string, Set<string>>, path: string, name: string, by: string): void => {
    const key = `${path}#${name}`;
    where.set(key, (where.get(key) ?? new Set()).add(by));
  };
  for (const [from, source] of files) {
    const code = withoutComments(source);
    const lists = /\b(import|export)\s+(?:type\s+)?\{([^{}]*)\}\s*from\s*"([^"]+)"/g;
    for (const [, verb = "", list = "", specifier = ""] of code.matchAll(lists)) {
      for (const name of names(list)) {
        note(verb === "import" ? imported : named, target(from, specifier), name, from);
      }
    }
    const spaces = /\bimport\s+(?:type\s+)?\*\s+as\s+(\w+)\s+from\s*"([^"]+)"/g;
    for (const [, space = "", specifier = ""] of code.matchAll(spaces)) {
      for (const [, name = ""] of code.matchAll(new RegExp(`\\b${space}\\.(\\w+)`, "g"))) {
        note(imported, target(from, specifier), name, from);
      }
    }
    const late = /\(await import\("([^"]+)"\)\)\.(\w+)/g;
    for (const [, specifier = "", name = ""] of code.matchAll(late)) {
      note(imported, target(from, specifier), name, from);
    }
    for (
      const [, list = "", specifier = ""] of code.matchAll(
        /\{([^{}]*)\}\s*=\s*await import\("([^"]+)"\)/g,
      )
    ) {
      for (const name of names(list)) note(imported, target(from, specifier), name, from);
    }
    for (const [, specifier = ""] of code.matchAll(/^export (?:type )?\* from "([^"]+)"/gm)) {
      whole.push([from, target(from, specifier)]);
    }
    // Examples in comments import from entry points, and count as users.
    const examples = /\bimport\s+(?:type\s+)?\{([^{}]*)\}\s*from\s*"(@skep\/skep[^"]*)"/g;
    for (const [, list = "", specifier = ""] of source.matchAll(examples)) {
      for (const name of names(list.replaceAll("*", ""))) {
        note(imported, target(from, specifier), name, "an example");
      }
    }
  }
  return { imported, named, whole };
}

/** Returns whether a file belongs to tests or examples. */
function isOutside(path: string): boolean {
  return path.endsWith("_test.ts") || /^(tests|bench|examples)\/|\/testdata\//.test(path);
}

/**
 * Exports of the library's files that no other file of it imports and no `mod.ts` exports by name.
 *
 * A type or class that its own file uses is in a signature of it. A value that its own file uses may be exported
 * for its test. `export *` alone is no use: it would hide all of this.
 *
 * @param files Sources by their path below the root.
 */
export function deadExports(files: ReadonlyMap<string, string>): string[] {
  const { imported, named, whole } = usesOf(files);
  const users = (path: string, name: string): string[] => {
    const found = [...imported.get(`${path}#${name}`) ?? []];
    // Files that import it from a mod.ts that re-exports it.
    for (const mod of named.get(`${path}#${name}`) ?? []) found.push(...users(mod, name));
    for (const [mod, from] of whole) if (from === path) found.push(...users(mod, name));
    return found;
  };
  const exported = (path: string, name: string): boolean =>
    (named.get(`${path}#${name}`)?.size ?? 0) > 0 ||
    whole.some(([mod, from]) => from === path && exported(mod, name));
  const dead: string[] = [];
  for (const [path, source] of files) {
    if (isOutside(path) || path.endsWith("mod.ts")) continue;
    const code = withoutComments(source);
    const declared =
      /^export (?:abstract |async )*(const|let|function\*?|class|interface|type) (\w+)/gm;
    for (const [, kind = "", name = ""] of code.matchAll(declared)) {
      if (exported(path, name)) continue;
      const by = users(path, name).filter((user) => user !== path);
      if (
        by.some((user) => user === "an example" || /^examples\//.test(user) || !isOutside(user))
      ) {
        continue;
      }
      const own = code.match(new RegExp(`\\b${name}\\b`, "g"))?.length ?? 0;
      if (
        own > 1 &&
        (kind !== "const" && kind !== "let" && !kind.startsWith("function") || by.length > 0)
      ) continue;
      dead.push(`${path}: ${name}${by.length > 0 ? " (tests alone use it)" : ""}`);
    }
  }
  return dead;
}
