/**
 * The documented command with the documented installation, and the visibility of Deno's cache.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { attackTest } from "./support/attack_test.ts";
import { sandbox, shellText, withFolder } from "./support/sandbox.ts";
import { type Ended, run, skep, tree } from "./support/under_test.ts";

const folder = `${tree}/examples/execsnoop`;
const object = "execsnoop.bpf.o";

/** Directory of Deno's cache and of its programs' storage. */
async function cacheFolder(): Promise<string> {
  const { stdout } = await run([Deno.execPath(), "info", "--json"]);
  return JSON.parse(stdout).denoDir;
}

/** Runs `skep sandbox --for … -- COMMAND` with the installed `skep`, found in the PATH of both. */
async function installed(
  use: (line: (command: string) => Promise<Ended>) => Promise<void>,
): Promise<void> {
  await withFolder(async (root) => {
    const { code, stderr } = await run(
      [
        ...[Deno.execPath(), "install", "--global", "--allow-all", "--name", "skep"],
        ...["--config", "deno.json", "--root", root, "cli/mod.ts"],
      ],
      { directory: tree },
    );
    assertEquals(code, 0, stderr);
    // The PATH of a login: the folders of Deno and of its installed commands.
    const deno = Deno.execPath().replace(/\/[^/]*$/, "");
    const environment = { PATH: `${root}/bin:${deno}:${Deno.env.get("PATH") ?? ""}` };
    await use((command) =>
      run(["sh", "-c", `skep sandbox --for ${object} -- ${command}`], {
        directory: folder,
        environment,
        seconds: 18,
      })
    );
  });
}

attackTest("tokens", "the documented command runs with the documented installation", async () => {
  await installed(async (line) => {
    const { code, stderr } = await line(`skep run ${object} --duration 1`);
    assertEquals(code, 0, stderr);
  });
});

attackTest(
  "tokens",
  "the documented command runs when the PATH has links to Deno, one in a closed folder",
  async () => {
    await withFolder(async (root) => {
      const bin = `${root}/bin`;
      const install = [
        "install",
        "--global",
        "--allow-all",
        "--name",
        "skep",
        "--config",
        "deno.json",
      ];
      const { code, stderr } = await run(
        [Deno.execPath(), ...install, "--root", root, "cli/mod.ts"],
        { directory: tree },
      );
      assertEquals(code, 0, stderr);
      // Like /usr/local/bin/deno, a link to /root/bin/deno, a link to the file of a package manager.
      await Deno.mkdir(`${root}/closed`, { mode: 0o700 });
      await Deno.symlink(Deno.execPath(), `${root}/closed/deno`);
      await Deno.symlink(`${root}/closed/deno`, `${bin}/deno`);
      const ended = await run(
        ["sh", "-c", `skep sandbox --for ${object} -- skep run ${object} --duration 1`],
        { directory: folder, environment: { PATH: `${bin}:/usr/bin:/bin` } },
      );
      assertEquals(ended.code, 0, ended.stderr);
    });
  },
);

attackTest("tokens", "the documented command runs from a clone by deno run", async () => {
  const inner = shellText([...skep, "run", object, "--duration", "1"]);
  const outer = shellText([...skep, "sandbox", "--for", object]);
  const { code, stderr } = await run(["sh", "-c", `${outer} -- ${inner}`], { directory: folder });
  assertEquals(code, 0, stderr);
});

/**
 * Creates private files in Deno's cache while `use` runs. All users may read them, so that only their
 * visibility in the sandbox matters.
 */
async function withSecrets(
  use: (cache: string, places: readonly string[]) => Promise<void>,
): Promise<void> {
  const cache = await cacheFolder();
  const places = ["location_data", "npm/registry.npmjs.org", "gen"]
    .map((part) => `${cache}/${part}/skep-attack-${Deno.pid}`);
  try {
    for (const place of places) {
      await Deno.mkdir(place, { recursive: true });
      await Deno.writeTextFile(`${place}/secret`, "honey", { mode: 0o644 });
    }
    await use(cache, places);
    for (const place of places) assertEquals(await Deno.readTextFile(`${place}/secret`), "honey");
  } finally {
    for (const place of places) await Deno.remove(place, { recursive: true }).catch(() => {});
  }
}

attackTest(
  "tokens",
  "files that Deno keeps for other programs are not visible in the sandbox",
  async () => {
    await withSecrets(async (cache, places) => {
      await installed(async (line) => {
        const script = [
          ...places.map((place) => `cat ${place}/secret`),
          `find ${cache} -name secret -path '*skep-attack*' 2>/dev/null | while read x; do cat "$x"; done`,
          // Opens for writing and writes nothing.
          `if (: >> ${tree}/cli/mod.ts); then echo written; fi`,
          `skep run ${object} --duration 1 > /dev/null && echo ran`,
        ].join("; ");
        const { stdout, stderr } = await line(shellText(["sh", "-c", script]));
        assert(!stdout.includes("honey"), `private files of Deno's cache were read: ${stdout}`);
        assert(!stdout.includes("written"), "the command could open its program files for writing");
        assert(stdout.includes("ran"), `the command does not run: ${stdout}${stderr}`);
      });
    });
  },
);

attackTest(
  "tokens",
  "files that Deno keeps for other programs are not visible to withToken()",
  async () => {
    await withSecrets(async (_, places) => {
      await withFolder(async (scratch) => {
        await Deno.writeTextFile(
          `${scratch}/caller.ts`,
          `import { withToken, Delegation } from ${JSON.stringify(`${tree}/token/mod.ts`)};
         export const read = (paths) => paths.map((path) => {
           try { return Deno.readTextFileSync(path); } catch { return "closed"; }
         });
         if (import.meta.main) console.log(JSON.stringify(await withToken({
           delegation: Delegation.of({ commands: ["map_create"], maps: ["hash"] }),
           module: import.meta.url, function: "read", arguments: [Deno.args] })));`,
        );
        const { code, stdout, stderr } = await run([
          ...[Deno.execPath(), "run", "-A", "--no-config", "--no-check", `${scratch}/caller.ts`],
          ...places.map((place) => `${place}/secret`),
        ], { directory: scratch });
        assertEquals(code, 0, stderr);
        assertEquals(JSON.parse(stdout), ["closed", "closed", "closed"]);
      });
    });
  },
);

attackTest("tokens", "the text of the command's file makes no folder of root visible", async () => {
  await withFolder(async (folder) => {
    const closed = `${folder}/closed`;
    await Deno.mkdir(closed, { mode: 0o700 });
    await Deno.writeTextFile(`${closed}/secret`, "honey", { mode: 0o600 });
    // A link to a closed folder, at the place where `deno install` creates a folder beside the command's file.
    await Deno.symlink(closed, `${folder}/.tool`);
    const tool = `${folder}/tool`;
    const lines = [
      "#!/bin/sh",
      `# generated by deno install --config '${closed}/deno.json' '`,
      `echo began; cat ${closed}/secret`,
    ];
    await Deno.writeTextFile(tool, lines.join("\n"), { mode: 0o755 });
    const path = `${folder}:${Deno.env.get("PATH") ?? ""}`;
    for (const command of [tool, "tool"]) {
      const { stdout } = await run(sandbox([command]), { environment: { PATH: path } });
      assertEquals(stdout, "began\n", command);
    }
  });
});
