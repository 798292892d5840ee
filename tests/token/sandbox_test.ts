/**
 * Tests the sandbox: the command's credentials, its view of the system, and that nothing remains afterwards.
 *
 * @module
 */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import {
  Delegation,
  DelegationError,
  parseBpffsMounts,
  runInSandbox,
  type SandboxOptions,
  type SandboxStatus,
  withToken,
} from "../../token/mod.ts";
import { LinuxKernel, RecordingKernel, ReplayKernel } from "../../kernel/mod.ts";
import { testWith } from "../support/needs.ts";

const delegation = Delegation.of({ commands: ["map_create"], maps: ["hash"] });

async function shell(script: string, more: Partial<SandboxOptions> = {}): Promise<SandboxStatus> {
  return await runInSandbox({
    delegation,
    command: ["sh", "-c", script],
    output: "piped",
    input: "null",
    ...more,
  });
}

async function text(script: string, more: Partial<SandboxOptions> = {}): Promise<string> {
  const { stdout, stderr, code } = await shell(script, more);
  assertEquals([code, stderr], [0, ""]);
  return stdout.trim();
}

testWith("tokens", "the command is root inside and nobody outside", async () => {
  const inside = await text("id -u; id -g; cat /proc/self/uid_map | tr -s ' '");
  const [, uid = ""] = /^0\n0\n 0 (\d+) 1$/.exec(inside) ?? [];
  assert(Number(uid) >= 0x70000000 && Number(uid) < 0x70010000, inside);
  let outside = "";
  await shell("sleep 0.1", {
    onStart: (pid) => {
      outside = Deno.readTextFileSync(`/proc/${pid}/status`);
    },
  });
  assert(/^Uid:\t(\d+)\t\1\t\1\t\1$/m.test(outside), outside);
  assert(!/^Uid:\t(0|65534)\t/m.test(outside), outside);
});

testWith("tokens", "the command may be another user outside", async () => {
  assertEquals(await text("cat /proc/self/uid_map | tr -s ' '", { user: 1234 }), "0 1234 1");
  assertEquals(
    await text("cat /proc/self/gid_map | tr -s ' '", { user: { uid: 1, gid: 2 } }),
    "0 2 1",
  );
});

testWith("tokens", "the bpffs at /sys/fs/bpf delegates exactly what was given", async () => {
  const mountinfo = await text("cat /proc/self/mountinfo");
  const [mount] = parseBpffsMounts(mountinfo);
  assertEquals(mount?.path, "/sys/fs/bpf");
  assert(mount?.delegation?.equals(delegation), mount?.options);
  assertEquals(await text("echo $LIBBPF_BPF_TOKEN_PATH"), "/sys/fs/bpf");
});

testWith("tokens", "every mask is delegated as given, also bits without a name", async () => {
  for (const bits of [1n, 1n << 31n, (1n << 36n) - 1n]) {
    const masks = new Delegation({ commands: bits, programs: bits, maps: bits });
    const info = await withToken<{ [set: string]: string[] }>({
      delegation: masks,
      module: new URL("inside.ts", import.meta.url),
      function: "tokenInfo",
    });
    assertEquals(info["commands"], masks.names("commands"));
    assertEquals(info["programs"], masks.names("programs"));
  }
});

testWith(
  "tokens",
  "it has a network namespace of its own with loopback up, or keeps ours",
  async () => {
    const link = "readlink /proc/self/ns/net";
    const ours = Deno.readLinkSync("/proc/self/ns/net");
    assert(await text(link) !== ours);
    assertEquals(await text(link, { network: "keep" }), ours);
    const devices = await text("cat /proc/net/dev | tail -n +3 | cut -d: -f1 | tr -d ' '");
    assertEquals(devices, "lo");
  },
);

testWith("tokens", "exit status and signals pass through", async () => {
  const failed = await shell("exit 42");
  assertEquals([failed.code, failed.signal], [42, undefined]);
  const killed = await shell("kill -TERM $$");
  assertEquals([killed.code, killed.signal], [143, "SIGTERM"]);
});

testWith(
  "tokens",
  "no signal is blocked in it, and none ignored but those that were to us",
  async () => {
    const ignored = /^SigIgn:\s*(\w+)$/m.exec(Deno.readTextFileSync("/proc/self/status"))?.[1];
    // Signals that were ignored at our start stay ignored (SIGINT in a shell's background job); Deno ignores SIGPIPE.
    const expected = BigInt(`0x${ignored}`) & ~(1n << 12n);
    const masks = await text("grep -E '^Sig(Blk|Ign)' /proc/self/status | tr -d '\\t '");
    const words = expected.toString(16).padStart(16, "0");
    assertEquals(masks, `SigBlk:0000000000000000\nSigIgn:${words}`);
  },
);

testWith("tokens", "it has no descriptors but 0, 1, 2 and those it was given", async () => {
  assertEquals(await text("ls /proc/self/fd | tr '\\n' ' '"), "0 1 2 3");
  using file = Deno.openSync("/proc/version");
  assertEquals(await text("true"), "");
  assert(file.statSync().isFile);
});

testWith("tokens", "an abort ends it", async () => {
  const end = new AbortController();
  const status = await shell("sleep 60", { signal: end.signal, onStart: () => end.abort() });
  assertEquals(status.signal, "SIGTERM");
});

testWith("tokens", "a signal that comes while it is made is for the command", async () => {
  const running = shell("sleep 60", { forwardSignals: true });
  Deno.kill(Deno.pid, "SIGTERM");
  assertEquals((await running).signal, "SIGTERM");
  const aborted = await shell("sleep 60", { signal: AbortSignal.abort() });
  assertEquals(aborted.signal, "SIGTERM");
});

testWith("tokens", "what the command leaves running is ended", async () => {
  const marker = `${60 + Math.random()}`;
  const started = performance.now();
  await shell(`(setsid sleep ${marker} &) ; (unshare -U sleep ${marker} &) ; true`);
  assert(performance.now() - started < 20_000);
  const left = [...Deno.readDirSync("/proc")].filter(({ name }) => {
    if (!/^\d+$/.test(name)) return false;
    try {
      return Deno.readTextFileSync(`/proc/${name}/cmdline`).includes(marker);
    } catch {
      return false;
    }
  });
  assertEquals(left, []);
});

testWith("tokens", "nothing remains: no mount, no descriptor, no process", async () => {
  await shell("true");
  const seen = (): [number, string] => [
    [...Deno.readDirSync("/proc/self/fd")].length,
    Deno.readTextFileSync("/proc/self/mountinfo"),
  ];
  const before = seen();
  await shell("exit 1", { readable: [Deno.execPath()] });
  await shell("kill -9 $$");
  await runInSandbox({ delegation, command: ["/no/such/program"] }).catch(() => {});
  await runInSandbox({ delegation, command: ["true"], mountAt: "/no/such/place" }).catch(() => {});
  assertEquals(seen(), before);
});

testWith("tokens", "the working directory is ours when the user may enter it", async () => {
  assertEquals(await text("pwd", { directory: "/usr/lib" }), "/usr/lib");
});

testWith("tokens", "files that the user may not read are shown when asked, read-only", async () => {
  const closed = Deno.makeTempDirSync({ prefix: "skep-" });
  try {
    Deno.chmodSync(closed, 0o700);
    Deno.mkdirSync(`${closed}/inner`, { mode: 0o700 });
    Deno.writeTextFileSync(`${closed}/inner/secret`, "honey", { mode: 0o600 });
    Deno.writeTextFileSync(`${closed}/other`, "wax");
    const path = `${closed}/inner/secret`;
    assertEquals((await shell(`cat ${path}`)).code, 1);
    assertEquals(await text(`cat ${path}`, { readable: [`${closed}/inner`] }), "honey");
    assertEquals(await text(`cat ${path}`, { readable: [path] }), "honey");
    const write = await shell(`echo x > ${path}`, { readable: [`${closed}/inner`] });
    assertStringIncludes(write.stderr, "Read-only file system");
    const remount = await shell(`mount -o remount,bind,rw ${closed}/inner`, {
      readable: [`${closed}/inner`],
    });
    assert(remount.code !== 0);
    assertEquals((await shell(`cat ${closed}/other`, { readable: [path] })).code, 1);
    assertEquals(Deno.readTextFileSync(path), "honey");
  } finally {
    Deno.removeSync(closed, { recursive: true });
  }
});

testWith("tokens", "what goes wrong is said in one line", async () => {
  const message = async (options: Partial<SandboxOptions>): Promise<string> => {
    try {
      await runInSandbox({ delegation, command: ["true"], ...options });
    } catch (error) {
      assert(error instanceof Error);
      assert(!error.message.includes("\n"));
      return error.message;
    }
    return "";
  };
  assertStringIncludes(await message({ command: ["no-such-program"] }), "there is no such program");
  assertStringIncludes(await message({ command: ["/proc/version"] }), "may not execute it");
  assertStringIncludes(await message({ mountAt: "/no/such" }), "/no/such");
  assertStringIncludes(await message({ readable: ["/no/such"] }), "/no/such");
  assertStringIncludes(await message({ command: [] }), "there is no command");
});

testWith("tokens", "only root may make one", async () => {
  const error = await withToken({
    delegation: Delegation.any,
    module: import.meta.url,
    function: "tryInside",
  });
  assertEquals(error, ["DelegationError", "wrong-user-namespace"]);
});

/** Runs in a sandbox and tries to create another. */
export async function tryInside(): Promise<[string, string]> {
  try {
    await runInSandbox({ delegation, command: ["true"] });
    return ["none", ""];
  } catch (error) {
    return error instanceof DelegationError ? [error.name, error.reason] : [String(error), ""];
  }
}

testWith("tokens", "a sandbox is recorded, and the recording replayed without Linux", async () => {
  // Without pipes: they are read side by side, in an order that the scheduler decides.
  const more = { output: "inherit" } as const;
  const recorder = new RecordingKernel(new LinuxKernel());
  const first = await shell("exit 3", { ...more, kernel: recorder.kernel });
  assertEquals(first.code, 3);
  const replay = new ReplayKernel(JSON.parse(JSON.stringify(recorder)));
  assertEquals(await shell("exit 3", { ...more, kernel: replay.kernel }), first);
  assertEquals(replay.left, 0);
});
