import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { SkepError } from "../../errors/skep_error.ts";
import { FakeKernel } from "../../kernel/fake/fake.ts";
import type { ProgramLoad } from "../../kernel/kernel.ts";
import { MapType } from "../../uapi/enums.ts";
import { ObjectSpec } from "../../object/object_spec.ts";
import loading from "../../tests/fixtures/loading.bpf.o" with { type: "bytes" };
import pinned from "../../tests/fixtures/pinned.bpf.o" with { type: "bytes" };
import slots from "../../tests/fixtures/slots.bpf.o" with { type: "bytes" };
import unnamed from "../../tests/fixtures/unnamed.bpf.o" with { type: "bytes" };
import { kernelTypes } from "../features/kernel_btf.ts";
import { BpfObject } from "../object.ts";
import type { LoadOptions } from "./prepare.ts";
import { VerifierError } from "../../explain/verifier/error.ts";
import { BPF_FS_MAGIC, TMPFS_MAGIC } from "../../uapi/files.ts";
import { Errno } from "../../uapi/errno.ts";

const bpffs = { "/sys/fs/bpf": BPF_FS_MAGIC };

function parse(bytes: Uint8Array = loading): ObjectSpec {
  return ObjectSpec.parse(bytes, { name: "loading.bpf.o" });
}

/** Loads with the fake kernel and no token. */
function load(kernel: FakeKernel, options: LoadOptions = {}, spec = parse()): Promise<BpfObject> {
  return BpfObject.load(spec, { kernel, token: false, jobs: 1, ...options });
}

async function refusal(
  kernel: FakeKernel,
  options: LoadOptions = {},
  spec: ObjectSpec = parse(),
): Promise<SkepError> {
  return await assertRejects(() => load(kernel, options, spec), SkepError);
}

Deno.test("a load follows libbpf's order: BTF, maps, programs, slots of program arrays", async () => {
  const kernel = new FakeKernel();
  using object = await load(kernel);
  const commands = kernel.commands().filter((name) =>
    ["btf_load", "map_create", "prog_load"].includes(name)
  );
  assertEquals(commands[0], "btf_load");
  assertEquals(commands.lastIndexOf("map_create") < commands.indexOf("prog_load"), true);
  const jumps = kernel.calls.findLast(({ command }) => command === "map_update_elem");
  const lastProgram = kernel.calls.findLast(({ command }) => command === "prog_load");
  assert(jumps !== undefined && lastProgram !== undefined);
  assert(kernel.calls.indexOf(jumps) > kernel.calls.indexOf(lastProgram));
  assertEquals(object.programs.names(), ["last", "count", "jump"]);
});

Deno.test("a map that a slot names must be created before the map that has the slot", async () => {
  const kernel = new FakeKernel();
  const spec = ObjectSpec.parse(slots, { name: "slots.bpf.o" });
  // gcc emits maps in the opposite order of clang. A map that is not created fails like one that is created later.
  spec.maps.get("late").autocreate = false;
  const error = await refusal(kernel, {}, spec);
  assertEquals([error.errno, error.stage], ["EINVAL", "map"]);
  assertStringIncludes(error.message, "put late into map backward");
  assertEquals(kernel.leaks(), []);
});

Deno.test("a section that names no attach target is refused as libbpf refuses it", async () => {
  const refusals: [string, string | undefined][] = [];
  for (const name of ["bare", "empty", "replaces"]) {
    const spec = ObjectSpec.parse(unnamed, { name: "unnamed.bpf.o" });
    spec.programs.get(name).autoload = true;
    const error = await refusal(new FakeKernel(), {}, spec);
    refusals.push([name, error.errno]);
    assertStringIncludes(error.message, `find the attach target of program ${name}`);
  }
  assertEquals(refusals, [["bare", "EINVAL"], ["empty", "ESRCH"], ["replaces", "EINVAL"]]);
});

Deno.test("disposing of an object closes everything, and pins stay", async () => {
  const kernel = new FakeKernel({ filesystems: bpffs });
  {
    using object = await load(kernel, {}, parse(pinned));
    assertEquals(object.maps.names(), ["kept", "stream"]);
  }
  assertEquals(kernel.leaks(), []);
  assertEquals([...kernel.pins.keys()], ["/sys/fs/bpf/kept", "/sys/fs/bpf/stream"]);
});

for (const [name, bytes] of [["loading", loading], ["pinned", pinned]] as const) {
  for (const onError of ["throw", "collect"] as const) {
    Deno.test(`whichever command is refused, nothing of ${name} is left (${onError})`, async () => {
      const whole = new FakeKernel({ filesystems: bpffs });
      (await load(whole, { onError }, parse(bytes)))[Symbol.dispose]();
      const count = whole.calls.length;
      assert(count > 10);
      let refused = 0;
      for (let nth = 1; nth <= count; nth++) {
        const kernel = new FakeKernel({ filesystems: bpffs });
        kernel.inject({ command: "*", errno: "EPERM", nth });
        try {
          using _object = await load(kernel, { onError }, parse(bytes));
          kernel.pins.clear();
        } catch (error) {
          assert(error instanceof SkepError, `call ${nth} gave ${error}`);
          assert(!error.message.includes("\n"));
          refused++;
        }
        const leaks = kernel.leaks();
        const command = kernel.calls[nth - 1]?.command;
        // A refused close cannot be undone.
        if (command !== "close") assertEquals(leaks, [], `call ${nth}, ${command}`);
        // A refused unlink cannot either; it follows another refusal, so it does not occur here.
        assertEquals([...kernel.pins.keys()], [], `call ${nth}, ${command}`);
      }
      assert(refused > 3, `only ${refused} refusals counted`);
    });
  }
}

Deno.test("a plain object never reads the kernel's BTF", async () => {
  const kernel = new FakeKernel();
  using _object = await load(kernel);
  assertEquals(kernelTypes(kernel).reads, 0);
  assertEquals(kernel.calls.filter(({ command }) => command === "open"), []);
});

Deno.test("a map that is refused with its types is created without them", async () => {
  const kernel = new FakeKernel();
  kernel.inject({
    command: "map_create",
    errno: "EINVAL",
    when: (attributes: { name: string; btfFd?: number | undefined }) =>
      attributes.name === "table" && attributes.btfFd !== undefined,
  });
  using object = await load(kernel);
  assertEquals(object.maps.has("table"), true);
});

Deno.test("the error of a refused map has its name, its definition and the step", async () => {
  const kernel = new FakeKernel();
  kernel.inject({
    command: "map_create",
    errno: "E2BIG",
    when: (attributes: { name: string }) => attributes.name === "table",
  });
  const error = await refusal(kernel);
  assertStringIncludes(error.message, "create map table: E2BIG");
  assertEquals(error.stage, "map");
  assertEquals(error.data["maxEntries"], 1000);
});

Deno.test("an object without struct_ops loads although its BTF is refused", async () => {
  const kernel = new FakeKernel();
  kernel.inject({ command: "btf_load", errno: "EPERM" });
  using _object = await load(kernel);
  const program = kernel.calls.find(({ command }) => command === "prog_load");
  assertEquals((program?.attributes as ProgramLoad).funcInfo, undefined);
  assertEquals((program?.attributes as ProgramLoad).lineInfo, undefined);
});

Deno.test("EINVAL of a program whose BTF was not permitted is reported as the BTF's EPERM", async () => {
  const kernel = new FakeKernel({ verify: () => ({ result: -Errno.EINVAL, log: "no BTF\n" }) });
  kernel.inject({ command: "btf_load", errno: "EPERM" });
  const error = await refusal(kernel);
  assertStringIncludes(error.message, "load BTF of loading.bpf.o: EPERM");
  assert(error.cause instanceof VerifierError);
});

Deno.test("BTF that is refused with EINVAL is loaded in older forms, and no form follows EPERM", async () => {
  const older = new FakeKernel();
  older.inject({ command: "btf_load", errno: "EINVAL" });
  using _object = await load(older);
  const forms = older.calls.filter(({ command }) => command === "btf_load").length;
  assert(forms > 2, `${forms} tries`);
  const forbidden = new FakeKernel();
  forbidden.inject({ command: "btf_load", errno: "EPERM" });
  using _other = await load(forbidden, { logLevel: "none" });
  assertEquals(forbidden.calls.filter(({ command }) => command === "btf_load").length, 1);
});

Deno.test("ring buffers are rounded, perf event arrays sized by CPU, names kept", async () => {
  const kernel = new FakeKernel();
  using _object = await load(kernel);
  const created = kernel.calls.filter(({ command }) => command === "map_create")
    .map(({ attributes }) => attributes as { name: string; maxEntries: number; type: number });
  const byName = new Map(created.map((one) => [one.name, one]));
  assertEquals(byName.get("events")?.maxEntries, 8192);
  assertEquals(byName.get("perf")?.maxEntries, kernel.machine.possibleCpus);
  assertEquals(byName.get("outer.inner")?.type, MapType.array);
  assert(byName.has("loading.rodata"));
});

Deno.test("maps of constants are frozen, zero contents are not written", async () => {
  const kernel = new FakeKernel();
  using object = await load(kernel);
  const frozen = kernel.calls.filter(({ command }) => command === "map_freeze");
  const constants = [...object.maps].filter(({ spec }) => spec?.origin === "rodata");
  assertEquals(frozen.length, constants.length);
  const update = kernel.calls.filter(({ command }) => command === "map_update_elem");
  // .data, .data.custom, the constants, two inner maps, one program slot.
  assertEquals(update.length, 2 + constants.length + 2 + 1);
});

Deno.test("a refused program is loaded again with a log, and the error has the whole log", async () => {
  const log = "0: (b7) r0 = 0\nR9 !read_ok\nprocessed 1 insns (limit 1000000)\n";
  const kernel = new FakeKernel({
    verify: ({ name }) => name === "count" ? { result: -Errno.EACCES, log } : undefined,
  });
  const error = await refusal(kernel);
  assert(error instanceof VerifierError);
  assertEquals(error.log, log);
  assertStringIncludes(error.message, "load program count: EACCES: R9 !read_ok at instruction 0");
  const levels = kernel.calls.filter(({ attributes }) =>
    (attributes as ProgramLoad).name === "count"
  ).map(({ attributes }) => (attributes as ProgramLoad).logLevel ?? 0);
  assertEquals(levels, [0, 1]);
  assertEquals(kernel.leaks(), []);
});

Deno.test("with logLevel none a refused program is not loaded again", async () => {
  const kernel = new FakeKernel({ verify: () => ({ result: -Errno.EACCES }) });
  await refusal(kernel, { logLevel: "none" });
  assertEquals(kernel.commands().filter((name) => name === "prog_load").length, 1);
});

Deno.test("a log that does not fit is requested again in the size that the kernel reports", async () => {
  const sizes: number[] = [];
  const kernel = new FakeKernel({
    verify: ({ logLevel = 0, logSize = 0 }) => {
      if (logLevel === 0) return { result: -Errno.EINVAL };
      sizes.push(logSize);
      return sizes.length < 3
        ? { result: -Errno.ENOSPC, log: "x" }
        : { result: -Errno.EINVAL, log: "bad\n" };
    },
  });
  const error = await refusal(kernel);
  assertEquals(error.errno, "EINVAL");
  assertEquals(sizes.length, 3);
  assert((sizes[1] as number) >= 2 * (sizes[0] as number));
});

Deno.test("EAGAIN is retried, five tries in all", async () => {
  let tries = 0;
  const busy = new FakeKernel({
    verify: () => ++tries < 5 ? { result: -Errno.EAGAIN } : undefined,
  });
  using _object = await load(busy);
  assertEquals(tries >= 5, true);
  const always = new FakeKernel({ verify: () => ({ result: -Errno.EAGAIN }) });
  assertEquals((await refusal(always, { logLevel: "none" })).errno, "EAGAIN");
  assertEquals(always.commands().filter((name) => name === "prog_load").length, 5);
});

Deno.test("one refused program does not hide the outcomes of the others", async () => {
  const kernel = new FakeKernel({
    verify: ({ name }) => name === "count" ? { result: -Errno.EACCES, log: "no\n" } : undefined,
  });
  const spec = parse();
  for (const name of ["unknown", "nowhere"]) spec.programs.get(name).autoload = true;
  using object = await load(kernel, { onError: "collect" }, spec);
  const said = object.outcomes.map(({ program, ok, skipped, error }) =>
    `${program.name} ${ok ? "ok" : skipped !== undefined ? "skipped" : error?.errno}`
  );
  assertEquals(said, [
    "last ok",
    "count EACCES",
    "jump ok",
    "careless skipped",
    "unknown EINVAL",
    "nowhere ESRCH",
  ]);
  assertEquals(object.programs.names(), ["last", "jump"]);
  const why = (name: string): string => {
    try {
      return object.programs.get(name).name;
    } catch (error) {
      return error instanceof SkepError ? error.why : String(error);
    }
  };
  assertEquals(why("count"), "it was refused");
  assertEquals(why("careless"), "it is not loaded: its autoload is off");
  assertStringIncludes(why("cuont"), "there is no program of this name");
});

Deno.test("of several refused programs the first in the object is reported, in any order of failure", async () => {
  const kernel = new FakeKernel({
    verify: ({ name }) => ({ result: -Errno.EINVAL, log: `${name}\n` }),
  });
  const error = await refusal(kernel, { jobs: 3 });
  assertEquals(error.subject, "last");
  assertEquals(kernel.leaks(), []);
});

Deno.test("an aborted load leaves nothing open, and throws the signal's reason", async () => {
  const controller = new AbortController();
  const kernel = new FakeKernel({
    verify: () => {
      controller.abort(new TypeError("enough"));
      return undefined;
    },
  });
  await assertRejects(() => load(kernel, { signal: controller.signal }), TypeError, "enough");
  assertEquals(kernel.leaks(), []);
});

Deno.test("a pinned map of the same shape is reused", async () => {
  const kernel = new FakeKernel({ filesystems: bpffs });
  using first = await load(kernel, {}, parse(pinned));
  using second = await load(kernel, {}, parse(pinned));
  assertEquals(second.maps.get("kept").info().id, first.maps.get("kept").info().id);
});

Deno.test("a pinned map of another shape is refused with the field and both values", async () => {
  const kernel = new FakeKernel({ filesystems: bpffs });
  using _first = await load(kernel, {}, parse(pinned));
  const spec = parse(pinned);
  spec.maps.get("kept").maxEntries = 32;
  const error = await refusal(kernel, {}, spec);
  assertEquals(error.errno, "EINVAL");
  assertStringIncludes(error.message, "its max_entries is 16, the object declares 32");
});

Deno.test("a map that another process pins during the load is reused", async () => {
  const kernel = new FakeKernel({ filesystems: bpffs });
  using _first = await load(kernel, {}, parse(pinned));
  kernel.inject({ command: "obj_get", errno: "ENOENT", nth: 1 });
  using second = await load(kernel, {}, parse(pinned));
  assertEquals(second.maps.has("kept"), true);
});

Deno.test("a pin outside a BPF file system is refused by name", async () => {
  const kernel = new FakeKernel({ filesystems: { "/tmp/x": TMPFS_MAGIC } });
  const error = await refusal(kernel, { pinRoot: "/tmp/x" }, parse(pinned));
  assertStringIncludes(error.message, "/tmp/x is not in a BPF file system");
  assertEquals(kernel.leaks(), []);
});

Deno.test("a program whose section is unknown is refused with the section", async () => {
  const spec = parse();
  spec.programs.get("unknown").autoload = true;
  const error = await refusal(new FakeKernel(), {}, spec);
  assertEquals(error.errno, "EINVAL");
  assertStringIncludes(error.message, "its section mystery implies no program type");
});

Deno.test("a map that is not created poisons its users with its name in the error", async () => {
  const kernel = new FakeKernel({
    verify: ({ name, instructions }) => {
      const view = new DataView(instructions.buffer, instructions.byteOffset);
      for (let at = 0; at + 8 <= instructions.length; at += 8) {
        const callee = view.getInt32(at + 4, true);
        if (view.getUint8(at) === 0x85 && callee > 2_000_000_000) {
          return {
            result: -Errno.EINVAL,
            log: `${at / 8}: (85) call unknown#${callee}\ninvalid func unknown#${callee}\n`,
          };
        }
      }
      return name === "" ? { result: -Errno.EINVAL } : undefined;
    },
  });
  const spec = parse();
  spec.maps.get("counters").autocreate = false;
  const error = await refusal(kernel, {}, spec);
  assertStringIncludes(
    error.message,
    "map counters is used, but was not created (autocreate is false)",
  );
});

Deno.test("variables are set before the load and read after it", async () => {
  const spec = parse();
  spec.variables.get("answer").set(43);
  spec.variables.get("greeting").set("good bye");
  const kernel = new FakeKernel();
  using object = await load(kernel, {}, spec);
  assertEquals(object.variables.get("answer").get(), 43);
  assertEquals(object.variables.get("greeting").get(), "good bye");
  assertEquals(object.variables.get("totals").get(), { hits: 5n, flags: 7, rest: 0 });
  object.variables.get("totals").set({ hits: 6n, flags: 0, rest: 1 });
  assertEquals(object.variables.get("totals").get(), { hits: 6n, flags: 0, rest: 1 });
  let refused: unknown;
  try {
    object.variables.get("answer").set(1);
  } catch (error) {
    refused = error;
  }
  assert(refused instanceof SkepError && refused.errno === "EPERM");
});
