/**
 * bpf(2) denied by a seccomp filter, as in containers' profiles: the error names seccomp and no other cause.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { attackTest } from "./support/attack_test.ts";
import { copyAttackers, sandbox, withFolder } from "./support/sandbox.ts";
import { run, skep, tree } from "./support/under_test.ts";

const errnos = { EPERM: 1, ENOSYS: 38 };
const hello = `${tree}/examples/hello/hello.bpf.o`;
const here = new URL("support/", import.meta.url).pathname;

/** Command line that runs under a filter which fails bpf(2) with this errno. */
function filtered(errno: number, command: readonly string[], folder: string = here): string[] {
  return ["perl", "-I", folder, `${folder}/seccomp.pl`, String(errno), ...command];
}

for (const [name, errno] of Object.entries(errnos)) {
  attackTest(
    "tokens",
    `the error for root names seccomp when a filter fails bpf(2) with ${name}`,
    async () => {
      const command = [...skep, "run", hello, "--duration", "100ms"];
      const without = await run(command);
      assertEquals(without.code, 0, without.stderr);
      const { code, stderr } = await run(filtered(errno, command));
      assert(code !== 0, "it ran");
      assert(/seccomp/.test(stderr), `the refusal does not say it: ${stderr}`);
      assert(
        !/older|too old|Linux \d+\.\d+ or/.test(stderr),
        `it blames the kernel's age: ${stderr}`,
      );
    },
  );

  attackTest(
    "tokens",
    `the doctor finds a seccomp filter that fails bpf(2) with ${name}`,
    async () => {
      const { stdout, stderr } = await run(filtered(errno, [...skep, "doctor"]));
      const lines = stdout.split("\n").filter((line) => /seccomp/.test(line));
      assert(lines.length > 0, stdout + stderr);
      assert(
        lines.some((line) => line.includes("bpf")),
        `it does not say what is denied: ${lines}`,
      );
      const { stdout: without } = await run([...skep, "doctor"]);
      for (const line of lines) {
        assert(!without.includes(line), `it says so without a filter too: ${line}`);
      }
    },
  );

  attackTest(
    "tokens",
    `the error for a token's holder names seccomp when a filter fails bpf(2) with ${name}`,
    async () => {
      await withFolder(async (folder) => {
        await copyAttackers(folder);
        const { stdout } = await new Deno.Command(Deno.execPath(), { args: ["info", "--json"] })
          .output();
        const { denoDir } = JSON.parse(new TextDecoder().decode(stdout));
        const readable = [Deno.execPath(), denoDir, tree].flatMap((path) => ["--readable", path]);
        const command = filtered(errno, [...skep, "verify", hello], folder);
        const variables = ["env", `DENO_DIR=${denoDir}`];
        const ended = await run(
          sandbox([...variables, ...command], ["--for", hello, ...readable]),
          { directory: "/tmp" },
        );
        const said = ended.stdout + ended.stderr;
        assert(ended.code !== 0, `it verified: ${said}`);
        assert(/seccomp/.test(said), `the refusal does not say it: ${said}`);
      });
    },
  );
}
