/**
 * Processes left by a sandbox: they fork repeatedly, or `skep` is killed while they run or start.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { attackTest } from "./support/attack_test.ts";
import { copyAttackers, sandbox, withFolder } from "./support/sandbox.ts";
import { kill, processesWith, run, sleep, until } from "./support/under_test.ts";

/** Returns a number of seconds that occurs on no other command line. */
function marker(): string {
  return `30.${Deno.pid}${crypto.getRandomValues(new Uint32Array(1))[0]}`;
}

/** Ends processes left by a successful attack. */
function clear(text: string): void {
  for (const pid of processesWith(text)) kill(pid, "SIGKILL");
}

/** Starts a sandbox with discarded output. */
function start(command: readonly string[]): Deno.ChildProcess {
  const [program = "", ...args] = sandbox(command);
  return new Deno.Command(program, {
    args,
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
}

attackTest(
  "tokens",
  "processes that fork repeatedly to change their pid do not outlive the sandbox",
  async () => {
    await withFolder(async (folder) => {
      await copyAttackers(folder);
      const file = `${folder}/beat`;
      await Deno.writeTextFile(file, "");
      await Deno.chmod(file, 0o666);
      const started = performance.now();
      const { code, stderr } = await run(
        sandbox(["perl", `${folder}/hop.pl`, file, "12", "8"]),
        { seconds: 18 },
      );
      assertEquals(code, 0, stderr);
      // They run for 12 seconds unless ended, so a shorter time shows that skep ended them.
      assert(performance.now() - started < 6000, "skep could not end them");
      const written = await Deno.readTextFile(file);
      assert(/\d/.test(written), "they did not fork");
      // A process that still writes has survived.
      await Deno.writeTextFile(file, "");
      await sleep(300);
      const after = await Deno.readTextFile(file);
      try {
        assertEquals(after, "", `a process of the sandbox survived: ${after}`);
      } finally {
        // The processes end by themselves after this time.
        if (after !== "") await sleep(5000);
      }
    });
  },
);

attackTest("tokens", "processes that the command leaves running end with it", async () => {
  const text = marker();
  const script =
    `(setsid sleep ${text} &); (unshare -U sleep ${text} &); (unshare -Upf sleep ${text} &); true`;
  try {
    const { code, stderr } = await run(sandbox(["sh", "-c", script]));
    assertEquals(code, 0, stderr);
    assertEquals(processesWith(text), []);
  } finally {
    clear(text);
  }
});

attackTest("tokens", "the command and its descendants end when skep is killed", async () => {
  const text = marker();
  const script = `(setsid sleep ${text} &); (setsid sh -c 'sleep ${text} & wait' &); sleep ${text}`;
  const child = start(["sh", "-c", script]);
  try {
    const sleeping = (): number => processesWith(`sleep\0${text}`).length;
    assert(await until(() => sleeping() >= 3, 8), "they did not start");
    kill(child.pid, "SIGKILL");
    await child.status;
    await until(() => processesWith(text).length === 0, 3);
    assertEquals(processesWith(text), [], "processes of the sandbox outlived skep");
  } finally {
    kill(child.pid, "SIGKILL");
    clear(text);
  }
});

attackTest("tokens", "no command survives when skep is killed while it starts", async () => {
  const text = marker();
  // Measure the time until the command runs.
  const measured = performance.now();
  const whole = start(["sh", "-c", `sleep ${text}`]);
  const runs = (): boolean => processesWith(`sleep\0${text}`).length > 0;
  const left: number[] = [];
  try {
    assert(await until(runs, 10), "the command did not start");
    const takes = performance.now() - measured;
    kill(whole.pid, "SIGKILL");
    await whole.status;
    for (let count = 0; performance.now() - measured < 14_000 && count < 60; count++) {
      const child = start(["sh", "-c", `sleep ${text}`]);
      // Prefer times near the end, when the child is created.
      await sleep(takes * (0.6 + 0.45 * Math.random()));
      kill(child.pid, "SIGKILL");
      await child.status;
      await until(() => processesWith(text).length === 0, 1);
      const remaining = processesWith(text);
      left.push(...remaining);
      for (const pid of remaining) kill(pid, "SIGKILL");
    }
    assertEquals(left, [], "a command survived a skep that was killed while it started");
  } finally {
    kill(whole.pid, "SIGKILL");
    clear(text);
  }
});
