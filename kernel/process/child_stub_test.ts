import { assertEquals } from "@std/assert";
import { childStubs } from "./child_stub.ts";

const root = new URL("stub/", import.meta.url);

/** Runs a program; returns undefined where it is not installed. */
async function run(command: string, args: readonly string[]): Promise<boolean | undefined> {
  try {
    const child = new Deno.Command(command, { args: [...args], cwd: root, stderr: "inherit" });
    return (await child.output()).success;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/**
 * Returns the version suffix of an installed clang and llvm-objcopy; every version assembles these sources
 * alike.
 */
async function suffixOf(): Promise<string | undefined> {
  if (Deno.permissions.querySync({ name: "run" }).state !== "granted") return undefined;
  for (const suffix of ["", "-19", "-14"]) {
    const found = await run(`clang${suffix}`, ["--version"]) === true &&
      await run(`llvm-objcopy${suffix}`, ["--version"]) === true;
    if (found) return suffix;
  }
  return undefined;
}

const suffix = await suffixOf();

for (const [architecture, expected] of Object.entries(childStubs)) {
  Deno.test({
    name: `the ${architecture} code that starts processes is what its source assembles to` +
      (suffix !== undefined ? "" : " [skipped: needs clang and llvm-objcopy]"),
    ignore: suffix === undefined,
    async fn(): Promise<void> {
      const directory = await Deno.makeTempDir();
      try {
        const [object, code] = [`${directory}/a.o`, `${directory}/a.bin`];
        const target = `--target=${architecture}-linux-gnu`;
        const source = `child_${architecture}.S`;
        assertEquals(await run(`clang${suffix}`, [target, "-c", source, "-o", object]), true);
        const flags = ["-O", "binary", "--only-section=.text"];
        assertEquals(await run(`llvm-objcopy${suffix}`, [...flags, object, code]), true);
        const bytes = await Deno.readFile(code);
        assertEquals(btoa(String.fromCharCode(...bytes)), expected);
      } finally {
        await Deno.remove(directory, { recursive: true });
      }
    },
  });
}
