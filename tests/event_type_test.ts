import { assert, assertEquals } from "@std/assert";
import { eventTypes } from "../object/events/event_type.ts";
import { ObjectSpec } from "../object/object_spec.ts";
import { testWith } from "./support/needs.ts";

/** Returns the names of the event types of an object's maps. */
function typesOf(path: string): { [map: string]: string } {
  const spec = ObjectSpec.parse(Deno.readFileSync(new URL(path, import.meta.url)), { name: path });
  const { btf } = spec;
  assert(btf !== undefined);
  return Object.fromEntries([...eventTypes(spec)].map(([map, id]) => [map, btf.nameOf(id)]));
}

Deno.test("eventTypes reads the tag on a map", () => {
  assertEquals(typesOf("../examples/execsnoop/execsnoop.bpf.o"), { events: "event" });
});

Deno.test("eventTypes tells an untagged map's type by the size that programs write", () => {
  // The map `perf` has no tag: its programs write 64 bytes, and one struct in their BTF has that size.
  assertEquals(typesOf("fixtures/streams.bpf.o"), { ring: "event", perf: "event" });
});

Deno.test("eventTypes has nothing to say of an object without event maps", () => {
  assertEquals(typesOf("fixtures/hooks.bpf.o"), {});
});

testWith("corpus", "eventTypes takes no type of the kernel's for an event's", () => {
  const folder = new URL("../../shared/corpus/objs/libbpf-tools.bookworm/", import.meta.url);
  const found: { [file: string]: string } = {};
  for (const { name } of Deno.readDirSync(folder)) {
    const type = typesOf(`${folder.href}${name}`)["events"];
    if (type !== undefined) found[name.split(".", 1)[0] as string] = type;
  }
  // In these objects many kernel structs have the size of an event.
  assertEquals(found, {
    capable: "cap_event",
    gethostlatency: "event",
    sigsnoop: "event",
    solisten: "event",
  });
});
