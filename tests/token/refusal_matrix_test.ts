/**
 * Tests each row of the errno matrix: the kernel returns the errno measured before, and our explanation
 * names the right cause.
 *
 * @module
 */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { linuxKernel } from "../../kernel/linux/linux.ts";
import {
  BPF_CAPABILITIES,
  Delegation,
  runInSandbox,
  Token,
  withToken,
  type WithTokenOptions,
} from "../../token/mod.ts";
import { missingFeature } from "../support/kernel.ts";
import { missing, testWith } from "../support/needs.ts";
import { withInitialBpffs } from "./bpffs.ts";
import type { NestedAnswers } from "./nested.ts";
import type { RowAnswer } from "./refusal_cases.ts";
import { Errno, failed } from "../../uapi/errno.ts";

const kernel = linuxKernel();

/** Expected answer of a row. */
interface Expected {
  readonly errno: string;
  readonly reason: string;
  /** Text that the message must contain. */
  readonly says?: string | undefined;
  /** Option values that must be reported as missing. */
  readonly missing?: readonly string[] | undefined;
}

type Options = Omit<WithTokenOptions, "module" | "function" | "arguments">;

const works: Expected = { errno: "0", reason: "none" };

function refusedWith(errno: string, reason: string, says?: string, ...words: string[]): Expected {
  return {
    errno,
    reason,
    says,
    missing: words.length === 0 ? undefined : words,
  };
}

/** Returns the expected answer for BTF by id, which takes a token since Linux 6.15. */
function btfById(expected: Expected): Expected {
  return missing("bpf") !== undefined || missingFeature("ability", "btf_by_id_token") === undefined
    ? expected
    : refusedWith("EINVAL", "kernel-too-old", "6.15");
}

function compare(row: string, actual: RowAnswer | undefined, expected: Expected): void {
  assert(actual !== undefined, `no answer to ${row}`);
  const { errno, reason } = actual;
  if (row === "btf by id" && errno === "EINVAL") {
    // Kernels before 6.15 take no token for BPF_BTF_GET_FD_BY_ID.
    assertEquals(reason, "kernel-too-old");
    return;
  }
  assertEquals(
    { errno, reason },
    { errno: expected.errno, reason: expected.reason },
    actual.message,
  );
  if (expected.says !== undefined) assertStringIncludes(actual.message, expected.says);
  if (expected.missing !== undefined) assertEquals(actual.missing, expected.missing);
  if (reason !== "none") assert(actual.message.length > 0 && !actual.message.includes("undefined"));
}

/** Registers a test per row; the rows of one situation share one sandbox. */
function group(
  situation: string,
  options: () => Options,
  expected: { readonly [row: string]: Expected },
): void {
  let answers: Promise<{ [name: string]: RowAnswer }> | undefined;
  for (const [row, wanted] of Object.entries(expected)) {
    testWith("tokens", `explains "${row}" with ${situation}`, async () => {
      answers ??= withToken({
        ...options(),
        module: new URL("refusal_cases.ts", import.meta.url),
        function: "run",
        arguments: [Object.keys(expected)],
      });
      compare(row, (await answers)[row], wanted);
    });
  }
}

const narrow = Delegation.of({
  commands: ["map_create", "prog_load", "btf_load"],
  maps: ["hash"],
  programs: ["xdp", "socket_filter"],
  attachments: ["xdp"],
});

// Mounting takes CAP_SYS_ADMIN inside, which the sandbox for this delegation lacks by default.
group("a narrow token", () => ({ delegation: narrow, capabilities: BPF_CAPABILITIES }), {
  "create: works": works,
  "create: descriptor -1": refusedWith("EBADF", "bad-descriptor", "not open"),
  "create: O_PATH descriptor": refusedWith("EBADF", "bad-descriptor", "O_PATH"),
  "create: of fsmount's descriptor": refusedWith("EBADF", "bad-descriptor", "fsmount"),
  "create: not a bpffs": refusedWith("EINVAL", "not-bpffs"),
  "create: a file": refusedWith("EINVAL", "not-bpffs"),
  "create: of a context": refusedWith("EINVAL", "not-bpffs"),
  "create: below the root": refusedWith("EINVAL", "not-root-of-mount"),
  "create: of a token": refusedWith("EINVAL", "not-root-of-mount"),
  "create: no such directory": refusedWith("ENOENT", "path-not-opened"),
  "create: not a directory": refusedWith("ENOTDIR", "path-not-opened"),

  "map: works": works,
  "map: closed token": refusedWith("EBADF", "token-closed"),
  "map: descriptor -1": refusedWith("EBADF", "token-closed"),
  "map: not a token": refusedWith("EINVAL", "not-a-token", "/status"),
  "map: no token": refusedWith("EPERM", "no-token", "delegate_maps=hash"),
  "map: type not delegated": refusedWith("EPERM", "word-missing", "array", "delegate_maps=array"),
  "map: wrong key size": refusedWith("EINVAL", "invalid-arguments"),
  "map: unknown type": refusedWith("EINVAL", "invalid-arguments"),
  "map: unknown flags": refusedWith("EINVAL", "invalid-arguments"),
  "map: zero seed": refusedWith("EPERM", "not-delegable", "BPF_F_ZERO_SEED"),

  "btf: works": works,
  "btf: closed token": refusedWith("EBADF", "token-closed"),
  "btf: not a token": refusedWith("EINVAL", "not-a-token"),
  "btf: no token": refusedWith("EPERM", "no-token", "delegate_cmds=btf_load"),
  "btf by id": btfById(
    refusedWith("EPERM", "word-missing", undefined, "delegate_cmds=btf_get_fd_by_id"),
  ),

  "program: works": works,
  "program: closed token": refusedWith("EBADF", "token-closed"),
  "program: not a token": refusedWith("EINVAL", "not-a-token"),
  "program: no token": refusedWith("EPERM", "no-token"),
  "program: type not delegated": refusedWith(
    "EPERM",
    "word-missing",
    undefined,
    "delegate_progs=sched_cls",
  ),
  "program: attach type not delegated": refusedWith(
    "EPERM",
    "word-missing",
    undefined,
    "delegate_attachs=xdp_devmap",
  ),
  "program: attach type 0": refusedWith(
    "EPERM",
    "word-missing",
    "attach type 0",
    "delegate_attachs=cgroup_inet_ingress",
  ),
  "program: unknown type": refusedWith("EPERM", "invalid-arguments", "program type 99"),
  "program: unknown attach type": refusedWith("EPERM", "invalid-arguments", "attach type 99"),
  "program: unknown flags": refusedWith("EINVAL", "invalid-arguments"),
  "program: offload": refusedWith("EINVAL", "not-delegable"),

  "attach: perf_event_open": refusedWith("EACCES", "perf-event-not-delegable", "kprobe.multi"),
  "other: next program": refusedWith("EPERM", "not-delegable"),
  "other: map by id": refusedWith("EPERM", "not-delegable"),
  "other: statistics": refusedWith("EPERM", "not-delegable"),
});

group("no command but btf_load delegated", () => ({
  delegation: Delegation.of({ ...narrowWords, commands: ["btf_load"] }),
}), {
  "map: works": refusedWith("EPERM", "word-missing", undefined, "delegate_cmds=map_create"),
  "program: works": refusedWith("EPERM", "word-missing", undefined, "delegate_cmds=prog_load"),
  "btf: works": works,
});

group("no command but map_create delegated", () => ({
  delegation: Delegation.of({ ...narrowWords, commands: ["map_create"] }),
}), {
  "btf: works": refusedWith("EPERM", "word-missing", undefined, "delegate_cmds=btf_load"),
  "map: works": works,
});

group("nothing delegated", () => ({ delegation: Delegation.none }), {
  "create: works": refusedWith("ENOENT", "nothing-delegated", "remounting changes nothing"),
});

group("CAP_BPF missing, CAP_SYS_ADMIN there", () => ({
  delegation: Delegation.any,
  capabilities: ["sys_admin", "net_admin", "perfmon"],
}), {
  "create: works": refusedWith("EPERM", "capability-missing", "CAP_BPF"),
});

group("CAP_NET_ADMIN missing", () => ({
  delegation: Delegation.any,
  capabilities: ["bpf", "perfmon"],
}), {
  "map: works": works,
  "map: needs CAP_NET_ADMIN": refusedWith("EPERM", "capability-missing", "CAP_NET_ADMIN"),
  "program: needs CAP_NET_ADMIN": refusedWith("EPERM", "capability-missing", "CAP_NET_ADMIN"),
  "program: needs CAP_PERFMON": works,
  "btf by id": btfById(refusedWith("EPERM", "capability-missing", "CAP_SYS_ADMIN")),
});

group("CAP_PERFMON missing", () => ({
  delegation: Delegation.any,
  capabilities: ["bpf", "net_admin"],
}), {
  "program: needs CAP_NET_ADMIN": works,
  "program: needs CAP_PERFMON": refusedWith("EPERM", "capability-missing", "CAP_PERFMON"),
  "verifier: trace_printk": refusedWith("EINVAL", "verifier-needs-perfmon", "trace_printk"),
  "verifier: probe_read_kernel": refusedWith(
    "EINVAL",
    "verifier-needs-perfmon",
    "probe_read_kernel",
  ),
  "verifier: pointer comparison": refusedWith(
    "EACCES",
    "verifier-needs-perfmon",
    "compares a pointer",
  ),
  "verifier: uninitialised stack": refusedWith("EACCES", "verifier-needs-perfmon", "stack"),
  "verifier: bounded loop": refusedWith("E2BIG", "verifier-needs-perfmon", "speculation"),
  "verifier: bounded loop, log cut off": refusedWith(
    "ENOSPC",
    "verifier-needs-perfmon",
    "speculation",
  ),
  "verifier: bounded loop with a call": refusedWith(
    "EINVAL",
    "verifier-needs-perfmon",
    "speculation",
  ),
  "verifier: a mistake": refusedWith("EACCES", "none"),
});

group("every word and capability", () => ({ delegation: Delegation.any }), {
  "map: needs CAP_NET_ADMIN": works,
  "program: needs CAP_NET_ADMIN": works,
  "program: needs CAP_PERFMON": works,
  "program: attach type 0": works,
  "verifier: trace_printk": works,
  "verifier: bounded loop": works,
  "verifier: bounded loop with a call": works,
  "verifier: pointer comparison": works,
  "btf by id": btfById(works),
});

const noAdmin = {
  delegation: Delegation.any,
  capabilities: ["bpf", "net_admin", "perfmon"],
} as const;

group("CAP_BPF dropped after the token was made, for maps", () => noAdmin, {
  "map: CAP_BPF dropped": refusedWith("EPERM", "capability-missing", "CAP_BPF"),
});

group("CAP_BPF dropped after the token was made, for programs", () => noAdmin, {
  "program: CAP_BPF dropped": refusedWith("EPERM", "capability-missing", "CAP_BPF"),
});

const narrowWords = {
  maps: ["hash"],
  programs: ["xdp", "socket_filter"],
  attachments: ["xdp"],
} as const;

testWith("tokens", "explains a bpffs of the initial namespace, from inside another", async () => {
  await withInitialBpffs(async (path) => {
    const answers = await withToken<{ [name: string]: RowAnswer }>({
      delegation: Delegation.any,
      environment: { ...Deno.env.toObject(), OTHER: path },
      module: new URL("refusal_cases.ts", import.meta.url),
      function: "run",
      arguments: [["create: of the directory in OTHER"]],
    });
    compare(
      "OTHER",
      answers["create: of the directory in OTHER"],
      refusedWith("EPERM", "wrong-user-namespace"),
    );
  });
});

testWith("tokens", "explains a delegated bpffs of the initial namespace, from there", async () => {
  await withInitialBpffs((path) => {
    const error = Token.tryOpen(path, { kernel });
    assert(!(error instanceof Token));
    assertEquals([error.errno, error.data["reason"]], ["EOPNOTSUPP", "initial-user-namespace"]);
    return Promise.resolve();
  });
});

testWith("tokens", "explains the bpffs of a container, from the initial namespace", async () => {
  let seen: unknown;
  const end = new AbortController();
  await runInSandbox({
    delegation: Delegation.any,
    command: ["sleep", "30"],
    signal: end.signal,
    onStart: (pid) => {
      seen = Token.tryOpen(`/proc/${pid}/root/sys/fs/bpf`, { kernel });
      end.abort();
    },
  });
  assert(seen instanceof Error && "reason" in seen);
  assertEquals(seen.reason, "wrong-user-namespace", seen.message);
});

testWith("tokens", "explains a token and a bpffs of the user namespace above", async () => {
  const answers = await withToken<NestedAnswers>({
    delegation: Delegation.any,
    capabilities: BPF_CAPABILITIES,
    module: new URL("nested.ts", import.meta.url),
    function: "nest",
  });
  if (answers.missing === true) return;
  assertEquals(answers, {
    create: "EPERM wrong-user-namespace",
    use: "EPERM wrong-user-namespace",
  });
});

testWith("tokens", "explains that cgroup_skb takes CAP_NET_ADMIN at attach", async () => {
  const cgroup = makeCgroup();
  if (cgroup === undefined) return;
  try {
    const answers = await withToken<{ [name: string]: RowAnswer }>({
      delegation: Delegation.any,
      capabilities: ["bpf"],
      environment: { ...Deno.env.toObject(), CGROUP: cgroup },
      module: new URL("refusal_cases.ts", import.meta.url),
      function: "run",
      arguments: [["attach: cgroup_skb"]],
    });
    compare(
      "cgroup",
      answers["attach: cgroup_skb"],
      refusedWith("EPERM", "capability-missing", "at attach"),
    );
  } finally {
    Deno.removeSync(cgroup);
  }
});

/** Creates a cgroup; returns undefined where cgroup2 is not mounted. */
function makeCgroup(): string | undefined {
  for (const root of ["/sys/fs/cgroup/unified", "/sys/fs/cgroup"]) {
    if (kernel.filesystemType(root) >>> 0 !== 0x63677270) continue;
    const path = `${root}/skep-test-${Deno.pid}`;
    Deno.mkdirSync(path, { mode: 0o755 });
    return path;
  }
  return undefined;
}

const probeWriteUser = new Uint8Array([
  ...[0xb7, 1, 0, 0, 0, 0, 0, 0],
  ...[0xbf, 0xa2, 0, 0, 0, 0, 0, 0],
  ...[0x07, 2, 0, 0, 0xf8, 0xff, 0xff, 0xff],
  ...[0x7a, 0x0a, 0xf8, 0xff, 0, 0, 0, 0],
  ...[0xb7, 3, 0, 0, 8, 0, 0, 0],
  ...[0x85, 0, 0, 0, 36, 0, 0, 0],
  ...[0xb7, 0, 0, 0, 0, 0, 0, 0],
  ...[0x95, 0, 0, 0, 0, 0, 0, 0],
]);

/** Returns whether lockdown refuses probe_write_user to root. */
function lockedDown(): boolean {
  if (missing("tokens") !== undefined) return false;
  const { result } = kernel.programLoadSync({
    type: 2,
    instructions: probeWriteUser,
    license: "GPL",
  });
  if (result >= 0) kernel.close(result);
  return failed(result, Errno.EINVAL);
}

if (lockedDown()) {
  group("lockdown", () => ({ delegation: Delegation.any }), {
    "verifier: probe_write_user": refusedWith("EINVAL", "local-policy", "lockdown"),
  });
}

/** Returns whether this kernel refuses trampolines to root as well, before the verifier runs. */
function refusesTrampolines(): boolean {
  if (missing("tokens") !== undefined) return false;
  const { result } = kernel.programLoadSync({
    type: 26,
    expectedAttachType: 24,
    attachBtfId: 1,
    instructions: new Uint8Array([0xb7, 0, 0, 0, 0, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0]),
    license: "GPL",
  });
  return failed(result, Errno.EPERM);
}

if (refusesTrampolines()) {
  group("a kernel that refuses it to root too", () => ({ delegation: Delegation.any }), {
    "program: local policy": refusedWith("EPERM", "local-policy", "root would be refused too"),
  });
}
