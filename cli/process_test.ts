// Runs the command in a child process: signals, pipes, exit statuses.

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { kernelTest } from "../tests/support/kernel.ts";

const root = new URL("../", import.meta.url);
const execsnoop = "examples/execsnoop/execsnoop.bpf.o";

function command(args: readonly string[], env: Record<string, string> = {}): Deno.Command {
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-prompt", "--allow-all", "cli/mod.ts", ...args],
    cwd: root,
    env,
    stdout: "piped",
    stderr: "piped",
  });
}

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

kernelTest("Ctrl-C ends skep run with status 0, and what it loaded is gone", async () => {
  const child = command(["run", execsnoop, "--token", "none", "--json"]).spawn();
  const reader = child.stderr.getReader();
  let said = "";
  while (!said.includes("1 attached")) {
    const { value, done } = await reader.read();
    if (done) break;
    said += text(value);
  }
  assertStringIncludes(said, "Ctrl-C ends");
  reader.releaseLock();
  child.kill("SIGINT");
  const { code, signal, stderr } = await child.output();
  assertEquals([code, signal], [0, null], text(stderr));
});

Deno.test("no colours go into a pipe, and errors have none either", async () => {
  const { stdout } = await command(["inspect", execsnoop]).output();
  assertStringIncludes(text(stdout), "handle_exec");
  assert(!text(stdout).includes("\x1b"));
  const { code, stderr } = await command(["inspect", "nowhere"]).output();
  assertEquals(code, 1);
  assert(!text(stderr).includes("\x1b"));
});

Deno.test("a reader that goes away ends the command quietly", async () => {
  const { code, stdout, stderr } = await new Deno.Command("sh", {
    args: [
      "-c",
      `"$0" run --no-prompt --allow-all cli/mod.ts inspect ${execsnoop} --show all --json | head -c 10`,
      Deno.execPath(),
    ],
    cwd: root,
  }).output();
  assertEquals([code, text(stdout).length, text(stderr)], [0, 10, ""]);
});

Deno.test("exit statuses are 0, 1 and 2", async () => {
  assertEquals((await command(["plan", execsnoop]).output()).code, 0);
  assertEquals((await command(["plan", "nowhere"]).output()).code, 1);
  assertEquals((await command(["plan"]).output()).code, 2);
});

Deno.test("SKEP_DEBUG adds the error's data to its line", async () => {
  const { stderr } = await command(["inspect", "nowhere"], { SKEP_DEBUG: "1" }).output();
  const [line = "", ...rest] = text(stderr).split("\n");
  assertStringIncludes(line, "ENOENT");
  assertStringIncludes(rest.join("\n"), '"stage": "open"');
});

kernelTest(
  "skep sandbox passes output and exit status through, and tells what it delegates",
  { needs: { root: true, feature: ["ability", "token"] } },
  async () => {
    const args = ["sandbox", "--for", execsnoop, "--verbose", "--"];
    const { code, stdout, stderr } = await command([
      ...args,
      ...["sh", "-c", 'echo "$LIBBPF_BPF_TOKEN_PATH $(id -u)"; exit 7'],
    ]).output();
    assertEquals([code, text(stdout)], [7, "/sys/fs/bpf 0\n"]);
    assertStringIncludes(text(stderr), "delegate_maps=array:ringbuf");
  },
);

kernelTest(
  "in a sandbox for hello, skep runs hello with the token and is told what execsnoop lacks",
  { needs: { root: true, feature: ["ability", "token"] } },
  async () => {
    const cache = await Deno.makeTempDir();
    try {
      const bundle = `${cache}/skep.js`;
      const bundled = await new Deno.Command(Deno.execPath(), {
        args: ["bundle", "--quiet", "-o", bundle, "cli/mod.ts"],
        cwd: root,
      }).output();
      assertEquals(bundled.code, 0, text(bundled.stderr));
      const inside = async (file: string): Promise<Deno.CommandOutput> =>
        await command(
          [
            ...["sandbox", "--for", "examples/hello/hello.bpf.o"],
            ...["--readable", Deno.execPath(), "--readable", cache],
            ...["--readable", decodeURIComponent(root.pathname), "--"],
            ...[Deno.execPath(), "run", "--no-config", "--no-lock", "-A", bundle],
            ...["run", file, "--duration", "200ms"],
          ],
          { DENO_DIR: cache },
        ).output();
      const hello = await inside("examples/hello/hello.bpf.o");
      assertEquals(hello.code, 0, text(hello.stderr));
      assertStringIncludes(text(hello.stderr), "with the token of /sys/fs/bpf");
      const other = await inside(execsnoop);
      assertEquals(other.code, 1);
      assertStringIncludes(text(other.stderr), "the token lacks delegate_maps=ringbuf");
    } finally {
      await Deno.remove(cache, { recursive: true });
    }
  },
);

kernelTest(
  "skep broker starts with the example's policy, reads it again, and ends on SIGTERM",
  { needs: { root: true, feature: ["ability", "token"] } },
  async () => {
    const directory = await Deno.makeTempDir();
    try {
      const socket = `${directory}/broker.sock`;
      const policy = "examples/broker/policy.jsonc";
      const child = command(["broker", "--socket", socket, "--policy", policy]).spawn();
      const reader = child.stdout.getReader();
      const lines = async (event: string): Promise<void> => {
        let said = "";
        while (!said.includes(`"event":"${event}"`)) {
          const { value, done } = await reader.read();
          if (done) throw new Error(`it ended before it said ${event}: ${said}`);
          said += text(value);
        }
      };
      await lines("started");
      assert((await Deno.stat(socket)).isSocket);
      child.kill("SIGHUP");
      await lines("policy read");
      child.kill("SIGTERM");
      await lines("ended");
      reader.releaseLock();
      const { code, stderr } = await child.output();
      assertEquals([code, text(stderr)], [0, ""]);
      assertEquals([...Deno.readDirSync(directory)], []);
    } finally {
      await Deno.remove(directory, { recursive: true });
    }
  },
);
