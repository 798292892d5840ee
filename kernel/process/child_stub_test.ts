import { assertEquals } from "@std/assert";
import { childStubs } from "./child_stub.ts";

const root = new URL("stub/", import.meta.url);

/** Runs a program; undefined where it is not installed. */
async function run(command: string, args: readonly string[]): Promise<boolean | undefined> {
  try {
    const child = new Deno.Command(command, { args: [...args], cwd: root, stderr: "inherit" });
    return (await child.output()).success;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

const installed = Deno.permissions.querySync({ name: "run" }).state === "granted" &&
  await run("clang-19", ["--version"]) === true &&
  await run("llvm-objcopy-19", ["--version"]) === true;

for (const [architecture, expected] of Object.entries(childStubs)) {
  Deno.test({
    name: `the ${architecture} code that starts processes is what its source assembles to` +
      (installed ? "" : " [skipped: needs clang-19]"),
    ignore: !installed,
    async fn(): Promise<void> {
      const directory = await Deno.makeTempDir();
      try {
        const [object, code] = [`${directory}/a.o`, `${directory}/a.bin`];
        const target = `--target=${architecture}-linux-gnu`;
        const source = `child_${architecture}.S`;
        assertEquals(await run("clang-19", [target, "-c", source, "-o", object]), true);
        const flags = ["-O", "binary", "--only-section=.text"];
        assertEquals(await run("llvm-objcopy-19", [...flags, object, code]), true);
        const bytes = await Deno.readFile(code);
        assertEquals(btoa(String.fromCharCode(...bytes)), expected);
      } finally {
        await Deno.remove(directory, { recursive: true });
      }
    },
  });
}
