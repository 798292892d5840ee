import { assert, assertEquals } from "@std/assert";
import { linuxKernel } from "../kernel/mod.ts";
import { BpfObject } from "../loader/mod.ts";
import { ObjectSpec } from "../object/mod.ts";
import bytes from "../tests/fixtures/maps.bpf.o" with { type: "bytes" };
import { inCgroup, inNetworkNamespace } from "../tests/support/hooks.ts";
import { kernelTest } from "../tests/support/kernel.ts";
import { skep as run } from "../tests/support/memory_io.ts";

const kernel = linuxKernel();

type Json = null | boolean | number | string | Json[] | { [name: string]: Json };

async function output(command: string, args: readonly string[]): Promise<string> {
  const child = await new Deno.Command(command, { args: [...args], stderr: "null" }).output();
  return new TextDecoder().decode(child.stdout);
}

async function bpftool(...args: readonly string[]): Promise<Json> {
  return JSON.parse(await output("bpftool", ["-j", ...args])) as Json;
}

async function skep(...args: readonly string[]): Promise<Json> {
  const { status, out, error } = await run([...args, "--json"]);
  assertEquals([status, error], [0, ""]);
  return JSON.parse(out) as Json;
}

/** Returns the reason to skip these tests where bpftool is not installed. */
function unless(): string | undefined {
  try {
    new Deno.Command("bpftool", { args: ["version"], stdout: "null", stderr: "null" }).outputSync();
    return undefined;
  } catch {
    return "needs bpftool";
  }
}

const needs = { needs: { root: true, unless } } as const;

/** Asserts that every field of bpftool's output is present with an equal value; numbers that JSON cannot hold are text. */
function assertHas(ours: Json, theirs: Json, where: string): void {
  if (Array.isArray(theirs)) {
    assert(
      Array.isArray(ours) && ours.length === theirs.length,
      `${where}: ${JSON.stringify(ours)}`,
    );
    theirs.forEach((item, index) => assertHas(ours[index] as Json, item, `${where}[${index}]`));
  } else if (typeof theirs === "object" && theirs !== null) {
    assert(
      typeof ours === "object" && ours !== null && !Array.isArray(ours),
      `${where}: ${JSON.stringify(ours)}`,
    );
    for (const [name, value] of Object.entries(theirs)) {
      assert(Object.hasOwn(ours, name), `${where}.${name} is missing`);
      assertHas(ours[name] as Json, value, `${where}.${name}`);
    }
  } else if (typeof theirs === "number" && typeof ours === "string") {
    // This bpftool has no name for the kind.
    if (where.endsWith("type")) return;
    assertEquals(Number(ours), theirs, where);
    assert(!Number.isSafeInteger(theirs), where);
  } else assertEquals(ours, theirs, where);
}

function withoutSet(value: Json): Json {
  const record = value as { [name: string]: Json };
  const sorted = (ids: Json | undefined): Json => [...ids as number[]].sort((a, b) => a - b);
  return { ...record, prog_ids: sorted(record["prog_ids"]), map_ids: sorted(record["map_ids"]) };
}

/** Loads the fixture with the programs that run on every kernel, and elements in its maps. */
async function load(): Promise<BpfObject> {
  const spec = ObjectSpec.parse(bytes, { name: "maps.bpf.o" });
  const wanted = ["use_settings", "arguments", "look", "count_egress"];
  for (const program of spec.programs) program.autoload = wanted.includes(program.name);
  const object = await BpfObject.load(spec, { token: false });
  object.map("guarded").set(1, { first: 1n, second: 2 });
  object.map("shapes").set({ x: -1, y: 2 }, {
    name: "abc",
    mood: "MERRY",
    points: [{ x: 1, y: 2 }, { x: 3, y: 4 }],
    bytes: new Uint8Array([1, 2, 3, 255]),
    flag: true,
  });
  object.map("plain").setAll([[5n, 2n ** 64n - 1n], [6n, 7n]]);
  object.map("spread").set(
    3,
    Array.from({ length: kernel.machine.possibleCpus }, (_, x) => ({ x, y: -x })),
  );
  object.map("routes").set({ prefixLength: 8, data: new Uint8Array([10, 0, 0, 0]) }, 7);
  return object;
}

kernelTest("prog, map and btf show what bpftool shows", needs, async () => {
  using object = await load();
  for (const program of object.programs) {
    const { id, btfId } = program.info();
    const theirs = await bpftool("prog", "show", "id", `${id}`) as { loaded_at?: Json | undefined };
    const ours = await skep("prog", "show", `${id}`) as { loaded_at?: Json | undefined };
    // Both calculate it from the uptime, at different moments.
    assert(Math.abs(Number(ours.loaded_at) - Number(theirs.loaded_at)) <= 1);
    assertHas({ ...ours, loaded_at: 0 }, { ...theirs, loaded_at: 0 } as Json, program.name);
    const btf = await bpftool("btf", "show", "id", `${btfId}`);
    assertHas(withoutSet(await skep("btf", "show", `${btfId}`)), withoutSet(btf), "btf");
  }
  for (const map of object.maps) {
    const id = `${map.info().id}`;
    assertHas(await skep("map", "show", id), await bpftool("map", "show", "id", id), map.name);
  }
});

kernelTest("the lists have what bpftool's have", needs, async () => {
  using object = await load();
  const byId = (list: Json): Map<Json, Json> =>
    new Map((list as { id: Json }[]).map((item) => [item.id, item]));
  const ids = {
    prog: [...object.programs].map((program) => program.info().id),
    map: [...object.maps].map((map) => map.info().id),
  };
  for (const noun of ["prog", "map"] as const) {
    const [ours, theirs] = [byId(await skep(noun, "list")), byId(await bpftool(noun, "list"))];
    for (const id of ids[noun]) {
      // When bpftool lists maps, it prints the previous map's BTF id for a map without BTF.
      const plain = ({ loaded_at: _, btf_id: __, ...rest }: { [name: string]: Json }): Json => rest;
      const [own, their] = [ours, theirs].map((of) =>
        plain(of.get(id) as { [name: string]: Json })
      );
      assertHas(own as Json, their as Json, `${noun} ${id}`);
    }
  }
});

kernelTest("map dump has bpftool's bytes and what it makes of them", needs, async () => {
  using object = await load();
  const names = ["guarded", "shapes", "plain", "spread", "routes", ".data", ".rodata", ".bss"];
  for (const name of names) {
    const id = `${object.maps.get(name).info().id}`;
    const ours = await skep("map", "dump", id);
    assertHas(ours, await bpftool("map", "dump", "id", id), name);
    assert((ours as Json[]).length > 0);
  }
});

kernelTest("prog dump has bpftool's instructions and source lines", needs, async () => {
  using object = await load();
  const id = `${object.programs.get("use_settings").info().id}`;
  const ours = await skep("prog", "dump", id);
  const theirs = await bpftool("prog", "dump", "xlated", "id", id);
  const plain = (theirs as { proto?: Json | undefined }[]).map(({ proto: _, ...rest }) =>
    rest
  ) as Json;
  assertHas(ours, plain, "use_settings");
});

kernelTest(
  "link show has what bpftool shows, for each kind that both know",
  needs,
  () =>
    inCgroup((cgroup) =>
      inNetworkNamespace(async () => {
        using object = await load();
        const { programs } = object;
        using links = new DisposableStack();
        const made = [
          links.use(programs.get("use_settings").attach({ interface: "lo" })),
          links.use(programs.get("look").attach({ netns: "/proc/thread-self/ns/net" })),
          links.use(programs.get("count_egress").attach({ cgroup })),
        ];
        const list = await skep("link", "list") as { id: Json }[];
        for (const link of made) {
          const id = link.info()?.id ?? 0;
          const ours = await skep("link", "show", `${id}`);
          assertHas(ours, await bpftool("link", "show", "id", `${id}`), link.kind);
          assertEquals(list.find((item) => item.id === id) as Json, ours);
        }
      })
    ),
);

kernelTest("pins are listed as bpftool shows them, and removed", needs, async () => {
  const directory = "/sys/fs/bpf/skep_pins_test";
  if (kernel.filesystemType("/sys/fs/bpf") >>> 0 !== 0xcafe4a11) return;
  using object = await load();
  try {
    object.maps.get("plain").pin(`${directory}/plain`);
    object.programs.get("look").pin(`${directory}/look`);
    assertEquals(await skep("pin", "list", directory), [
      { pinned: `${directory}/look`, type: "prog" },
      { pinned: `${directory}/plain`, type: "map" },
    ]);
    const shown = await bpftool("map", "show", "pinned", `${directory}/plain`);
    assertHas(await skep("map", "show", `${directory}/plain`), shown, "pinned");
    assertEquals((await run(["pin", "remove", `${directory}/plain`])).status, 0);
    assertEquals(await skep("pin", "list", directory), [
      { pinned: `${directory}/look`, type: "prog" },
    ]);
    const refused = await run(["pin", "remove", "/etc/hostname"]);
    assertEquals(refused.status, 1);
    assert(refused.error.includes("not a BPF filesystem"), refused.error);
  } finally {
    for (const name of ["plain", "look"]) kernel.unlink(`${directory}/${name}`);
    kernel.unlink(directory);
  }
});
