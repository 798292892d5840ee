import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { skep } from "../tests/support/memory_io.ts";

const root = new URL("../", import.meta.url);

/** Uses the fixture's types; each `@ts-expect-error` line must not compile. */
const use = `
import { BpfObject } from "@skep/skep";
import type { MapsObject } from "./maps.types.ts";

export async function use(): Promise<void> {
  using object = await BpfObject.load<MapsObject>("maps.bpf.o");
  const shapes = object.map("shapes");
  shapes.set({ x: 1, y: 2 }, {
    name: "a",
    mood: "MERRY",
    points: [{ x: 1, y: 2 }, { x: 3, y: 4 }],
    bytes: new Uint8Array(4),
    flag: true,
  });
  const x: number | undefined = shapes.get({ x: 1, y: 2 })?.points[0]?.x;
  object.map("guarded").set(1, { first: 1n, second: x ?? 0 });
  object.map("routes").set({ prefixLength: 8, data: new Uint8Array(4) }, 1);
  for (const [key, values] of object.map("spread")) values.map((one) => one.x + key);
  object.variable("settings").set({ ...object.variable("settings").get(), flag: false });
  // @ts-expect-error: the object has no such map
  object.map("shape");
  // @ts-expect-error: a key is a struct
  shapes.get(1);
  // @ts-expect-error: a member is missing
  shapes.set({ x: 1 }, shapes.get({ x: 1, y: 2 }));
  // @ts-expect-error: 64 bits are a bigint
  object.map("plain").set(1n, 1);
  // @ts-expect-error: the object has no such variable
  object.variable("setting");
  // @ts-expect-error: the values of the CPUs are an array
  object.map("spread").set(1, { x: 1, y: 2 });
  // @ts-expect-error: the map has no records
  object.map("plain").records();
}
`;

Deno.test("skep types: its output compiles, and keeps wrong calls from compiling", async () => {
  const directory = await Deno.makeTempDir({ prefix: "skep-types-" });
  try {
    const objects = [
      "tests/fixtures/maps.bpf.o",
      "tests/fixtures/loading.bpf.o",
      "tests/fixtures/kinds.bpf.o",
      "tests/fixtures/streams.bpf.o",
      "examples/execsnoop/execsnoop.bpf.o",
      "examples/tcp_connections/tcp_connections.bpf.o",
    ];
    const files: string[] = [];
    for (const object of objects) {
      const { status, out, error } = await skep(["types", new URL(object, root).pathname]);
      assertEquals([status, error], [0, ""]);
      const name = object.replace(/^.*\/|\.bpf\.o$/g, "");
      files.push(`${directory}/${name}.types.ts`);
      await Deno.writeTextFile(`${directory}/${name}.types.ts`, out);
    }
    files.push(`${directory}/use.ts`);
    await Deno.writeTextFile(`${directory}/use.ts`, use);
    const { success, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["check", "--quiet", "--config", new URL("deno.json", root).pathname, ...files],
      env: { NO_COLOR: "1" },
    }).output();
    assert(success, new TextDecoder().decode(stderr));
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("skep types: events are the structs that the object sends", async () => {
  const path = new URL("examples/execsnoop/execsnoop.bpf.o", root).pathname;
  const { out } = await skep(["types", path]);
  assertStringIncludes(out, "events: skep.RingBufferMap<Event>;");
  assertStringIncludes(out, "export type ExecsnoopObject = {");
});

Deno.test("skep types: a file must be named, and be an object", async () => {
  assertEquals((await skep(["types"])).status, 2);
  const { status, error } = await skep(["types", new URL("deno.json", root).pathname]);
  assertEquals(status, 1);
  assertStringIncludes(error, "deno.json");
});
