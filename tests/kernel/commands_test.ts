import { assert, assertEquals, assertGreater, assertStringIncludes } from "@std/assert";
import { Errno, failed } from "../../uapi/errno.ts";
import { linuxKernel } from "../../kernel/linux/linux.ts";
import { Mapping } from "../../kernel/mapping.ts";
import { structs } from "../../uapi/layouts.ts";
import { AttachType, MapType, ProgramType } from "../../uapi/enums.ts";
import { kernelTest } from "../support/kernel.ts";
import { BPF_F_MMAPABLE } from "../../uapi/bpf_flags.ts";

const kernel = linuxKernel();

/** r0 = value; exit. */
function returns(value: number): Uint8Array {
  return new Uint8Array([0xb7, 0, 0, 0, value, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0]);
}

function load(
  instructions: Uint8Array = returns(2),
  type: number = ProgramType.socket_filter,
  expectedAttachType: number = 0,
): number {
  const { result } = kernel.programLoadSync({
    type,
    instructions,
    expectedAttachType,
    license: "GPL",
    name: "skep",
  });
  assertGreater(result, 0);
  return result;
}

kernelTest("mapElements updates, looks up, walks and deletes a hash map", () => {
  const fd = kernel.mapCreate({
    type: MapType.hash,
    keySize: 4,
    valueSize: 12,
    maxEntries: 8,
    name: "skep",
  });
  assertGreater(fd, 0);
  {
    using elements = kernel.mapElements(fd, 4, 12);
    assertEquals(elements.lookup(), -Errno.ENOENT);
    assertEquals(elements.next(true), -Errno.ENOENT);
    for (let key = 0; key < 3; key++) {
      elements.key[0] = key;
      elements.value.fill(key + 1);
      assertEquals(elements.update(1), 0);
    }
    assertEquals(elements.update(1), -Errno.EEXIST);
    const seen: number[] = [];
    for (let found = elements.next(true); found === 0; found = elements.next(false)) {
      elements.key.set(elements.nextKey);
      assertEquals(elements.lookup(), 0);
      assertEquals([...elements.value], Array(12).fill((elements.key[0] as number) + 1));
      seen.push(elements.key[0] as number);
    }
    assertEquals(seen.sort(), [0, 1, 2]);
    elements.key[0] = 1;
    assertEquals(elements.lookupAndDelete(), 0);
    assertEquals(elements.value[0], 2);
    assertEquals(elements.delete(), -Errno.ENOENT);
    elements.key[0] = 2;
    assertEquals(elements.delete(), 0);
  }
  kernel.close(fd);
});

kernelTest("mapElements refuses with EBADF after its end and writes nobody's memory", () => {
  const fd = kernel.mapCreate({ type: MapType.array, keySize: 4, valueSize: 8, maxEntries: 1 });
  const elements = kernel.mapElements(fd, 4, 8);
  const { value } = elements;
  elements[Symbol.dispose]();
  assertEquals(value.length, 0);
  assertEquals(elements.lookup(), -Errno.EBADF);
  kernel.close(fd);
});

for (const type of ["hash", "array"] as const) {
  kernelTest(`mapBatch moves every element of a ${type} map in pieces`, () => {
    const size = 1000;
    const fd = kernel.mapCreate({
      type: MapType[type],
      keySize: 4,
      valueSize: 8,
      maxEntries: size,
    });
    {
      using all = kernel.mapBatch(fd, 4, 8, size);
      const keys = new Uint32Array(all.keys.buffer, all.keys.byteOffset, size);
      const values = new BigUint64Array(all.values.buffer, all.values.byteOffset, size);
      for (let index = 0; index < size; index++) {
        keys[index] = index;
        values[index] = BigInt(index) * 3n;
      }
      assertEquals(all.update(size), 0);
      assertEquals(all.count, size);

      using some = kernel.mapBatch(fd, 4, 8, 300);
      const got = new Map<number, bigint>();
      for (const round of [1, 2]) {
        some.rewind();
        got.clear();
        for (let result = 0; result === 0;) {
          result = some.lookup();
          assert(result === 0 || failed(result, Errno.ENOENT), `round ${round}: ${result}`);
          const k = new Uint32Array(some.keys.buffer, some.keys.byteOffset, some.count);
          const v = new BigUint64Array(some.values.buffer, some.values.byteOffset, some.count);
          k.forEach((key, index) => got.set(key, v[index] as bigint));
        }
        assertEquals(got.size, size);
        for (const [key, value] of got) assertEquals(value, BigInt(key) * 3n);
      }
      if (type === "hash") {
        assertEquals(all.delete(size), 0);
        assertEquals(all.count, size);
        assertEquals(all.delete(size), -Errno.ENOENT);
      }
    }
    kernel.close(fd);
  });
}

kernelTest("mapBatch tells that nothing moved when the command is refused", () => {
  const fd = kernel.mapCreate({ type: MapType.queue, keySize: 0, valueSize: 8, maxEntries: 4 });
  {
    using batch = kernel.mapBatch(fd, 0, 8, 4);
    assert(batch.update(4) < 0);
    assertEquals(batch.count, 0);
  }
  kernel.close(fd);
});

kernelTest("mapFreeze ends writes by bpf()", () => {
  const fd = kernel.mapCreate({ type: MapType.array, keySize: 4, valueSize: 4, maxEntries: 1 });
  {
    using elements = kernel.mapElements(fd, 4, 4);
    assertEquals(elements.update(), 0);
    assertEquals(kernel.mapFreeze(fd), 0);
    assertEquals(elements.update(), -Errno.EPERM);
  }
  kernel.close(fd);
});

kernelTest("programLoadSync keeps the name, and its log is the verifier's", () => {
  const fd = load();
  const { info } = kernel.programInfo(fd);
  const [offset, size] = structs.bpf_prog_info.name;
  assertEquals(
    new TextDecoder().decode(info.subarray(offset, offset + size)).replaceAll("\0", ""),
    "skep",
  );
  const refused = kernel.programLoadSync({
    type: ProgramType.socket_filter,
    instructions: returns(0).subarray(8),
    license: "GPL",
    logLevel: 1,
  });
  assertEquals(refused.result, -Errno.EACCES);
  assertStringIncludes(refused.log, "R0 !read_ok");
  kernel.close(fd);
});

/** Returns `count` moves, then r0 = 0 and exit; with `broken` the exit is missing. */
function long(count: number, broken = false): Uint8Array {
  const code = new Uint8Array((count + 2) * 8);
  for (let index = 0; index <= count; index++) code[index * 8] = 0xb7;
  code[(count + 1) * 8] = broken ? 0xb7 : 0x95;
  return code;
}

kernelTest(
  "programLoad on another thread gives the descriptor, the errno and the log",
  async () => {
    const type = ProgramType.socket_filter;
    const loads = Array.from(
      { length: 12 },
      (_, index) =>
        kernel.programLoad({
          type,
          instructions: long(400 + index, index % 2 === 1),
          license: "GPL",
          logLevel: 1,
        }),
    );
    for (const [index, { result, log }] of (await Promise.all(loads)).entries()) {
      if (index % 2 === 0) {
        assertGreater(result, 0);
        kernel.close(result);
      } else {
        assertEquals(result, -Errno.EINVAL);
        assertStringIncludes(log, "last insn is not an exit or jmp");
      }
    }
  },
);

kernelTest("programTestRun returns the program's value and data", () => {
  const fd = load(returns(2), ProgramType.xdp);
  const dataIn = new Uint8Array(64).fill(7);
  const run = kernel.programTestRun({ programFd: fd, dataIn, dataOutSize: 64, repeat: 3 });
  assertEquals(run.result, 0);
  assertEquals(run.returnValue, 2);
  assertEquals(run.dataOut, dataIn);
  kernel.close(fd);
});

kernelTest("getNextId and getFdById find a program, programInfo its maps and instructions", () => {
  const map = kernel.mapCreate({ type: MapType.array, keySize: 4, valueSize: 4, maxEntries: 1 });
  const code = new Uint8Array([
    ...[0x18, 0x11, 0, 0, map, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    ...returns(0),
  ]);
  const fd = load(code);
  const first = kernel.programInfo(fd, { mapIds: true, xlated: true, jited: true });
  assertEquals(first.result, 0);
  assertEquals(first.mapIds.length, 1);
  assertEquals(first.xlated.length, code.length);
  const view = new DataView(first.info.buffer);
  const id = view.getUint32(structs.bpf_prog_info.id[0], true);
  let found = false;
  for (let at = 0; (at = kernel.getNextId("program", at)) > 0;) found ||= at === id;
  assert(found);
  const again = kernel.getFdById("program", id);
  assertGreater(again, 0);
  assertEquals(kernel.getFdById("map", 0x7fffffff), -Errno.ENOENT);
  for (const each of [again, fd, map]) kernel.close(each);
});

kernelTest("btfLoad loads a blob that btfInfo gives back", () => {
  // One int of 4 bytes: header, type, strings.
  const bytes = new Uint8Array(24 + 16 + 5);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, 0xeb9f, true);
  bytes[2] = 1;
  view.setUint32(4, 24, true);
  view.setUint32(12, 16, true);
  view.setUint32(16, 16, true);
  view.setUint32(20, 5, true);
  view.setUint32(24, 1, true);
  view.setUint32(28, 1 << 24, true);
  view.setUint32(32, 4, true);
  view.setUint32(36, 32, true);
  bytes.set(new TextEncoder().encode("\0int\0"), 40);
  const loaded = kernel.btfLoad({ bytes });
  assertGreater(loaded.result, 0);
  const info = kernel.btfInfo(loaded.result);
  assertEquals(info.result, 0);
  assertEquals(info.kernel, false);
  assertGreater(info.id, 0);
  assertEquals(info.bytes, bytes);
  const bad = kernel.btfLoad({ bytes: bytes.subarray(0, 30), logLevel: 1 });
  assertEquals(bad.result, -Errno.EINVAL);
  assertStringIncludes(bad.log, "Total section length too long");
  kernel.close(loaded.result);
});

/** Creates a cgroup without processes; returns `undefined` where cgroup2 is not mounted. */
function ownCgroup(): string | undefined {
  if (kernel.filesystemType("/sys/fs/cgroup") !== 0x63677270) return undefined;
  const path = `/sys/fs/cgroup/skep-test-${Deno.pid}`;
  return kernel.makeDirectory(path, 0o755) === 0 ? path : undefined;
}

kernelTest("linkCreate attaches to a cgroup, linkUpdate replaces, linkDetach ends it", {
  needs: {
    root: true,
    unless: () =>
      kernel.filesystemType("/sys/fs/cgroup") === 0x63677270 ? undefined : "needs cgroup2",
  },
}, () => {
  const path = ownCgroup();
  assert(path !== undefined);
  const attachType = AttachType.cgroup_inet_ingress;
  const one = load(returns(1), ProgramType.cgroup_skb, attachType);
  const two = load(returns(1), ProgramType.cgroup_skb, attachType);
  const cgroup = kernel.open(path);
  const idOf = (fd: number): number =>
    new DataView(kernel.programInfo(fd).info.buffer).getUint32(structs.bpf_prog_info.id[0], true);
  try {
    const link = kernel.linkCreate({ programFd: one, target: cgroup, attachType });
    assertGreater(link, 0);
    assertEquals(kernel.programQuery(cgroup, attachType).programIds, [idOf(one)]);
    assertEquals(kernel.linkUpdate(link, two, two), -Errno.EPERM);
    assertEquals(kernel.linkUpdate(link, two, one), 0);
    assertEquals(kernel.programQuery(cgroup, attachType).programIds, [idOf(two)]);
    assertEquals(kernel.linkDetach(link), 0);
    assertEquals(kernel.programQuery(cgroup, attachType).programIds, []);
    kernel.close(link);
    const attach = { target: cgroup, programFd: one, attachType };
    assertEquals(kernel.programAttach(attach), 0);
    assertEquals(kernel.programDetach(attach), 0);
    assertEquals(kernel.programDetach(attach), -Errno.ENOENT);
  } finally {
    for (const fd of [cgroup, one, two]) kernel.close(fd);
    kernel.unlink(path);
  }
});

kernelTest("rawTracepointOpen attaches, linkDetach is refused by name", () => {
  const fd = load(returns(0), ProgramType.raw_tracepoint);
  const link = kernel.rawTracepointOpen(fd, "sched_switch");
  assertGreater(link, 0);
  assertEquals(kernel.rawTracepointOpen(fd, "no_such_tracepoint"), -Errno.ENOENT);
  assertEquals(kernel.linkDetach(link), -Errno.EOPNOTSUPP);
  kernel.close(link);
  kernel.close(fd);
});

kernelTest("programQuery tells of an empty hook", () => {
  const fd = kernel.open("/proc/self/ns/net");
  const query = kernel.programQuery(fd, AttachType.sk_lookup);
  assertEquals(query.result, 0);
  assertEquals(query.programIds, []);
  kernel.close(fd);
});

kernelTest("enableStatistics holds statistics by a descriptor", () => {
  const fd = kernel.enableStatistics(0);
  assertGreater(fd, 0);
  kernel.close(fd);
});

kernelTest("tokenCreate is refused for what is no bpffs", () => {
  const fd = kernel.open("/proc");
  assertEquals(kernel.tokenCreate(fd), -Errno.EINVAL);
  kernel.close(fd);
});

kernelTest("map maps an mmapable array; its end takes the memory from every view", () => {
  const fd = kernel.mapCreate({
    type: MapType.array,
    keySize: 4,
    valueSize: 8,
    maxEntries: 4,
    flags: BPF_F_MMAPABLE,
  });
  const mapping = kernel.map(fd, 32, { writable: true });
  assert(mapping instanceof Mapping);
  const { u32 } = mapping;
  u32[2] = 77;
  {
    using elements = kernel.mapElements(fd, 4, 8);
    elements.key[0] = 1;
    assertEquals(elements.lookup(), 0);
    assertEquals(elements.value[0], 77);
  }
  mapping[Symbol.dispose]();
  assertEquals(u32.length, 0);
  assertEquals(u32[2], undefined);
  u32[2] = 1;
  assertEquals(mapping.u8.length, 0);
  mapping[Symbol.dispose]();
  assertEquals(kernel.map(-1, 4096), -Errno.EBADF);
  kernel.close(fd);
});
