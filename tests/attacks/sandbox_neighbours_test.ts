/**
 * Simultaneous sandboxes and other users of the machine: they share no uid and cannot signal each other.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { attackTest } from "./support/attack_test.ts";
import { sandbox } from "./support/sandbox.ts";
import { kill, processesWith, readText, run, until } from "./support/under_test.ts";

interface Running {
  readonly child: Deno.ChildProcess;
  readonly pid: number;
  readonly uid: number;
}

/** Starts a sleeping sandbox with the default user. */
async function start(): Promise<Running> {
  const text = `20.${Deno.pid}${crypto.getRandomValues(new Uint32Array(1))[0]}`;
  const [program = "", ...args] = sandbox(["sleep", text]);
  const child = new Deno.Command(program, {
    args,
    env: { SKEP_ATTACK_SECRET: "honey" },
    stdout: "null",
    stderr: "null",
  }).spawn();
  const sleeping = (): number | undefined =>
    processesWith(`sleep\0${text}`).find((pid) =>
      readText(`/proc/${pid}/cmdline`)?.startsWith("sleep\0") === true
    );
  const found = await until(() => sleeping() !== undefined, 8);
  const pid = sleeping();
  if (!found || pid === undefined) {
    kill(child.pid, "SIGKILL");
    await child.status;
    throw new Error("the sandbox did not start");
  }
  const uid = Number(/^Uid:\s*(\d+)/m.exec(readText(`/proc/${pid}/status`) ?? "")?.[1]);
  return { child, pid, uid };
}

async function end({ child }: Running): Promise<void> {
  kill(child.pid, "SIGTERM");
  await child.status;
}

attackTest(
  "tokens",
  "a sandbox cannot see or signal processes of another sandbox or outside",
  async () => {
    const one = await start();
    try {
      const pids = [one.pid, one.child.pid, Deno.pid];
      const script = pids.map((pid) =>
        `kill -0 ${pid} 2>/dev/null && echo signalled ${pid};` +
        `grep -q honey /proc/${pid}/environ 2>/dev/null && echo read ${pid};` +
        `test -e /proc/${pid}/ns/user && echo seen ${pid};`
      ).join("") + "test -e /proc/self/stat && echo own; true";
      const { code, stdout, stderr } = await run(sandbox(["sh", "-c", script]));
      assertEquals(code, 0, stderr);
      assertEquals(stdout, "own\n");
    } finally {
      await end(one);
    }
  },
);

attackTest("tokens", "two sandboxes have different uids, which no user has", async () => {
  const one = await start();
  try {
    const other = await start();
    try {
      assert(one.uid !== other.uid, `both are uid ${one.uid}`);
      for (const { uid } of [one, other]) {
        const passwd = (readText("/etc/passwd") ?? "").split("\n");
        const named = passwd.find((line) => line.split(":")[2] === String(uid));
        assertEquals(named, undefined, `uid ${uid} is a user's`);
        for (const line of (readText("/etc/subuid") ?? "").split("\n")) {
          const [, first, count] = line.split(":").map(Number);
          if (first === undefined || count === undefined) continue;
          assert(uid < first || uid >= first + count, `uid ${uid} is subordinate: ${line}`);
        }
      }
    } finally {
      await end(other);
    }
  } finally {
    await end(one);
  }
});
