/**
 * Child processes started with direct system calls, and sockets that carry descriptors.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { ChildProgram } from "../../kernel/process/child_program.ts";
import { closeAllBut } from "../../kernel/process/child_steps.ts";
import { Errno } from "../../uapi/errno.ts";
import { linuxKernel } from "../../kernel/linux/linux.ts";
import { type ChildProcess, startChild } from "../../kernel/process/process.ts";
import { isFailedStep } from "../../kernel/processes.ts";
import {
  acceptConnection,
  connectTo,
  listenAt,
  peerCredentials,
  peerProcess,
  receiveMessage,
  sendMessage,
} from "../../kernel/process/sockets.ts";
import { systemCalls } from "../../kernel/linux/ffi/syscalls.ts";
import { AT_FDCWD } from "../../uapi/files.ts";
import { kernelTest } from "../support/kernel.ts";
import { openPipe, socketPair, waitForMessage } from "../support/processes.ts";

const kernel = linuxKernel();
const unprivileged = { unprivileged: true } as const;

function started(program: ChildProgram): ChildProcess {
  const child = startChild(kernel, program);
  assert(!isFailedStep(child));
  return child;
}

kernelTest("a child runs its steps and becomes a program", unprivileged, async () => {
  const [reading, writing] = openPipe();
  const program = new ChildProgram();
  program.step("dup3", systemCalls.dup3, [writing, 1, 0]);
  program.step("execve", systemCalls.execve, ["/no/such/program", 0, 0], { tolerate: true });
  program.step("execve", systemCalls.execve, [
    "/bin/sh",
    program.texts(["sh", "-c", "echo $0 $A; exit 7"]),
    program.texts(["A=b"]),
  ]);
  using child = started(program);
  kernel.close(writing);
  const status = await child.wait();
  assertEquals(status, { code: 7, signal: 0 });
  assertEquals(new TextDecoder().decode(kernel.read(reading, 100).bytes), "sh b\n");
  assertEquals(child.outcomes().map(({ result }) => result), [1, -Errno.ENOENT, undefined]);
  assertEquals(child.failure(), undefined);
  kernel.close(reading);
});

kernelTest(
  "a child hands a result on to later steps, as often as asked",
  unprivileged,
  async () => {
    const program = new ChildProgram();
    const opened = program.step("openat", systemCalls.openat, [AT_FDCWD, "/dev/null", 0, 0]);
    program.step("fcntl", systemCalls.fcntl, [opened, 1, 0]);
    program.step("close", systemCalls.close, [opened]);
    program.step("fcntl", systemCalls.fcntl, [opened, 1, 0], { tolerate: true });
    using child = started(program);
    assertEquals(await child.wait(), { code: 0, signal: 0 });
    assertEquals(child.outcomes().slice(1).map(({ result }) => result), [0, 0, -Errno.EBADF]);
  },
);

kernelTest("a step that fails ends the child, and is named", unprivileged, async () => {
  const program = new ChildProgram();
  program.step("openat", systemCalls.openat, [AT_FDCWD, "/no/such/file", 0, 0]);
  program.step("getpid", systemCalls.getpid, []);
  using child = started(program);
  assertEquals((await child.wait()).code, 127);
  assertEquals(child.failure(), { step: "openat", result: -Errno.ENOENT });
  assertEquals(child.outcomes()[1]?.result, undefined);
});

kernelTest("a read of nothing ends a child that waits for somebody", unprivileged, async () => {
  const [reading, writing] = openPipe();
  const program = new ChildProgram();
  const place = program.room(8);
  program.step("close", systemCalls.close, [writing]);
  program.step("wait", systemCalls.read, [reading, place.address, 8], { stopAtZero: true });
  program.step("getpid", systemCalls.getpid, []);
  using child = started(program);
  kernel.close(writing);
  assertEquals((await child.wait()).code, 127);
  assertEquals(child.failure(), { step: "wait", result: 0 });
  kernel.close(reading);
});

kernelTest("a signal ends a child, and disposal kills one that runs", unprivileged, async () => {
  const start = (): ChildProcess => {
    const program = new ChildProgram();
    const mask = program.room(8);
    program.step("rt_sigprocmask", systemCalls.rt_sigprocmask, [2, mask.address, 0, 8]);
    program.step("execve", systemCalls.execve, [
      "/bin/sleep",
      program.texts(["sleep", "60"]),
      program.texts([]),
    ]);
    return started(program);
  };
  const child = start();
  await new Promise((resolve) => setTimeout(resolve, 20));
  assertEquals(child.signal(15), 0);
  assertEquals(await child.wait(), { code: 143, signal: 15 });
  assertEquals(child.signal(15), -Errno.ESRCH);
  child[Symbol.dispose]();
  const other = start();
  other[Symbol.dispose]();
  assertEquals(kernel.stat(`/proc/${other.pid}`).result, -Errno.ENOENT);
});

kernelTest(
  "a child shares no descriptors: what it opens is not open here",
  unprivileged,
  async () => {
    const program = new ChildProgram();
    const opened = program.step("openat", systemCalls.openat, [AT_FDCWD, "/dev/zero", 0, 0]);
    program.step("dup3", systemCalls.dup3, [opened, 900, 0]);
    using child = started(program);
    assertEquals(await child.wait(), { code: 0, signal: 0 });
    assertEquals(kernel.stat(900).result, -Errno.EBADF);
  },
);

kernelTest("closeAllBut leaves a child what is named", unprivileged, async () => {
  const files = [0, 1, 2, 3].map(() => kernel.open("/dev/null"));
  const [first = -1, second = -1, third = -1, fourth = -1] = files;
  const program = new ChildProgram();
  closeAllBut(program, [third, first, third]);
  for (const fd of [first, second, third, fourth, 0]) {
    program.step("fcntl", systemCalls.fcntl, [fd, 1, 0], { tolerate: true });
  }
  using child = started(program);
  await child.wait();
  const answers = child.outcomes().filter(({ name }) => name === "fcntl");
  const bad = -Errno.EBADF;
  assertEquals(answers.map(({ result }) => result), [1, bad, 1, bad, bad]);
  for (const fd of files) kernel.close(fd);
});

kernelTest(
  "a stopped child is killed and reaped, without waiting on this thread",
  unprivileged,
  async () => {
    const [reading, writing] = openPipe();
    const program = new ChildProgram();
    program.step("read", systemCalls.read, [reading, program.room(8).address, 8]);
    const child = started(program);
    const SIGSTOP = 19;
    assertEquals(child.signal(SIGSTOP), 0);
    assertEquals(child.stuckAt(-Errno.ETIMEDOUT), { step: "read", result: -Errno.ETIMEDOUT });
    await child.end();
    for (const fd of [reading, writing]) kernel.close(fd);
    assertEquals(kernel.stat(`/proc/${child.pid}`).result, -Errno.ENOENT);
    assertEquals(await child.wait(), { code: 137, signal: 9 });
  },
);

kernelTest("messages carry bytes and descriptors, whole", unprivileged, async () => {
  const [left, right] = socketPair();
  const file = kernel.open("/proc/version");
  assertEquals(sendMessage(left, new Uint8Array([1, 2, 3]), [file, file]), 3);
  kernel.close(file);
  const message = await waitForMessage(right, 16);
  assertEquals(message?.bytes, new Uint8Array([1, 2, 3]));
  assertEquals([message?.descriptors.length, message?.truncated], [2, false]);
  for (const fd of message?.descriptors ?? []) {
    assert(kernel.read(fd, 5).bytes.length === 5);
    kernel.close(fd);
  }
  sendMessage(left, new Uint8Array(100));
  const cut = receiveMessage(right, 10);
  assert(typeof cut !== "number" && cut.truncated && cut.bytes.length === 10);
  assertEquals(receiveMessage(right, 10), -Errno.EAGAIN);
  assertEquals(await waitForMessage(right, 10, 5), undefined);
  kernel.close(left);
  const end = receiveMessage(right, 10);
  assert(typeof end !== "number" && end.bytes.length === 0);
  kernel.close(right);
});

kernelTest("a listener tells who connects", unprivileged, () => {
  const directory = Deno.makeTempDirSync();
  const path = `${directory}/socket`;
  const listener = listenAt(path);
  assertEquals(acceptConnection(listener), -Errno.EAGAIN);
  assertEquals(listenAt(path), -Errno.EADDRINUSE);
  const client = connectTo(path);
  const connection = acceptConnection(listener);
  assertEquals(peerCredentials(connection), {
    pid: Deno.pid,
    uid: Deno.uid() ?? -1,
    gid: Deno.gid() ?? -1,
  });
  const pidfd = peerProcess(connection);
  // SO_PEERPIDFD (Linux 6.5).
  if (pidfd >= 0) kernel.close(pidfd);
  for (const fd of [connection, client, listener]) kernel.close(fd);
  assertEquals(connectTo(path), -Errno.ECONNREFUSED);
  assertEquals(connectTo("/" + "x".repeat(200)), -Errno.ENAMETOOLONG);
  Deno.removeSync(directory, { recursive: true });
});

kernelTest(
  "a listening socket that was inherited is taken over, and no other",
  unprivileged,
  () => {
    const { sockets } = kernel.processes;
    const directory = Deno.makeTempDirSync();
    const path = `${directory}/socket`;
    const listener = sockets.listen(path);
    assertEquals(sockets.adopt(listener), listener);
    assertEquals(sockets.accept(listener), -Errno.EAGAIN);
    const client = sockets.connect(path);
    assertEquals(sockets.adopt(client), -Errno.EINVAL);
    const file = kernel.open("/dev/null");
    assertEquals(sockets.adopt(file), -Errno.ENOTSOCK);
    assertEquals(sockets.adopt(9999), -Errno.EBADF);
    for (const fd of [listener, client, file]) kernel.close(fd);
    Deno.removeSync(directory, { recursive: true });
  },
);

kernelTest("a notification is one datagram to a path", unprivileged, () => {
  const { sockets } = kernel.processes;
  assertEquals(sockets.notify("/no/such/socket", "READY=1"), -Errno.ENOENT);
  assertEquals(sockets.notify("@skep-no-such-name", "READY=1"), -Errno.ECONNREFUSED);
});

kernelTest("a remover removes its file when it is told, and not otherwise", {
  needs: { root: true },
}, async () => {
  const { children, sockets } = kernel.processes;
  const directory = await Deno.makeTempDir();
  for (const told of [true, false]) {
    const path = `${directory}/file`;
    await Deno.writeTextFile(path, "");
    const remover = children.startRemover(path);
    assert(typeof remover === "number");
    if (told) {
      sockets.send(remover, new Uint8Array(1));
      assert(await kernel.poller.wait(remover, { timeout: 2000 }));
    }
    kernel.close(remover);
    await new Promise((resolve) => setTimeout(resolve, 20));
    assertEquals(kernel.stat(path).result, told ? -Errno.ENOENT : 0);
  }
  await Deno.remove(directory, { recursive: true });
});

kernelTest("a confined process is another user in all threads, and keeps what is named in one", {
  needs: { root: true },
}, async () => {
  const module = JSON.stringify(new URL("../../kernel/linux/linux.ts", import.meta.url).href);
  const code = `import { linuxKernel } from ${module};
    const kernel = linuxKernel();
    await Deno.stat(".");
    const user = { uid: 61900, gid: 61901 };
    const failed = kernel.processes.credentials.confine({ user, capabilities: [19, 21] });
    await Deno.stat("/");
    const status = kernel.readDirectory("/proc/self/task").map((task) =>
      new TextDecoder().decode(kernel.readFile("/proc/self/task/" + task + "/status").bytes));
    console.log(JSON.stringify({ failed, status, file: kernel.open("/etc/shadow") }));`;
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", "--quiet", code],
    stderr: "inherit",
  }).output();
  const { failed, status, file } = JSON.parse(new TextDecoder().decode(stdout));
  assertEquals([failed, file], [undefined, -Errno.EACCES]);
  const facts = status.map((text: string) =>
    ["Uid", "Gid", "Groups", "CapInh", "CapPrm", "CapEff", "CapAmb"].map((name) =>
      new RegExp(`^${name}:[ \\t]*(.*)$`, "m").exec(text)?.[1]?.split("\t").join(" ").trim()
    )
  );
  const none = "0".repeat(16);
  const two = "0000000000280000";
  const same = ["61900 61900 61900 61900", "61901 61901 61901 61901", "", none];
  assertEquals(facts[0], [...same, two, two, none]);
  assert(facts.length > 2, `only ${facts.length} threads`);
  for (const other of facts.slice(1)) assertEquals(other, [...same, none, none, none]);
});
