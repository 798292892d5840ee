import { assert, assertEquals, assertRejects } from "@std/assert";
import { FakeKernel } from "../../kernel/fake/fake.ts";
import { KernelError } from "../../errors/kernel_error.ts";
import { Errno } from "../../uapi/errno.ts";
import { Audit } from "./audit.ts";
import { DescriptorSink } from "./audit_sink.ts";

type Line = { readonly [key: string]: unknown };

function audit(): { readonly audit: Audit; readonly lines: Line[]; tick: (ms: number) => void } {
  const lines: Line[] = [];
  let now = 0;
  const audit = new Audit((line) => {
    lines.push(JSON.parse(line));
  }, () => now);
  return { audit, lines, tick: (ms) => now += ms };
}

Deno.test("a line is recorded when the sink has taken it, and one after another", async () => {
  const taken: string[] = [];
  const slow = Promise.withResolvers<void>();
  const audit = new Audit(async (line) => {
    if (line.includes("first")) await slow.promise;
    taken.push(JSON.parse(line).event);
  });
  const both = [audit.record({ event: "first" }), audit.record({ event: "second" })];
  await Promise.resolve();
  assertEquals(taken, []);
  slow.resolve();
  assertEquals([await Promise.all(both), taken], [[true, true], ["first", "second"]]);
});

Deno.test("what a broken sink does not take is not recorded, and nothing is thrown", async () => {
  let broken = true;
  const audit = new Audit(() => {
    if (broken) throw new Error("EPIPE");
  });
  assertEquals(await audit.record({ event: "granted" }), false);
  broken = false;
  assertEquals(await audit.record({ event: "granted" }), true);
  const never = new Audit(() => new Promise(() => {}));
  for (let count = 0; count < 64; count++) never.record({ event: "granted" });
  assertEquals(await never.record({ event: "granted" }), false, "lines pile up without a bound");
});

Deno.test("the first refusal of an account has a line, the others are one at the end", async () => {
  const { audit: log, lines, tick } = audit();
  for (let count = 0; count < 1000; count++) {
    log.refused("uid 1", `why ${count % 3}`, { pid: count });
  }
  log.refused("uid 2", "why", { pid: 5 });
  tick(4000);
  await log.end();
  assertEquals(lines.map(({ time: _, ...line }) => line), [
    { event: "refused", why: "why 0", account: "uid 1", pid: 0 },
    { event: "refused", why: "why", account: "uid 2", pid: 5 },
    {
      event: "refused",
      account: "uid 1",
      more: 999,
      seconds: 4,
      why: { "why 0": 333, "why 1": 333, "why 2": 333 },
    },
  ]);
});

Deno.test("neither many accounts nor many reasons make many lines", async () => {
  const { audit: log, lines } = audit();
  for (let count = 0; count < 5000; count++) {
    log.refused(`uid ${count}`, "why", {});
    log.refused("uid 0", `why ${count}`, {});
  }
  await log.end();
  // The accounts that are counted separately, those that are not, and a sum for each that had more.
  assert(lines.length < 70, `${lines.length} lines`);
  const sums = lines.filter(({ more }) => more !== undefined);
  assertEquals(
    sums.reduce((sum, { more }) => sum + Number(more), 0),
    10_000 - (lines.length - sums.length),
  );
  assert(sums.every(({ why }) => Object.keys(why as object).length <= 9));
});

/** A kernel whose descriptor 1 is a pipe with room for a given number of bytes. */
class PipeKernel extends FakeKernel {
  room = 0;
  written = "";
  override stat(pathOrFd: string | number): ReturnType<FakeKernel["stat"]> {
    return pathOrFd === 1
      ? { result: 0, device: 1n, inode: 1n, mode: 0o010600, uid: 0 }
      : super.stat(pathOrFd);
  }
  override open(path: string, flags?: number): number {
    return path === "/proc/self/fd/1" ? 77 : super.open(path, flags);
  }
  override write(fd: number, bytes: Uint8Array): number {
    assertEquals(fd, 77);
    if (this.room <= 0) return this.room < 0 ? -Errno.EPIPE : -Errno.EAGAIN;
    const count = Math.min(this.room, bytes.length);
    this.written += new TextDecoder().decode(bytes.subarray(0, count));
    this.room -= count;
    return count;
  }
}

Deno.test("a sink finishes a line that was begun, and gives up one that was not", async () => {
  const kernel = new PipeKernel();
  const sink = new DescriptorSink(kernel, 1);
  kernel.room = 100;
  await sink.write("one");
  kernel.room = 2;
  const late = sink.write("two");
  await Promise.resolve();
  kernel.room = 100;
  kernel.poller.ready(77);
  await late;
  assertEquals(kernel.written, "one\ntwo\n");
  kernel.room = 2;
  await assertRejects(() => sink.write("three"), KernelError, "no process reads it");
  // After one timeout it rejects without waiting.
  const before = performance.now();
  await assertRejects(() => sink.write("four"), KernelError, "no process reads it");
  assert(performance.now() - before < 200);
  kernel.room = 100;
  await sink.write("five");
  assertEquals(kernel.written, "one\ntwo\nthree\nfive\n");
});

Deno.test("a pipe that was closed rejects and ends nothing", async () => {
  const kernel = new PipeKernel();
  kernel.room = -1;
  const sink = new DescriptorSink(kernel, 1);
  const error = await assertRejects(() => sink.write("line"), KernelError);
  assertEquals(error.errno, "EPIPE");
  kernel.room = 10;
  await sink.write("again");
});
