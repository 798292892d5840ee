/**
 * Keeps the code in README.md and docs/ equal to files that are tested.
 *
 *     deno task docs           # writes the snippets into the pages
 *     deno task docs --check   # only tells which pages differ
 *
 * A page says where a snippet comes from, and the next code block is replaced:
 *
 *     <!-- snippet: examples/ten_lines.ts#ten -->
 *
 * The part after `#` names a region: the lines between `// #region ten` and `// #endregion ten`.
 *
 * @module
 */

const root = new URL("../../", import.meta.url);
const pattern = /(<!-- snippet: (\S+?)(?:#(\S+))? -->\n+```(\w*)\n)([\s\S]*?)(```)/g;

/** Returns README.md and the pages of docs/, relative to the root. */
export async function pages(): Promise<string[]> {
  const found = ["README.md"];
  for await (const entry of Deno.readDir(new URL("docs/", root))) {
    if (entry.isFile && entry.name.endsWith(".md")) found.push(`docs/${entry.name}`);
  }
  return found.sort();
}

/**
 * Returns the lines of a region without their common indentation and without nested region marks.
 */
export function region(source: string, name: string | undefined): string | undefined {
  const lines = source.trimEnd().split("\n");
  let from = 0;
  let to = lines.length;
  if (name !== undefined) {
    from = lines.findIndex((line) => line.trim() === `// #region ${name}`) + 1;
    to = lines.findIndex((line) => line.trim() === `// #endregion ${name}`);
    if (from === 0 || to < 0) return undefined;
  }
  const kept = lines.slice(from, to).filter((line) => !/^\s*\/\/ #(?:end)?region\b/.test(line));
  const indents = kept.filter((line) => line.trim() !== "").map((line) => line.search(/\S/));
  const indent = Math.min(...indents);
  return `${kept.map((line) => line.slice(indent)).join("\n").trim()}\n`;
}

/** Returns a page with its snippets taken from the files. */
export async function withSnippets(page: string, text: string): Promise<string> {
  let result = "";
  let end = 0;
  for (const match of text.matchAll(pattern)) {
    const [whole, head = "", path = "", name] = match;
    const source = await Deno.readTextFile(new URL(path, root));
    const code = region(source, name);
    if (code === undefined) throw new Error(`${page}: ${path} has no region ${name}`);
    result += `${text.slice(end, match.index)}${head}${code}\`\`\``;
    end = match.index + whole.length;
  }
  return result + text.slice(end);
}

/** Returns TypeScript and C blocks that come from no file, which no test would check. */
export function loneBlocks(text: string): string[] {
  const taken = text.replace(pattern, "");
  return Array.from(
    taken.matchAll(/```(?:ts|typescript|js|c)\n([\s\S]*?)```/g),
    ([, code = ""]) => code.trim().split("\n")[0] ?? "",
  );
}

async function main(check: boolean): Promise<number> {
  let differing = 0;
  for (const page of await pages()) {
    const url = new URL(page, root);
    const text = await Deno.readTextFile(url);
    const wanted = await withSnippets(page, text);
    if (wanted === text) continue;
    differing++;
    console.log(`${check ? "differs" : "written"}: ${page}`);
    if (!check) await Deno.writeTextFile(url, wanted);
  }
  return check && differing > 0 ? 1 : 0;
}

if (import.meta.main) Deno.exit(await main(Deno.args.includes("--check")));
