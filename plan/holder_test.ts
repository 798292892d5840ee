import { assertEquals } from "@std/assert";
import { Btf } from "../btf/btf.ts";
import { BtfBuilder } from "../btf/build/builder.ts";
import { Delegation } from "./delegation.ts";
import { holderAccess, holderText } from "./holder.ts";

const load = Delegation.of({ commands: ["prog_load"], programs: ["socket_filter", "xdp"] });

/** Creates the BTF of a kernel with these commands, with or without bpf_rdonly_cast(). */
function kernelTypes(commands: readonly string[], cast: boolean): Btf {
  const builder = new BtfBuilder();
  builder.addEnum("bpf_cmd", 4, commands.map((name, value) => ({ name, value })));
  if (cast) builder.addFunction("bpf_rdonly_cast", builder.addFunctionPrototype(0, []), "global");
  return Btf.parse(builder.build());
}

Deno.test("without prog_load a holder sees its own maps and attaches nothing", () => {
  const { reads, attaches } = holderAccess(Delegation.of({ maps: "any", programs: "any" }));
  assertEquals([reads.memory, reads.ways, attaches], ["own", [], []]);
});

Deno.test("with prog_load a holder reads the host's memory, whatever the program types", () => {
  assertEquals(holderAccess(load).reads.memory, "host");
  assertEquals(holderAccess(load).reads.ways, ["helpers", "rdonly-cast"]);
});

Deno.test("without CAP_PERFMON it depends on the kernel, and is not known without its types", () => {
  const ways = (kernelBtf: Btf | undefined): readonly string[] =>
    holderAccess(load, { capabilities: ["bpf", "net_admin"], kernelBtf }).reads.ways;
  assertEquals(ways(undefined), ["rdonly-cast"]);
  assertEquals(ways(kernelTypes(["BPF_PROG_STREAM_READ_BY_FD"], true)), ["rdonly-cast"]);
  // Linux before 6.17, and a kernel without the function.
  assertEquals(ways(kernelTypes(["BPF_MAP_CREATE"], true)), []);
  assertEquals(ways(kernelTypes(["BPF_PROG_STREAM_READ_BY_FD"], false)), []);
  // CAP_SYS_ADMIN includes CAP_PERFMON (perfmon_capable() in the kernel).
  const admin = holderAccess(load, { capabilities: ["sys_admin"] });
  assertEquals(admin.reads.ways, ["helpers", "rdonly-cast"]);
});

Deno.test("where a holder attaches is a matter of types, the widest for one without a name", () => {
  const places = (masks: Delegation): string[] =>
    holderAccess(masks).attaches.map(({ place }) => place);
  assertEquals(places(load), ["sockets", "network-namespaces"]);
  assertEquals(places(new Delegation({ commands: 1n << 5n, programs: 1n << 63n })), ["host"]);
  assertEquals(places(Delegation.any).at(-1), "host");
});

Deno.test("what a holder can do is said in lines", () => {
  const lines = holderText(holderAccess(load));
  assertEquals(lines.length, 3);
  assertEquals(lines.map((line) => line.split(" ", 1)[0]), ["reads:", "attaches", "attaches"]);
});
