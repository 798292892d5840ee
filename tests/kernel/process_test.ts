import { assert, assertEquals, assertGreater, assertRejects } from "@std/assert";
import { Errno, failed } from "../../uapi/errno.ts";
import { KernelError } from "../../errors/kernel_error.ts";
import { linuxKernel } from "../../kernel/linux/linux.ts";
import { Mapping } from "../../kernel/mapping.ts";
import { systemCalls } from "../../kernel/linux/ffi/syscalls.ts";
import { kernelTest } from "../support/kernel.ts";
import { EFD_CLOEXEC, S_IFMT, S_IFREG } from "../../uapi/files.ts";

const kernel = linuxKernel();
const unprivileged = { unprivileged: true } as const;

function eventfd(): number {
  const fd = kernel.call(systemCalls.eventfd2, 0, EFD_CLOEXEC);
  assertGreater(fd, 0);
  return fd;
}
const one = new Uint8Array([1, 0, 0, 0, 0, 0, 0, 0]);

kernelTest("poller.wait resolves when a descriptor becomes readable", unprivileged, async () => {
  const fd = eventfd();
  const waits = [kernel.poller.wait(fd), kernel.poller.wait(fd)];
  setTimeout(() => kernel.write(fd, one), 5);
  assertEquals(await Promise.all(waits), [true, true]);
  assertEquals(await kernel.poller.wait(fd), true, "still readable");
  assertEquals(await kernel.poller.wait(fd, { writable: true }), true);
  kernel.close(fd);
});

kernelTest(
  "poller.wait ends with false by time, by forget and by close",
  unprivileged,
  async () => {
    const fd = eventfd();
    assertEquals(await kernel.poller.wait(fd, { timeout: 2 }), false);
    const forgotten = kernel.poller.wait(fd);
    kernel.poller.forget(fd);
    assertEquals(await forgotten, false);
    const closed = kernel.poller.wait(fd);
    const start = performance.now();
    kernel.close(fd);
    assertEquals(await closed, false);
    assert(performance.now() - start < 100);
  },
);

kernelTest("poller.wait rejects at once when its signal is aborted", unprivileged, async () => {
  const fd = eventfd();
  const controller = new AbortController();
  const wait = kernel.poller.wait(fd, { signal: controller.signal });
  const start = performance.now();
  controller.abort(new Error("enough"));
  await assertRejects(() => wait, Error, "enough");
  // The limit is generous for slow guests; without the abort the wait would not end.
  assert(performance.now() - start < 2000);
  await assertRejects(() => kernel.poller.wait(fd, { signal: controller.signal }), Error, "enough");
  kernel.close(fd);
});

kernelTest("poller.wait refuses what cannot be waited for", unprivileged, async () => {
  await assertRejects(() => kernel.poller.wait(987654), KernelError, "EBADF");
  const file = kernel.open("/proc/self/exe");
  await assertRejects(() => kernel.poller.wait(file), KernelError, "EPERM");
  kernel.close(file);
});

kernelTest("poller parks a thread only while anyone waits", unprivileged, async () => {
  const fd = eventfd();
  const { poller } = kernel;
  const wait = poller.wait(fd);
  assert(poller.parked);
  poller.forget(fd);
  await wait;
  for (let turn = 0; poller.parked && turn < 100; turn++) {
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  assertEquals(poller.parked, false);
  // A descriptor number that is reused for another file can be waited for again.
  kernel.close(fd);
  const again = eventfd();
  assertEquals(again, fd);
  kernel.write(again, one);
  assertEquals(await poller.wait(again), true);
  kernel.close(again);
});

kernelTest("poller.poll asks without waiting, or waits on this thread", unprivileged, () => {
  const fd = eventfd();
  assertEquals(kernel.poller.poll(fd), false);
  const start = performance.now();
  assertEquals(kernel.poller.poll(fd, 5), false);
  assert(performance.now() - start >= 4);
  kernel.write(fd, one);
  assertEquals(kernel.poller.poll(fd, -1), true);
  kernel.close(fd);
});

kernelTest("errno is right while garbage is collected", unprivileged, () => {
  const garbage: unknown[] = [];
  let wrong = 0;
  for (let round = 0; round < 200_000; round++) {
    garbage.push({ round, text: `${round}` });
    if (garbage.length > 500) garbage.length = 0;
    const result = kernel.mapFreeze(-1);
    if (!failed(result, Errno.EBADF, Errno.EPERM)) wrong++;
  }
  assertEquals(wrong, 0);
});

kernelTest("readFile reads files of /proc that say that they are empty", unprivileged, () => {
  const { result, bytes } = kernel.readFile("/proc/self/status");
  assertEquals(result, 0);
  assert(new TextDecoder().decode(bytes).startsWith("Name:"));
  assertEquals(kernel.readFile("/proc/self/status", 5).bytes.length, 5);
  assertEquals(kernel.readFile("/no/such").result, -Errno.ENOENT);
  assertEquals(kernel.readFile("/proc").result, -Errno.EISDIR);
  const large = kernel.readFile("/proc/kallsyms");
  assertEquals(large.result, 0);
  assertGreater(large.bytes.length, 100_000);
});

kernelTest("files: make, write, read, stat, link, list and remove", unprivileged, () => {
  const directory = `/dev/shm/skep-test-${Deno.pid}`;
  assertEquals(kernel.makeDirectory(directory), 0);
  assertEquals(kernel.makeDirectory(directory), -Errno.EEXIST);
  const O_CREAT_RDWR = 0o102;
  const fd = kernel.open(`${directory}/ä`, O_CREAT_RDWR);
  assertEquals(kernel.write(fd, one), 8);
  assertEquals(kernel.readFile(`${directory}/ä`).bytes, one);
  assertEquals(kernel.readDirectory(directory), ["ä"]);
  assertEquals(kernel.readDirectory("/no/such"), undefined);
  const [byFd, byPath] = [kernel.stat(fd), kernel.stat(`${directory}/ä`)];
  assertEquals(byFd, byPath);
  assertEquals(byFd.mode & S_IFMT, S_IFREG);
  assertEquals(byFd.inode, BigInt(Deno.statSync(`${directory}/ä`).ino ?? 0));
  assertEquals(byFd.device, BigInt(Deno.statSync(`${directory}/ä`).dev));
  assertEquals(kernel.readLink(`/proc/self/fd/${fd}`), `${directory}/ä`);
  assertEquals(kernel.filesystemType(fd), 0x01021994);
  assertEquals(kernel.filesystemType("/proc"), 0x9fa0);
  const copy = kernel.dup(fd);
  assertGreater(copy, fd);
  kernel.close(copy);
  assertEquals(kernel.unlink(directory), -Errno.ENOTEMPTY);
  assertEquals(kernel.unlink(`${directory}/ä`), 0);
  assertEquals(kernel.unlink(directory), 0);
  assertEquals(kernel.unlink(directory), -Errno.ENOENT);
  kernel.close(fd);
});

kernelTest("map shows the kernel's BTF", {
  unprivileged: true,
  needs: {
    unless: () =>
      kernel.stat("/sys/kernel/btf/vmlinux").result === 0 ? undefined : "needs the kernel's BTF",
  },
}, () => {
  const fd = kernel.open("/sys/kernel/btf/vmlinux");
  const mapping = kernel.map(fd, 4096, { private: true });
  kernel.close(fd);
  // Linux before 6.16 refuses to map it.
  if (!(mapping instanceof Mapping)) {
    assert(failed(mapping, Errno.ENODEV, Errno.EINVAL));
    assertEquals(kernel.readFile("/sys/kernel/btf/vmlinux").bytes[0], 0x9f);
    return;
  }
  assertEquals(mapping.view.getUint16(0, true), 0xeb9f);
  mapping[Symbol.dispose]();
});

kernelTest("machine tells what uname and /sys say", unprivileged, () => {
  const { machine } = kernel;
  assertEquals(machine.machine, Deno.build.arch);
  assertEquals(machine.release, Deno.osRelease());
  assert(machine.onlineCpus.length >= 1 && machine.possibleCpus >= machine.onlineCpus.length);
  assert(machine.pageSize === 4096 || machine.pageSize === 16384 || machine.pageSize === 65536);
});

kernelTest("netlink lists the interfaces, interfaceIndex finds lo among them", unprivileged, () => {
  const request = new Uint8Array(32);
  const view = new DataView(request.buffer);
  const [RTM_GETLINK, RTM_NEWLINK] = [18, 16];
  view.setUint16(4, RTM_GETLINK, true);
  view.setUint16(6, 0x301, true); // NLM_F_REQUEST | NLM_F_DUMP
  const { result, answers } = kernel.netlink(request);
  assertEquals(result, 0);
  const indices = answers.map((answer) => {
    const header = new DataView(answer.buffer);
    assertEquals(header.getUint16(4, true), RTM_NEWLINK);
    return header.getInt32(20, true);
  });
  const lo = kernel.interfaceIndex("lo");
  assertGreater(lo, 0);
  assert(indices.includes(lo));
  assertEquals(kernel.interfaceIndex("nosuchinterface"), -Errno.ENODEV);
  view.setUint16(4, 0xfff0, true);
  view.setUint16(6, 1, true);
  assert(kernel.netlink(request).result < 0);
});

kernelTest("perfEventOpen counts this process's time", {
  needs: { root: true },
}, () => {
  const fd = kernel.perfEventOpen({ type: 1, config: 1n, pid: 0, cpu: -1 });
  assertGreater(fd, 0);
  const { bytes } = kernel.read(fd, 8);
  assertEquals(bytes.length, 8);
  kernel.close(fd);
  assertEquals(kernel.perfEventOpen({ type: 999, config: 0n, pid: 0, cpu: -1 }), -Errno.ENOENT);
});

kernelTest("LinuxKernel needs no permission but --allow-ffi", unprivileged, async () => {
  const code = `
    import { linuxKernel } from ${
    JSON.stringify(import.meta.resolve("../../kernel/linux/linux.ts"))
  };
    const kernel = linuxKernel();
    console.log(kernel.machine.release, kernel.readFile("/proc/self/status").result,
      kernel.mapFreeze(-1));`;
  const run = async (...flags: string[]): Promise<{ text: string; code: number }> => {
    const output = await new Deno.Command(Deno.execPath(), {
      args: ["run", "--no-prompt", ...flags, "--config", configPath(), "-"],
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const writer = output.stdin.getWriter();
    await writer.write(new TextEncoder().encode(code));
    await writer.close();
    const { stdout, stderr, code: status } = await output.output();
    const decoder = new TextDecoder();
    return { text: decoder.decode(stdout) + decoder.decode(stderr), code: status };
  };
  const allowed = await run("--allow-ffi");
  assertEquals(allowed.code, 0, allowed.text);
  assert(allowed.text.startsWith(`${kernel.machine.release} 0 -`), allowed.text);
  const denied = await run();
  assert(denied.code !== 0);
  assert(denied.text.includes("run deno with --allow-ffi"), denied.text);
});

function configPath(): string {
  return new URL("../../deno.json", import.meta.url).pathname;
}
