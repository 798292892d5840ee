import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { Btf } from "../../btf/btf.ts";
import { BtfBuilder } from "../../btf/build/builder.ts";
import { SkepError } from "../../errors/skep_error.ts";
import { FakeKernel } from "../../kernel/fake/fake.ts";
import type { FakeKernelOptions } from "../../kernel/fake/machine.ts";
import type { Kernel, MapCreate, ProgramLoad } from "../../kernel/kernel.ts";
import { ObjectSpec } from "../../object/object_spec.ts";
import congestion from "../../tests/fixtures/congestion.bpf.o" with { type: "bytes" };
import loading from "../../tests/fixtures/loading.bpf.o" with { type: "bytes" };
import { features } from "../features/features.ts";
import { kernelTypes } from "../features/kernel_btf.ts";
import { BpfObject } from "../object.ts";

/** A kernel's types, with a congestion control whose members have another order and other offsets. */
function vmlinux(
  options: { readonly withoutUndo?: boolean | undefined } = {},
): Uint8Array<ArrayBuffer> {
  const builder = new BtfBuilder();
  const int = builder.addInt("int", 4, "signed");
  const char = builder.addInt("char", 1, "char");
  const long = builder.addInt("long", 8, "signed");
  const callback = builder.addPointer(builder.addFunctionPrototype(int, []));
  const name = builder.addArray(char, int, 16);
  const member = (label: string, type: number, bytes: number) => ({
    name: label,
    type,
    bitOffset: bytes * 8,
    bitSize: 0,
  });
  const ops = builder.addStruct("tcp_congestion_ops", 48, [
    member("cong_avoid", callback, 0),
    member("ssthresh", callback, 8),
    member("key", long, 16),
    member("name", name, 24),
    ...(options.withoutUndo === true ? [] : [member("undo_cwnd", callback, 40)]),
  ]);
  builder.addStruct("bpf_struct_ops_tcp_congestion_ops", 112, [
    member("common", long, 0),
    member("data", ops, 64),
  ]);
  builder.addFunction("vfs_read", builder.addFunctionPrototype(int, []), "static");
  builder.addEnum("bpf_attach_type", 4, [
    { name: "BPF_TRACE_UPROBE_MULTI", value: 48 },
    { name: "OTHER", value: 49 },
  ]);
  return builder.build();
}

function module(base: Uint8Array, name: string): Uint8Array<ArrayBuffer> {
  const builder = new BtfBuilder({ base: Btf.parse(base) });
  builder.addFunction(name, builder.addFunctionPrototype(1, []), "static");
  return builder.build();
}

/** Creates a fake kernel whose BTF objects are modules'. */
class ModuleKernel extends FakeKernel {
  override btfInfo(fd: number): ReturnType<Kernel["btfInfo"]> {
    return { ...super.btfInfo(fd), kernel: true };
  }
}

function kernelWith(
  files: NonNullable<FakeKernelOptions["files"]>,
  options: FakeKernelOptions = {},
): ModuleKernel {
  return new ModuleKernel({ files, ...options });
}

function attributes<T>(kernel: FakeKernel, command: string): T[] {
  return kernel.calls.filter((call) => call.command === command).map((call) =>
    call.attributes as T
  );
}

const load = (kernel: FakeKernel, spec: ObjectSpec): Promise<BpfObject> =>
  BpfObject.load(spec, { kernel, token: false, jobs: 1 });
const parse = (bytes: Uint8Array): ObjectSpec => ObjectSpec.parse(bytes, { name: "x.bpf.o" });

Deno.test("a struct_ops value is laid out by the kernel's member names", async () => {
  const kernel = kernelWith({ "/sys/kernel/btf/vmlinux": vmlinux() });
  using object = await load(kernel, parse(congestion));
  const [map] = attributes<MapCreate>(kernel, "map_create");
  const types = kernelTypes(kernel).vmlinux;
  assertEquals(map?.vmlinuxValueTypeId, types.find("bpf_struct_ops_tcp_congestion_ops", "struct"));
  assertEquals(map?.valueSize, 112);
  const programs = attributes<ProgramLoad>(kernel, "prog_load");
  assertEquals(
    programs.map(({ name, expectedAttachType }) => `${name} ${expectedAttachType}`),
    ["skep_ssthresh 1", "skep_cong_avoid 0", "skep_undo_cwnd 4"],
  );
  for (const { attachBtfId } of programs) {
    assertEquals(attachBtfId, types.find("tcp_congestion_ops", "struct"));
  }
  assertEquals(kernelTypes(kernel).reads, 1);

  using links = object.attach();
  assertEquals(links.size, 1);
  const update = kernel.calls.find(({ command }) => command === "map_update_elem");
  assert(update !== undefined, "the value is written when it is attached");
});

Deno.test("a struct_ops member that the kernel lacks is an error when the object sets it", async () => {
  const kernel = kernelWith({ "/sys/kernel/btf/vmlinux": vmlinux({ withoutUndo: true }) });
  const error = await assertRejects(() => load(kernel, parse(congestion)), SkepError);
  assertEquals(error.errno, "EOPNOTSUPP");
  assertStringIncludes(error.message, "has no member undo_cwnd");
  assertEquals(kernel.leaks(), []);

  const without = parse(congestion);
  without.maps.get("skep_control").structOps?.setProgram("undo_cwnd", undefined);
  without.programs.get("skep_undo_cwnd").autoload = false;
  const other = kernelWith({ "/sys/kernel/btf/vmlinux": vmlinux({ withoutUndo: true }) });
  using object = await load(other, without);
  assertEquals(object.programs.names(), ["skep_ssthresh", "skep_cong_avoid"]);
});

Deno.test("a kernel without BTF is reported with a fix", async () => {
  const error = await assertRejects(() => load(new FakeKernel(), parse(congestion)), SkepError);
  assertEquals(error.errno, "ESRCH");
  assertStringIncludes(error.message, "CONFIG_DEBUG_INFO_BTF");
});

Deno.test("a function of a module is resolved, and the module's BTF is opened by id", async () => {
  const base = vmlinux();
  const veth = module(base, "veth_xmit");
  const kernel = kernelWith({
    "/sys/kernel/btf/vmlinux": base,
    "/sys/kernel/btf/veth": veth,
    "/sys/kernel/btf/broken": "no BTF at all",
  });
  kernel.addDescriptor({ kind: "btf", name: "other", id: 5 });
  kernel.addDescriptor({ kind: "btf", name: "veth", id: 9, bytes: veth });
  const spec = parse(loading);
  for (const program of spec.programs) program.autoload = program.name === "nowhere";
  spec.programs.get("nowhere").attachTarget = { function: "veth_xmit" };
  using _object = await load(kernel, spec);
  const [program] = attributes<ProgramLoad>(kernel, "prog_load");
  assertEquals(
    program?.attachBtfId,
    Btf.parse(veth, { base: Btf.parse(base) }).find("veth_xmit", "func"),
  );
  assert((program?.attachProgramFd ?? 0) > 0);
  assertEquals(kernel.leaks().filter((one) => one.startsWith("btf")), ["btf other", "btf veth"]);
});

Deno.test("BTF ids are tried one by one when a token may not enumerate them", () => {
  const base = vmlinux();
  const kernel = kernelWith({ "/sys/kernel/btf/vmlinux": base });
  kernel.addDescriptor({ kind: "btf", name: "veth", id: 9 });
  kernel.inject({ command: "btf_get_next_id", errno: "EPERM" });
  using found = kernelTypes(kernel).openModule("veth", 77);
  assert(found !== undefined && found.fd > 0);
  assertEquals(
    kernelTypes(kernel).openModule("veth"),
    undefined,
    "without a token there is no use",
  );
});

Deno.test("an attach target that does not exist is refused with similar names", async () => {
  const kernel = kernelWith({ "/sys/kernel/btf/vmlinux": vmlinux() });
  const spec = parse(loading);
  for (const program of spec.programs) program.autoload = program.name === "nowhere";
  spec.programs.get("nowhere").attachTarget = { function: "vfs_raed" };
  const error = await assertRejects(() => load(kernel, spec), SkepError);
  assertEquals(error.errno, "ESRCH");
  assertStringIncludes(error.message, "near it: vfs_read");
});

Deno.test("features are looked up in the kernel's enumerations", () => {
  const kernel = kernelWith({ "/sys/kernel/btf/vmlinux": vmlinux() });
  assertEquals(features(kernel).has("attach", "trace_uprobe_multi"), true);
  assertEquals(features(kernel).has("attach", "trace_kprobe_session"), false);
  assertEquals(features(kernel).has("helper", "map_lookup_elem"), false, "no such enumeration");
  assertThrows(() => features(new FakeKernel()).has("helper", "x"), SkepError, "no BTF");
});
