import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { ObjectSpec } from "../object/object_spec.ts";
import type { MapSpec, ProgramSpec } from "../object/spec/spec.ts";
import jumpTables from "../tests/fixtures/clang22_v4/jump_tables.bpf.o" with { type: "bytes" };
import { plan } from "./plan.ts";
import type { Plannable } from "./plannable.ts";

function map(name: string, type: MapSpec["type"], more: Partial<MapSpec> = {}): MapSpec {
  return {
    name,
    kernelName: name,
    origin: "maps",
    section: ".maps",
    type,
    keySize: 4,
    valueSize: 4,
    maxEntries: 1,
    flags: 0,
    numaNode: 0,
    mapExtra: 0n,
    pinning: "none",
    keyTypeId: 0,
    valueTypeId: 0,
    slots: [],
    contents: undefined,
    zeroed: true,
    index: 0,
    autocreate: true,
    autoattach: true,
    ...more,
  };
}

const RETURN: readonly number[] = [0xb7, 0, 0, 0, 0, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0];

function call(helper: number): number[] {
  return [0x85, 0, 0, 0, helper, 0, 0, 0];
}

function program(
  name: string,
  type: ProgramSpec["type"],
  more: Partial<ProgramSpec> = {},
  code: readonly number[] = RETURN,
): ProgramSpec {
  return {
    name,
    section: type,
    type,
    flags: 0,
    attach: { kind: "none", attachable: "no" },
    autoload: true,
    autoattach: true,
    instructions: new Uint8Array(code),
    sectionOffset: 0,
    ...more,
  };
}

function object(
  maps: readonly MapSpec[],
  programs: readonly ProgramSpec[],
  more: Partial<Plannable> = {},
): Plannable {
  return { name: "x.bpf.o", maps, programs, ...more };
}

Deno.test("plan asks for exactly what an object needs", () => {
  const need = plan(object([map("counts", "hash"), map(".bss", "array", { origin: "bss" })], [
    program("count", "xdp", { expectedAttachType: "xdp" }),
  ]));
  assertEquals(
    need.toMountOptions(),
    "delegate_cmds=map_create:prog_load,delegate_maps=hash:array,delegate_progs=xdp,delegate_attachs=xdp",
  );
  assertEquals(need.capabilities, ["bpf", "net_admin"]);
  assertEquals(need.holder.attaches.map(({ place }) => place), ["network-namespaces"]);
});

Deno.test("plan passes over maps that are not created and programs that are not loaded", () => {
  const need = plan(object([map("a", "hash", { autocreate: false })], [
    program("b", "kprobe", { autoload: false }),
  ]));
  assert(need.delegation.empty);
  assertEquals(need.capabilities, []);
  assertEquals(need.notes.map(({ text }) => text), [
    "nothing is loaded, so nothing has to be delegated",
  ]);
});

Deno.test("plan takes no attach type for cgroup_inet_ingress, as the kernel does", () => {
  const need = plan(object([], [program("filter", "socket_filter")]));
  assertEquals(need.attachments, ["cgroup_inet_ingress"]);
  assertEquals(need.holder.attaches.map(({ place }) => place), ["sockets"]);
});

Deno.test("plan applies the kernel's fix-ups of attach types", () => {
  assertEquals(plan(object([], [program("a", "cgroup_sock")])).attachments, [
    "cgroup_inet_sock_create",
  ]);
  assertEquals(plan(object([], [program("a", "sk_reuseport")])).attachments, [
    "sk_reuseport_select",
  ]);
});

Deno.test("plan counts the types of maps within maps, to any depth", () => {
  const inner = map("in", "lpm_trie", { origin: "inner" });
  const need = plan(object([
    map("out", "hash_of_maps", { inner: map("mid", "array_of_maps", { origin: "inner", inner }) }),
  ], []));
  assertEquals(need.maps, ["lpm_trie", "array_of_maps", "hash_of_maps"]);
});

Deno.test("plan passes over a map type that no mask has a bit for, and says so", () => {
  const need = plan(object([map("far", 570425345)], []));
  assertEquals(need.maps, []);
  assert(need.notes.some(({ subject, text }) => subject === "far" && text.includes("570425345")));
});

Deno.test("plan knows the maps that take CAP_NET_ADMIN", () => {
  for (const type of ["devmap", "devmap_hash", "sockmap", "sockhash", "xskmap"] as const) {
    assertEquals(plan(object([map("m", type)], [])).capabilities, ["bpf", "net_admin"], type);
  }
  assertEquals(plan(object([map("m", "cpumap")], [])).capabilities, ["bpf"]);
});

Deno.test("plan sees the helpers that take CAP_PERFMON or CAP_SYS_ADMIN", () => {
  const perfmon = program("a", "xdp", {}, [...call(6), ...RETURN]);
  assertEquals(plan(object([], [perfmon])).capabilities, ["bpf", "net_admin", "perfmon"]);
  const admin = program("a", "kprobe", {}, [...call(36), ...RETURN]);
  assertEquals(plan(object([], [admin])).capabilities, ["bpf", "perfmon", "sys_admin"]);
});

Deno.test("plan looks at the helpers of functions that programs call", () => {
  const need = plan(object([], [program("a", "socket_filter")], {
    subprograms: [{ name: "f", instructions: new Uint8Array([...call(113), ...RETURN]) }],
  }));
  assertEquals(need.capabilities, ["bpf", "perfmon"]);
  const reason = need.reasons.find(({ word }) => word === "CAP_PERFMON");
  assertEquals(reason?.because, ["function f calls probe_read_kernel"]);
});

Deno.test("plan does not take a number within a 64-bit constant for a call", () => {
  const load = [0x18, 0, 0, 0, 0, 0, 0, 0, 0x85, 0, 0, 0, 36, 0, 0, 0];
  const need = plan(object([], [program("a", "socket_filter", {}, [...load, ...RETURN])]));
  assertEquals(need.capabilities, ["bpf"]);
});

Deno.test("plan says that CAP_PERFMON may be needed for a loop that speculation may not end", () => {
  const start = [0xb7, 6, 0, 0, 0, 0, 0, 0];
  const loop = [0x07, 6, 0, 0, 1, 0, 0, 0, 0xa5, 6, 0xfe, 0xff, 10, 0, 0, 0];
  const need = plan(
    object([], [program("a", "socket_filter", {}, [...start, ...loop, ...RETURN])]),
  );
  const because =
    "program a counts a loop with known numbers, which a speculative path may not leave (instruction 2)";
  assertEquals(need.capabilities, ["bpf"]);
  assertEquals(need.maybe, [{ capability: "perfmon", because: [because] }]);
  assertEquals(need.toJSON()["maybe"], [{ capability: "perfmon", because: [because] }]);
  const note = need.notes.find(({ subject }) => subject === "CAP_PERFMON");
  assertStringIncludes(note?.text ?? "", because);
  assertEquals(plan(object([], [program("a", "kprobe", {}, [...loop, ...RETURN])])).maybe, []);
});

Deno.test("plan names CAP_PERFMON where the verifier allows an instruction to its holders alone", () => {
  // r2 = *(u32 *)(r1 + 0); r3 = *(u32 *)(r1 + 4); r3 -= r2
  const code = [
    0x61,
    0x12,
    0,
    0,
    0,
    0,
    0,
    0,
    0x61,
    0x13,
    4,
    0,
    0,
    0,
    0,
    0,
    0x1f,
    0x23,
    0,
    0,
    0,
    0,
    0,
    0,
  ];
  const need = plan(object([], [program("a", "xdp", {}, [...code, ...RETURN])]));
  assertEquals(need.capabilities, ["bpf", "net_admin", "perfmon"]);
  assertEquals(need.maybe, []);
  assertEquals(need.reasons.find(({ word }) => word === "CAP_PERFMON")?.because, [
    "program a subtracts a pointer into the packet from the pointer to the packet's end (instruction 2)",
  ]);
});

Deno.test("plan warns about attach types that restrict nothing", () => {
  const warnings = (spec: ProgramSpec): string[] =>
    plan(object([], [spec])).notes
      .filter(({ level, subject }) => level === "warning" && subject !== "reads")
      .map(({ text }) => text);
  assert(
    warnings(program("a", "xdp", { expectedAttachType: "xdp" }))[0]?.includes("restricts nothing"),
  );
  assertEquals(warnings(program("a", "sk_lookup", { expectedAttachType: "sk_lookup" })), []);
});

Deno.test("plan says in what form a probe can be attached with a token", () => {
  const need = plan(object([], [
    program("probe", "kprobe", {
      section: "kprobe/do_exit",
      attach: {
        kind: "kprobe",
        attachable: "target-named",
        function: "do_exit",
        offset: 0,
        returns: false,
      },
    }),
  ]));
  const note = need.notes.find(({ subject }) => subject === "probe");
  assertStringIncludes(note?.text ?? "", "kprobe.multi");
});

Deno.test("plan says where a holder attaches, by the types alone", () => {
  const places = (type: ProgramSpec["type"], more: Partial<ProgramSpec> = {}): string =>
    plan(object([], [program("a", type, more)])).holder.attaches.map(({ place }) => place).join();
  assertEquals(places("sk_msg"), "sockets");
  assertEquals(places("sched_cls"), "network-namespaces");
  assertEquals(places("cgroup_skb"), "cgroups");
  assertEquals(places("lsm", { expectedAttachType: "lsm_cgroup" }), "cgroups");
  assertEquals(places("lsm", { expectedAttachType: "lsm_mac" }), "host");
  assertEquals(places("tracing"), "host");
  assertEquals(places("syscall"), "none");
});

Deno.test("plan combines objects", () => {
  const need = plan([
    object([map("a", "hash")], []),
    object([], [program("b", "cgroup_skb", { expectedAttachType: "cgroup_inet_egress" })]),
  ]);
  assertEquals(
    need.toMountOptions(),
    "delegate_cmds=map_create:prog_load,delegate_maps=hash,delegate_progs=cgroup_skb,delegate_attachs=cgroup_inet_egress",
  );
});

Deno.test("plan asks for BTF by id where a program attaches to another", () => {
  const need = plan(object([], [program("a", "ext")]));
  assertEquals(need.commands, ["prog_load", "btf_load", "btf_get_fd_by_id"]);
  assert(need.capabilities.includes("sys_admin"));
});

Deno.test("the libbpf profile adds what libbpf's probes need", () => {
  const spec = object([map(".bss", "array", { origin: "bss" })], [
    program("a", "xdp", { expectedAttachType: "xdp" }),
  ]);
  const own = plan(spec);
  const theirs = plan(spec, { profile: "libbpf" });
  assert(theirs.delegation.covers(own.delegation));
  assertEquals(theirs.programs, ["socket_filter", "xdp", "cgroup_sock"]);
  assertEquals(theirs.attachments, ["cgroup_inet_ingress", "cgroup_inet_sock_create", "xdp"]);
});

Deno.test("a plan is written in the words of those who grant it", () => {
  const need = plan(object([map("a", "lru_percpu_hash"), map("b", "array")], [
    program("c", "cgroup_sock_addr", { expectedAttachType: "cgroup_inet4_connect" }),
  ]));
  assertEquals(
    need.toSystemd(),
    `[Service]
PrivateUsers=yes
PrivateMounts=yes
DelegateNamespaces=mnt
PrivateBPF=yes
BPFDelegateCommands=BPFMapCreate,BPFProgLoad
BPFDelegateMaps=BPFMapTypeArray,BPFMapTypeLruPercpuHash
BPFDelegatePrograms=BPFProgTypeCgroupSockAddr
BPFDelegateAttachments=BPFCgroupInet4Connect
`,
  );
  assertEquals(
    need.toIncus(),
    `security.bpffs.delegate_cmds=map_create,prog_load
security.bpffs.delegate_maps=array,lru_percpu_hash
security.bpffs.delegate_progs=cgroup_sock_addr
security.bpffs.delegate_attachs=cgroup_inet4_connect
`,
  );
  assertEquals(
    need.toLxd(),
    `security.delegate_bpf=true
security.delegate_bpf.cmd_types=map_create:prog_load
security.delegate_bpf.map_types=array:lru_percpu_hash
security.delegate_bpf.prog_types=cgroup_sock_addr
security.delegate_bpf.attach_types=cgroup_inet4_connect
`,
  );
  assertEquals(
    need.toHex(),
    "delegate_cmds=0x21,delegate_maps=0x404,delegate_progs=0x40000,delegate_attachs=0x400",
  );
});

Deno.test("a plan's JSON is stable and says why", () => {
  const spec = (): Plannable => object([map("a", "hash")], [program("b", "xdp")]);
  const json = plan(spec()).toJSON();
  assertEquals(json, plan(spec()).toJSON());
  assertEquals(json["masks"], {
    delegate_cmds: "0x21",
    delegate_maps: "0x2",
    delegate_progs: "0x40",
    delegate_attachs: "0x1",
  });
  assertEquals(JSON.parse(JSON.stringify(json)), json);
});

Deno.test("jump tables count as maps of their own", () => {
  const spec = ObjectSpec.parse(jumpTables, { name: "jump_tables.bpf.o" });
  const whole = plan(spec);
  assertEquals(
    whole.toMountOptions(),
    "delegate_cmds=map_create:prog_load:btf_load,delegate_maps=array:insn_array," +
      "delegate_progs=syscall,delegate_attachs=cgroup_inet_ingress",
  );
  for (const program of spec.programs) program.autoload = false;
  assert(!plan(spec).toMountOptions().includes("insn_array"));
});
