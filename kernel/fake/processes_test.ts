import { assert, assertEquals, assertThrows } from "@std/assert";
import { Errno } from "../../uapi/errno.ts";
import { FakeKernel } from "./fake.ts";
import type { FakeFilesystem } from "./processes.ts";
import type { FakeProcess, FakeUserNamespace } from "./ground.ts";
import { RecordingKernel, ReplayError, ReplayKernel } from "./recording.ts";
import { isFailedStep, type IsolatedCommand } from "../processes.ts";
import type { Kernel } from "../kernel.ts";

const initial: FakeUserNamespace = { inode: 1n, owner: 0 };
const container: FakeUserNamespace = { inode: 7n, owner: 1000, parent: initial };
const peer: FakeProcess = {
  pid: 42,
  uid: 1000,
  gid: 1000,
  userNamespace: container,
  networkOwner: initial,
};

const command: IsolatedCommand = {
  executables: ["/bin/true"],
  arguments: ["true"],
  environment: [],
  directory: undefined,
  uid: 65534,
  gid: 65534,
  newNetwork: true,
  mountAt: "/sys/fs/bpf",
  visible: [],
  covers: [],
  ownerMapFd: undefined,
  standard: [],
  descriptors: [],
  terminal: undefined,
  capabilities: [],
};

Deno.test("FakeKernel's sockets carry messages with descriptors from one process to another", async () => {
  const kernel = new FakeKernel({ files: { "/etc/hosts": "x" } });
  const { sockets } = kernel.processes;
  const listener = sockets.listen("/run/broker");
  assertEquals(sockets.listen("/run/broker"), -Errno.EADDRINUSE);
  assertEquals(sockets.accept(listener), -Errno.EAGAIN);
  const theirs = sockets.connectAs("/run/broker", peer);
  const ours = sockets.accept(listener);
  assertEquals(sockets.peerCredentials(ours), { pid: 42, uid: 1000, gid: 1000 });
  const waiting = sockets.receiveWithin(ours, 2);
  const file = kernel.open("/etc/hosts");
  assertEquals(sockets.send(theirs, new Uint8Array([1, 2, 3]), [file]), 3);
  const message = await waiting;
  assert(typeof message !== "number");
  assertEquals([message.bytes.length, message.truncated], [2, true]);
  const [received = -1] = message.descriptors;
  assertEquals(kernel.object(received)?.name, "/etc/hosts");
  assertEquals(await sockets.receiveWithin(ours, 2, 1), -Errno.ETIMEDOUT);
  kernel.close(theirs);
  assertEquals(sockets.send(ours, new Uint8Array(1)), -Errno.EPIPE);
  const end = sockets.receive(ours, 2);
  assert(typeof end !== "number" && end.bytes.length === 0);
  for (const fd of [ours, listener, file, received]) kernel.close(fd);
  assertEquals(kernel.leaks(), []);
});

Deno.test("FakeKernel returns a peer's namespaces and their owners", async () => {
  const kernel = new FakeKernel();
  const { sockets, namespaces } = kernel.processes;
  const listener = sockets.listen("/s");
  sockets.connectAs("/s", peer);
  const pidfd = sockets.peerProcess(sockets.accept(listener));
  const user = namespaces.ofProcess(pidfd, "user");
  assertEquals([kernel.stat(user).inode, namespaces.ownerUid(user)], [7n, 1000]);
  const network = namespaces.ofProcess(pidfd, "network");
  assertEquals(kernel.stat(namespaces.owningUserNamespace(network)).inode, 1n);
  assertEquals(kernel.stat(namespaces.parent(user)).inode, 1n);
  assertEquals(namespaces.parent(namespaces.parent(user)), -Errno.EPERM);
  const context = await namespaces.openFilesystemIn(user);
  assert(typeof context === "number");
  kernel.inject({ command: "token_create", errno: "EPERM" });
  assertEquals(await namespaces.createTokenIn(user, context), {
    step: "token_create",
    result: -Errno.EPERM,
  });
});

Deno.test("FakeKernel's file systems take options until they are created", () => {
  const kernel = new FakeKernel();
  const { mounts } = kernel.processes;
  const context = mounts.open("bpf");
  assertEquals(mounts.mount(context), -Errno.EINVAL);
  assertEquals(mounts.setOption(context, "delegate_cmds", "0x1"), 0);
  assertEquals(mounts.setOption(context, "delegate_cmds", "x".repeat(256)), -Errno.EINVAL);
  assertEquals([mounts.create(context), mounts.create(context)], [0, -Errno.EBUSY]);
  assertEquals(mounts.setOption(context, "delegate_cmds", "0x1"), -Errno.EBUSY);
  assert(mounts.mount(context) >= 0);
  const { options } = kernel.object(context)?.attributes as FakeFilesystem;
  assertEquals(options, [["delegate_cmds", "0x1"]]);
});

Deno.test("FakeKernel's children end at the step or with the status that the test sets", async () => {
  const kernel = new FakeKernel();
  const { children } = kernel.processes;
  const child = await children.startIsolated(command);
  assert(!isFailedStep(child));
  assertEquals(await child.run(), child.pid);
  assertEquals(child.signal(15), 0);
  children.started[0]?.exit({ code: 3, signal: 0 });
  assertEquals(await child.wait(), { code: 3, signal: 0 });
  child[Symbol.dispose]();
  children.onStart = () => ({ step: "execve", result: -Errno.ENOENT });
  using other = await children.startIsolated(command).then((answer) => {
    assert(!isFailedStep(answer));
    return answer;
  });
  assertEquals(await other.run(), { step: "execve", result: -Errno.ENOENT });
  kernel.inject({ command: "clone3", errno: "EAGAIN" });
  assertEquals(await children.startIsolated(command), { step: "clone3", result: -Errno.EAGAIN });
  other[Symbol.dispose]();
  assertEquals(kernel.leaks(), []);
});

/** Runs a short session of a broker and a sandbox. */
async function session(kernel: Kernel): Promise<unknown[]> {
  const { children, mounts, namespaces, sockets } = kernel.processes;
  const pair = sockets.pair();
  assert(typeof pair !== "number");
  const child = await children.startIsolated(command);
  assert(!isFailedStep(child));
  return [
    pair,
    sockets.send(pair[0], new Uint8Array([5])),
    await sockets.receiveWithin(pair[1], 10),
    namespaces.writeIdMaps(child.pid, 1, 1),
    mounts.setOption(child.contextFd, "delegate_maps", "0x2"),
    await child.run(),
    child.signal(9),
    await child.wait(),
    await namespaces.openFilesystemIn(3),
  ];
}

Deno.test("commands on processes are recorded and replayed", async () => {
  const recorder = new RecordingKernel(new FakeKernel());
  const answers = await session(recorder.kernel);
  const recording = JSON.parse(JSON.stringify(recorder.toJSON()));
  const replay = new ReplayKernel(recording);
  assertEquals(await session(replay.kernel), answers);
  assertEquals(replay.left, 0);
  const other = new ReplayKernel(recording);
  assertThrows(() => other.kernel.processes.sockets.accept(3), ReplayError, "sockets.pair");
});
