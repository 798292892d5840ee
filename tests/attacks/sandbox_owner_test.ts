/**
 * Owner of the sandbox's user namespace: an unprivileged process outside, with the uid of the sandbox,
 * tries to enter it with all capabilities or to use a leaked token.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { Attacker } from "./support/attacker.ts";
import { attackTest } from "./support/attack_test.ts";
import { copyAttackers, sandbox, withFolder } from "./support/sandbox.ts";
import { kill, processesWith, readText, run, until } from "./support/under_test.ts";

const programs = [
  ...["--delegate-cmds", "map_create:prog_load", "--delegate-maps", "hash"],
  ...["--delegate-progs", "socket_filter", "--delegate-attachs", "cgroup_inet_ingress"],
];
const users: { readonly [who: string]: readonly string[] } = {
  "the default user": [],
  "a user that was named": ["--user", `${30_000 + Deno.pid % 10_000}`],
};

interface Inside {
  readonly uid: number;
  readonly pids: readonly number[];
}

/** Runs `use` while a sandbox sleeps; passes its uid outside and its processes. */
async function whileItRuns(
  options: readonly string[],
  use: (inside: Inside) => Promise<void>,
): Promise<void> {
  const text = `20.${Deno.pid}${crypto.getRandomValues(new Uint32Array(1))[0]}`;
  const [program = "", ...args] = sandbox(["sleep", text], options);
  const child = new Deno.Command(program, { args, stdout: "null", stderr: "null" }).spawn();
  const ours = Deno.readLinkSync("/proc/self/ns/user");
  const inside = (): number[] =>
    processesWith(text).filter((pid) => namespace(pid) !== ours && namespace(pid) !== undefined);
  try {
    assert(
      await until(() => processesWith(`sleep\0${text}`).some((pid) => inside().includes(pid)), 8),
    );
    const pid = processesWith(`sleep\0${text}`).find((pid) => inside().includes(pid));
    const uid = uidOf(pid ?? 0);
    assert(uid > 0, `the command is uid ${uid} outside`);
    // All processes of the namespace, including its init process.
    await use({ uid, pids: namesakes(pid ?? 0) });
  } finally {
    kill(child.pid, "SIGTERM");
    await until(() => inside().length === 0, 3);
    for (const pid of inside()) kill(pid, "SIGKILL");
    kill(child.pid, "SIGKILL");
    await child.status;
  }
}

function uidOf(pid: number): number {
  return Number(/^Uid:\s*(\d+)/m.exec(readText(`/proc/${pid}/status`) ?? "")?.[1] ?? "0");
}

function namespace(pid: number): string | undefined {
  try {
    return Deno.readLinkSync(`/proc/${pid}/ns/user`);
  } catch {
    return undefined;
  }
}

/** Returns the processes in the same user namespace. */
function namesakes(pid: number): number[] {
  const wanted = namespace(pid);
  return [...Deno.readDirSync("/proc")].map(({ name }) => Number(name))
    .filter((other) => Number.isInteger(other) && namespace(other) === wanted);
}

for (const [who, options] of Object.entries(users)) {
  attackTest(
    "tokens",
    `a process outside cannot enter the sandbox of ${who} with capabilities`,
    async () => {
      await whileItRuns([...programs, ...options], async ({ uid, pids }) => {
        for (const pid of pids) {
          await using attacker = new Attacker("outside", [uid, "enter", pid]);
          const facts = await attacker.ended(8);
          const seen = `pid ${pid} of uid ${uid}: ${JSON.stringify(facts)}`;
          assertEquals(
            [facts["capabilities"], facts["before"]],
            ["0000000000000000", "EPERM"],
            seen,
          );
          assert(facts["entered"] !== "ok" && facts["enteredByPidfd"] !== "ok", seen);
          assert(facts["traced"] !== "ok", seen);
        }
      });
    },
  );

  attackTest(
    "tokens",
    `a token leaked from the sandbox of ${who} is unusable outside`,
    async () => {
      await withFolder(async (folder) => {
        await copyAttackers(folder);
        const socket = `${folder}/socket`;
        const script = ["perl", "-I", folder, `${folder}/give.pl`, socket];
        const giving = run(sandbox(script, [...programs, ...options]));
        const giver = (): number | undefined =>
          processesWith(`give.pl\0${socket}`).find((pid) =>
            readText(`/proc/${pid}/cmdline`)?.startsWith("perl\0") === true
          );
        const uid = await until(() => giver() !== undefined, 8) ? uidOf(giver() ?? 0) : 0;
        assert(uid > 0, `the command is uid ${uid} outside`);
        await using outside = new Attacker("outside", [uid, "token", socket]);
        const { stdout, stderr } = await giving;
        assert(stdout.includes("inside=ok") && stdout.includes("sent=ok"), stdout + stderr);
        const facts = await outside.ended(12);
        const seen = JSON.stringify(facts);
        assertEquals([facts["received"], facts["before"]], ["yes", "EPERM"], seen);
        assertEquals([facts["map"], facts["program"]], ["EPERM", "EPERM"], seen);
      });
    },
  );
}
