/**
 * Working directories: `/` as in services, directories closed to the user, and removed directories.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { attackTest } from "./support/attack_test.ts";
import { sandbox, shellText, withFolder } from "./support/sandbox.ts";
import { run, tree } from "./support/under_test.ts";

for (const directory of ["/", "/usr", "/tmp", "/proc", "/sys"]) {
  attackTest(
    "tokens",
    `the sandbox and nested namespaces run from ${directory}`,
    async () => {
      const { code, stdout, stderr } = await run(
        sandbox(["sh", "-c", "pwd; unshare -U true && echo more"]),
        {
          directory,
        },
      );
      assertEquals([code, stdout], [0, `${directory}\nmore\n`], stderr);
    },
  );
}

attackTest(
  "tokens",
  "the sandbox runs or is refused with a reason when / is made readable",
  async () => {
    const options = ["--delegate-cmds", "map_create", "--delegate-maps", "hash", "--readable", "/"];
    const { code, stderr } = await run(sandbox(["true"], options), { directory: "/" });
    // A refusal must name `/` and must not be a bare EPERM from a later step.
    assert(code === 0 || (!stderr.includes("EPERM") && stderr.includes("/")), stderr);
  },
);

attackTest("tokens", "a test of a module runs from /", async () => {
  // withToken() makes the working directory visible to the command.
  await withFolder(async (folder) => {
    await Deno.writeTextFile(
      `${folder}/caller.ts`,
      `import { withToken, Delegation } from ${JSON.stringify(`${tree}/token/mod.ts`)};
       export const answer = () => 42;
       if (import.meta.main) console.log(await withToken({
         delegation: Delegation.of({ commands: ["map_create"], maps: ["hash"] }),
         module: import.meta.url, function: "answer" }));`,
    );
    const command = [Deno.execPath(), "run", "-A", "--no-config", `${folder}/caller.ts`];
    const { code, stdout, stderr } = await run(command, { directory: "/" });
    assertEquals([code, stdout.trim()], [0, "42"], stderr);
  });
});

attackTest(
  "tokens",
  "a directory that the user may not enter is not readable in the sandbox",
  async () => {
    await withFolder(async (folder) => {
      await Deno.writeTextFile(`${folder}/secret`, "honey", { mode: 0o644 });
      const { stdout } = await run(
        sandbox(["sh", "-c", `cat secret; cat ${folder}/secret; ls; echo end`]),
        {
          directory: folder,
        },
      );
      assert(
        !stdout.includes("honey"),
        "the command read a file of a directory that is closed to the user",
      );
      assert(stdout.includes("end"), stdout);
    }, 0o700);
  },
);

attackTest("tokens", "the sandbox runs from a removed directory", async () => {
  await withFolder(async (folder) => {
    const line = `mkdir ${folder}/x && cd ${folder}/x && rmdir ${folder}/x && `;
    const { code, stderr } = await run(["sh", "-c", line + shellText(sandbox(["true"]))]);
    // Deno may refuse to start there; its error must then say so.
    assert(
      code === 0 || /current working directory|No such file/i.test(stderr),
      `${code}: ${stderr}`,
    );
  });
});
