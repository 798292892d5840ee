import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { ObjectError } from "./error.ts";
import { NamedList, nearestNames } from "./named.ts";
import { dataMapName } from "../parse/data_maps.ts";

Deno.test("NamedList finds by name, in order, and lists the nearest names", () => {
  const list = new NamedList("map", "x.o", [{ name: "events" }, { name: "counts" }]);
  assertEquals(list.names(), ["events", "counts"]);
  assertEquals([list.size, list.has("counts"), list.find("no")], [2, true, undefined]);
  assertEquals([...list].length, 2);
  const error = assertThrows(() => list.get("evnets"), ObjectError);
  assertEquals(error.errno, "ENOENT");
  assertStringIncludes(error.message, "near it: events");
});

Deno.test("NamedList lists all names when they are few and none is near", () => {
  const few = new NamedList("map", "x.o", [{ name: "events" }, { name: "counts" }]);
  assertStringIncludes(
    assertThrows(() => few.get("zzzzzzzzzzzz"), ObjectError).message,
    "there is no map of this name, only events, counts",
  );
  const many = new NamedList("map", "x.o", [..."abcdefghi"].map((name) => ({ name })));
  assertEquals(
    assertThrows(() => many.get("zzzzzzzzzzzz"), ObjectError).why,
    "there is no map of this name",
  );
});

Deno.test("NamedList reports when the list is empty", () => {
  const error = assertThrows(() => new NamedList("map", "x.o", []).get("a"), ObjectError);
  assertStringIncludes(error.message, "the object has no maps");
});

Deno.test("nearestNames leaves out dissimilar names", () => {
  assertEquals(nearestNames("target_uid", ["target_pid", "zzzzzzzzzzzzzzz", "uid"]), [
    "uid",
    "target_pid",
  ]);
});

Deno.test("dataMapName follows libbpf's rule", () => {
  assertEquals(dataMapName("my_object_name", ".rodata"), "my_objec.rodata");
  assertEquals(dataMapName("my_object_name", ".bss"), "my_objec.bss");
  assertEquals(dataMapName("my_object_name", ".kconfig"), "my_obje.kconfig");
  assertEquals(dataMapName("my_object", ".data.custom_section"), ".data.custom_se");
  assertEquals(dataMapName("my-object", ".data"), "my_objec.data");
  assertEquals(dataMapName("x", ".rodata.str1.1"), ".rodata.str1.1");
});
