/**
 * Working directories: `/`, which services have, and places that the user may not enter or that are gone.
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
    `the sandbox runs from ${directory}, and its namespaces with it`,
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

attackTest("tokens", "the sandbox runs with / made readable", async () => {
  const options = ["--delegate-cmds", "map_create", "--delegate-maps", "hash", "--readable", "/"];
  const { code, stderr } = await run(sandbox(["true"], options), { directory: "/" });
  // Or it is refused in words; not by an EPERM on the way.
  assert(code === 0 || (!stderr.includes("EPERM") && stderr.includes("/")), stderr);
});

attackTest("tokens", "a test of a module runs from / too", async () => {
  // withToken() shows the working directory to the command.
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

attackTest("tokens", "a directory that the user may not enter is not shown for it", async () => {
  await withFolder(async (folder) => {
    await Deno.writeTextFile(`${folder}/secret`, "honey", { mode: 0o644 });
    const { stdout } = await run(
      sandbox(["sh", "-c", `cat secret; cat ${folder}/secret; ls; echo end`]),
      {
        directory: folder,
      },
    );
    assert(!stdout.includes("honey"), "it read a file of a directory that is closed to it");
    assert(stdout.includes("end"), stdout);
  }, 0o700);
});

attackTest("tokens", "a directory that is gone does not stop it", async () => {
  await withFolder(async (folder) => {
    const line = `mkdir ${folder}/x && cd ${folder}/x && rmdir ${folder}/x && `;
    const { code, stderr } = await run(["sh", "-c", line + shellText(sandbox(["true"]))]);
    // Deno itself may refuse to start there: then it says so.
    assert(
      code === 0 || /current working directory|No such file/i.test(stderr),
      `${code}: ${stderr}`,
    );
  });
});
