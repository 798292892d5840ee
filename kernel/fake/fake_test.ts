import { assert, assertEquals, assertThrows } from "@std/assert";
import { MapType } from "../../uapi/enums.ts";
import { Errno } from "../../uapi/errno.ts";
import { FakeKernel } from "./fake.ts";
import type { Kernel } from "../kernel.ts";
import { Mapping } from "../mapping.ts";
import { RecordingKernel, ReplayError, ReplayKernel } from "./recording.ts";
import { BPF_FS_MAGIC } from "../../uapi/files.ts";

const hash = { type: MapType.hash, keySize: 4, valueSize: 8, maxEntries: 2, name: "h" };
const load = {
  type: 1,
  instructions: new Uint8Array([0x95, 0, 0, 0, 0, 0, 0, 0]),
  license: "GPL",
  name: "p",
};

function elementSession(kernel: Kernel): number[] {
  const fd = kernel.mapCreate(hash);
  using elements = kernel.mapElements(fd, 4, 8);
  const results = [elements.lookup(), elements.next(true)];
  for (const key of [1, 2, 3]) {
    elements.key[0] = key;
    elements.value[0] = key * 2;
    results.push(elements.update());
  }
  elements.key[0] = 1;
  results.push(elements.update(1), elements.lookup(), elements.value[0] as number);
  results.push(elements.next(false), elements.nextKey[0] as number);
  results.push(elements.delete(), elements.delete(), elements.update(2));
  results.push(kernel.close(fd));
  return results;
}

Deno.test("FakeKernel's hash map returns what the kernel's does", () => {
  const kernel = new FakeKernel();
  const { ENOENT, E2BIG, EEXIST } = Errno;
  const expected = [
    ...[-ENOENT, -ENOENT, 0, 0, -E2BIG],
    ...[-EEXIST, 0, 2, 0, 2, 0, -ENOENT, -ENOENT, 0],
  ];
  assertEquals(elementSession(kernel), expected);
  assertEquals(kernel.leaks(), []);
});

Deno.test("FakeKernel's array map starts zeroed and keeps its elements", () => {
  const kernel = new FakeKernel();
  const fd = kernel.mapCreate({ ...hash, type: MapType.array });
  const elements = kernel.mapElements(fd, 4, 8);
  elements.value.fill(9);
  assertEquals([elements.lookup(), elements.value[0]], [0, 0]);
  assertEquals([elements.delete(), elements.update(1)], [-Errno.EINVAL, -Errno.EEXIST]);
  elements.key[0] = 2;
  assertEquals([elements.lookup(), elements.update()], [-Errno.ENOENT, -Errno.E2BIG]);
  elements.key[0] = 0;
  assertEquals([elements.next(true), elements.nextKey[0]], [0, 0]);
  assertEquals([elements.next(false), elements.nextKey[0]], [0, 1]);
  kernel.mapFreeze(fd);
  assertEquals(elements.update(), -Errno.EPERM);
  assertEquals(kernel.leaks(), ["map h"]);
});

Deno.test("FakeKernel's queue and stack return elements in their order", () => {
  for (const [type, first] of [[MapType.queue, 1], [MapType.stack, 2]] as const) {
    const kernel = new FakeKernel();
    const elements = kernel.mapElements(kernel.mapCreate({ ...hash, keySize: 0, type }), 0, 8);
    for (const value of [1, 2]) {
      elements.value[0] = value;
      elements.update();
    }
    assertEquals([elements.lookupAndDelete(), elements.value[0]], [0, first]);
  }
});

Deno.test("FakeKernel's LRU map drops the oldest element", () => {
  const kernel = new FakeKernel();
  const elements = kernel.mapElements(kernel.mapCreate({ ...hash, type: MapType.lru_hash }), 4, 8);
  for (const key of [1, 2, 3]) {
    elements.key[0] = key;
    assertEquals(elements.update(), 0);
  }
  elements.key[0] = 1;
  assertEquals(elements.lookup(), -Errno.ENOENT);
});

Deno.test("FakeKernel walks a map in batches", () => {
  const kernel = new FakeKernel();
  const fd = kernel.mapCreate({ ...hash, maxEntries: 10 });
  const batch = kernel.mapBatch(fd, 4, 8, 10);
  for (let index = 0; index < 7; index++) batch.keys[index * 4] = index;
  assertEquals([batch.update(7), batch.count], [0, 7]);
  const some = kernel.mapBatch(fd, 4, 8, 3);
  assertEquals([some.lookup(), some.count], [0, 3]);
  assertEquals([some.lookup(), some.count], [0, 3]);
  assertEquals([some.lookup(), some.count], [-Errno.ENOENT, 1]);
  some.rewind();
  assertEquals([some.lookupAndDelete(), some.count], [0, 3]);
  assertEquals([batch.lookup(), batch.count], [-Errno.ENOENT, 4]);
});

Deno.test("FakeKernel maps an mmapable array, whose elements outlive the mapping", () => {
  const kernel = new FakeKernel();
  const fd = kernel.mapCreate({ ...hash, type: MapType.array, flags: 1 << 10 });
  const elements = kernel.mapElements(fd, 4, 8);
  elements.value[0] = 5;
  elements.update();
  const mapping = kernel.map(fd, 4096, { writable: true });
  assert(mapping instanceof Mapping);
  const { u8 } = mapping;
  assertEquals(u8[0], 5);
  u8[0] = 6;
  elements.lookup();
  assertEquals(elements.value[0], 6);
  mapping[Symbol.dispose]();
  assertEquals(u8.length, 0);
  elements.lookup();
  assertEquals(elements.value[0], 6);
});

Deno.test("FakeKernel refuses the nth command, by predicate, with a log", async () => {
  const kernel = new FakeKernel();
  kernel.inject({ command: "map_create", errno: "EPERM", nth: 2 })
    .inject({
      command: "prog_load",
      errno: "EACCES",
      log: "R0 !read_ok",
      when: (program: typeof load) => program.name === "bad",
    });
  const first = kernel.mapCreate(hash);
  assertEquals(kernel.mapCreate(hash), -Errno.EPERM);
  const good = await kernel.programLoad(load);
  assert(good.result > 0);
  const bad = await kernel.programLoad({ ...load, name: "bad", logLevel: 1 });
  assertEquals(bad, { result: -Errno.EACCES, log: "R0 !read_ok", logTrueSize: 11 });
  assertEquals(kernel.commands(), ["map_create", "map_create", "prog_load", "prog_load"]);
  kernel.close(first);
  assertEquals(kernel.leaks(), ["program p"]);
  assertEquals(kernel.close(first), -Errno.EBADF);
});

Deno.test("FakeKernel pins, finds by id, and checks kinds of descriptors", () => {
  const kernel = new FakeKernel();
  const map = kernel.mapCreate(hash);
  const program = kernel.programLoadSync(load).result;
  assertEquals(kernel.objectPin(map, "/sys/fs/bpf/h"), 0);
  assertEquals(kernel.objectPin(map, "/sys/fs/bpf/h"), -Errno.EEXIST);
  kernel.close(map);
  const again = kernel.objectGet("/sys/fs/bpf/h");
  assertEquals(kernel.object(again)?.name, "h");
  assertEquals(kernel.getNextId("map", 0), kernel.object(again)?.id);
  assertEquals(kernel.linkCreate({ programFd: 5, target: 0, attachType: 0 }), -Errno.EBADF);
  assertEquals(kernel.rawTracepointOpen(again, "x"), -Errno.EINVAL);
  const link = kernel.rawTracepointOpen(program, "sched_switch");
  assertEquals(kernel.linkDetach(link), 0);
  for (const fd of [again, program, link]) kernel.close(fd);
  assertEquals(kernel.leaks(), []);
});

Deno.test("FakeKernel serves the files of its options", () => {
  const kernel = new FakeKernel({
    files: { "/sys/a/b": "text" },
    filesystems: { "/sys/fs/bpf": BPF_FS_MAGIC },
  });
  assertEquals(new TextDecoder().decode(kernel.readFile("/sys/a/b").bytes), "text");
  assertEquals(kernel.readFile("/sys/a").result, -Errno.EISDIR);
  assertEquals(kernel.readFile("/sys/x").result, -Errno.ENOENT);
  assertEquals(kernel.readDirectory("/sys"), ["a"]);
  const fd = kernel.open("/sys/a/b");
  assertEquals(kernel.read(fd, 3).bytes.length + kernel.read(fd, 9).bytes.length, 4);
  const bpffs = kernel.open("/sys/fs/bpf");
  const token = kernel.tokenCreate(bpffs);
  assertEquals(kernel.object(token)?.kind, "token");
  assertEquals(kernel.tokenCreate(fd), -Errno.EINVAL);
});

Deno.test("FakePoller ends a wait by ready(), timeout, signal and close", async () => {
  const kernel = new FakeKernel();
  const fd = kernel.mapCreate(hash);
  const wait = kernel.poller.wait(fd);
  kernel.poller.ready(fd);
  assertEquals(await wait, true);
  kernel.poller.ready(fd);
  assertEquals(await kernel.poller.wait(fd), true);
  assertEquals(await kernel.poller.wait(fd, { timeout: 1 }), false);
  const controller = new AbortController();
  const aborted = kernel.poller.wait(fd, { signal: controller.signal });
  controller.abort("enough");
  assertEquals(await aborted.catch((reason) => reason), "enough");
  const closed = kernel.poller.wait(fd);
  kernel.close(fd);
  assertEquals(await closed, false);
  assertEquals(kernel.poller.waiting, 0);
});

Deno.test("a recording is stable JSON, and its replay returns the same results", async () => {
  const record = async (): Promise<{ json: string; results: number[]; load: unknown }> => {
    const recorder = new RecordingKernel(new FakeKernel());
    const results = elementSession(recorder.kernel);
    const loaded = await recorder.kernel.programLoad(load);
    return { json: JSON.stringify(recorder), results, load: loaded };
  };
  const first = await record();
  assertEquals((await record()).json, first.json);
  const replay = new ReplayKernel(JSON.parse(first.json));
  assertEquals(elementSession(replay.kernel), first.results);
  assertEquals(await replay.kernel.programLoad(load), first.load);
  assertEquals(replay.left, 0);
  assertEquals(replay.kernel.machine.release, "6.18.0-fake");
});

Deno.test("a replay refuses other commands, other arguments and further commands", () => {
  const recorder = new RecordingKernel(new FakeKernel());
  recorder.kernel.mapCreate(hash);
  const replay = (): Kernel => new ReplayKernel(recorder.toJSON()).kernel;
  assertThrows(() => replay().close(1), ReplayError, "recording is mapCreate");
  assertThrows(
    () => replay().mapCreate({ ...hash, maxEntries: 3 }),
    ReplayError,
    "other arguments",
  );
  const kernel = replay();
  kernel.mapCreate(hash);
  assertThrows(() => kernel.mapCreate(hash), ReplayError, "ends after 1 commands");
});
