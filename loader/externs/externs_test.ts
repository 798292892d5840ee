import { assert, assertEquals, assertThrows } from "@std/assert";
import { Btf } from "../../btf/btf.ts";
import { BtfBuilder } from "../../btf/build/builder.ts";
import { SkepError } from "../../errors/skep_error.ts";
import { FakeKernel } from "../../kernel/fake/fake.ts";
import type { ExternSpec, KconfigType } from "../../object/spec/spec.ts";
import { readAddresses } from "./kallsyms.ts";
import { KconfigValues } from "./kconfig.ts";
import { kernelVersion } from "./kernel_version.ts";
import { type ExternSources, resolveExterns } from "./resolve.ts";
import { kernelSources } from "./sources.ts";

function extern(
  name: string,
  kind: ExternSpec["kind"],
  more: Partial<ExternSpec> = {},
): ExternSpec {
  return {
    name,
    kind,
    weak: false,
    typeId: 0,
    btfId: 0,
    essentialName: name.replace(/___.*$/, ""),
    index: 0,
    offset: 0,
    size: 0,
    ...more,
  };
}

function kconfig(
  name: string,
  kind: KconfigType["kind"],
  size: number,
  more: Partial<ExternSpec> & { signed?: boolean | undefined } = {},
): ExternSpec {
  const { signed = false, ...rest } = more;
  return extern(name, "kconfig", { size, kconfig: { kind, signed }, ...rest });
}

/** Returns sources that fail the test when a source that is not set is read. */
function sources(given: Partial<ExternSources>): ExternSources {
  const unasked = (what: string) => (): never => {
    throw new Error(`${what} was read without need`);
  };
  return {
    kconfig: unasked("the configuration"),
    kernelVersion: unasked("the version"),
    hasBpfCookie: unasked("bpf_cookie"),
    hasSyscallWrapper: unasked("the wrapper"),
    kallsyms: unasked("kallsyms"),
    symbols: unasked("kernel BTF"),
    ...given,
  };
}

const encode = (text: string): Uint8Array => new TextEncoder().encode(text);

/** Reads one configuration line into one extern and returns its bytes. */
function read(spec: ExternSpec, line: string): number[] {
  const values = new KconfigValues([spec]);
  values.read(line, "test");
  assertEquals(values.has(spec), true, line);
  return [...values.bytes];
}

Deno.test("kconfig values of every type", () => {
  assertEquals(read(kconfig("CONFIG_X", "bool", 1), "CONFIG_X=y"), [1]);
  assertEquals(read(kconfig("CONFIG_X", "bool", 1), "CONFIG_X=n"), [0]);
  assertEquals(read(kconfig("CONFIG_X", "tristate", 4), "CONFIG_X=m"), [1, 0, 0, 0]);
  assertEquals(read(kconfig("CONFIG_X", "tristate", 4), "CONFIG_X=y"), [2, 0, 0, 0]);
  assertEquals(read(kconfig("CONFIG_X", "char", 1), "CONFIG_X=m"), [0x6d]);
  assertEquals(read(kconfig("CONFIG_X", "char", 1), "CONFIG_X=7"), [7]);
  assertEquals(read(kconfig("CONFIG_X", "int", 4), "CONFIG_X=1000"), [0xe8, 3, 0, 0]);
  assertEquals(read(kconfig("CONFIG_X", "int", 2), "CONFIG_X=0xffff"), [255, 255]);
  assertEquals(read(kconfig("CONFIG_X", "int", 2), "CONFIG_X=010"), [8, 0]);
  assertEquals(read(kconfig("CONFIG_X", "int", 2, { signed: true }), "CONFIG_X=-2"), [254, 255]);
  assertEquals(
    read(kconfig("CONFIG_X", "int", 8), "CONFIG_X=0xffffffffffffffff"),
    Array(8).fill(255),
  );
  assertEquals(read(kconfig("CONFIG_X", "text", 4), 'CONFIG_X="ab"'), [0x61, 0x62, 0, 0]);
  assertEquals(read(kconfig("CONFIG_X", "text", 4), 'CONFIG_X=""'), [0, 0, 0, 0]);
  // Truncated, with its NUL.
  assertEquals(read(kconfig("CONFIG_X", "text", 4), 'CONFIG_X="abcdef"'), [0x61, 0x62, 0x63, 0]);
});

Deno.test("kconfig values that do not fit the declared type are refused", () => {
  const refused: readonly [ExternSpec, string, string][] = [
    [kconfig("CONFIG_X", "bool", 1), "m", "EINVAL"],
    [kconfig("CONFIG_X", "bool", 1), "1", "EINVAL"],
    [kconfig("CONFIG_X", "bool", 1), '"y"', "EINVAL"],
    [kconfig("CONFIG_X", "int", 4), "y", "EINVAL"],
    [kconfig("CONFIG_X", "int", 4), "12x", "EINVAL"],
    [kconfig("CONFIG_X", "int", 4), "0x1ffffffff", "EINVAL"],
    [kconfig("CONFIG_X", "int", 2), "65536", "EINVAL"],
    [kconfig("CONFIG_X", "int", 2), "-1", "EINVAL"],
    [kconfig("CONFIG_X", "int", 2, { signed: true }), "32768", "EINVAL"],
    [kconfig("CONFIG_X", "int", 8), "0x1ffffffffffffffff", "EINVAL"],
    [kconfig("CONFIG_X", "tristate", 4), "2", "EINVAL"],
    [kconfig("CONFIG_X", "text", 4), "y", "EINVAL"],
    [kconfig("CONFIG_X", "text", 4), '"open', "EINVAL"],
    [kconfig("CONFIG_X", "text", 4), '"', "EINVAL"],
    [kconfig("CONFIG_X", "int", 4), "", "EINVAL"],
  ];
  for (const [spec, value, errno] of refused) {
    const values = new KconfigValues([spec]);
    const error = assertThrows(() => values.read(`CONFIG_X=${value}`, "test"), SkepError);
    assertEquals(error.errno, errno, `${spec.kconfig?.kind} ${value}`);
  }
});

Deno.test("the first of several configurations takes precedence; other lines are ignored", () => {
  const a = kconfig("CONFIG_A", "int", 4);
  const b = kconfig("CONFIG_B", "int", 4, { offset: 4 });
  const resolved = resolveExterns(
    [a, b],
    undefined,
    sources({
      kconfigText: "CONFIG_A=1\n",
      kconfig: () => ({
        text: encode("# CONFIG_B is not set\n\nCONFIG_AB=5\nCONFIG_A=2\nCONFIG_B=3\nCONFIG_B=4"),
        path: "/boot/config",
      }),
    }),
  );
  assertEquals(resolved.kconfig, Uint8Array.of(1, 0, 0, 0, 3, 0, 0, 0));
  assertEquals(resolved.find("CONFIG_B"), { kind: "kconfig", offset: 4 });
});

Deno.test("the kernel's configuration is not read when the user's has all", () => {
  const resolved = resolveExterns(
    [kconfig("CONFIG_A", "bool", 1)],
    undefined,
    sources({ kconfigText: "CONFIG_A=y" }),
  );
  assertEquals(resolved.kconfig, Uint8Array.of(1));
});

Deno.test("virtual options are computed; unknown ones are accepted only if weak", () => {
  const given = sources({
    kernelVersion: () => 0x060c05,
    hasBpfCookie: () => true,
    hasSyscallWrapper: () => false,
  });
  const resolved = resolveExterns(
    [
      kconfig("LINUX_KERNEL_VERSION", "int", 4),
      kconfig("LINUX_HAS_BPF_COOKIE", "bool", 1, { offset: 4 }),
      kconfig("LINUX_HAS_SYSCALL_WRAPPER", "bool", 1, { offset: 5 }),
      kconfig("LINUX_HAS_WINGS", "bool", 1, { offset: 6, weak: true }),
    ],
    undefined,
    given,
  );
  assertEquals(resolved.kconfig, Uint8Array.of(5, 12, 6, 0, 1, 0, 0));
  for (const name of ["LINUX_HAS_WINGS", "MY_OPTION"]) {
    const error = assertThrows(
      () => resolveExterns([kconfig(name, "bool", 1)], undefined, given),
      SkepError,
    );
    assertEquals(error.errno, "EINVAL");
  }
});

Deno.test("a system call wrapper is reported if BTF has it and the kernel has kprobes", () => {
  const builder = new BtfBuilder();
  const int = builder.addInt("int", 4, "signed");
  builder.addFunction("__x64_sys_bpf", builder.addFunctionPrototype(int, []), "static");
  const wrapped = Btf.parse(builder.build());
  const none = Btf.parse(new BtfBuilder().build());
  const ask = (vmlinux: Btf, ...eventSources: string[]): boolean => {
    const files = eventSources.map((name) => [`/sys/bus/event_source/devices/${name}/type`, "1\n"]);
    const kernel = new FakeKernel({ files: Object.fromEntries(files) });
    return kernelSources({ kernel, vmlinux: () => vmlinux, modules: () => [] }).hasSyscallWrapper();
  };
  assertEquals(ask(wrapped, "software", "kprobe"), true);
  assertEquals(ask(none, "software", "kprobe"), false);
  // As libbpf, which detects the wrapper by a kprobe.
  assertEquals(ask(wrapped, "software"), false);
  // Without sysfs, as in a container.
  assertEquals(ask(wrapped), true);
});

Deno.test("a strong option that is not set is ESRCH, a weak one 0, no configuration at all EINVAL", () => {
  const empty = sources({ kconfig: () => ({ text: encode(""), path: "/proc/config.gz" }) });
  const weak = kconfig("CONFIG_A", "int", 4, { weak: true });
  assertEquals(resolveExterns([weak], undefined, empty).kconfig, new Uint8Array(4));
  const strong = assertThrows(
    () => resolveExterns([kconfig("CONFIG_A", "int", 4)], undefined, empty),
    SkepError,
    "resolve extern CONFIG_A: ESRCH: the kernel's configuration does not set it",
  );
  assertEquals(strong.stage, "relocate");
  const none = sources({ kconfig: () => undefined });
  const error = assertThrows(() => resolveExterns([weak], undefined, none), SkepError);
  assertEquals(error.errno, "EINVAL");
});

Deno.test("LINUX_KERNEL_VERSION is the upstream version on Ubuntu and Debian", () => {
  const release = "5.4.0-12-generic";
  const version = "#15-Ubuntu SMP";
  assertEquals(kernelVersion({ release: "6.18.44-fc", version: "#1 SMP" }), 0x06122c);
  assertEquals(kernelVersion({ release, version }), 0x050400);
  assertEquals(
    kernelVersion({ release, version, signature: "Ubuntu 5.4.0-12.15-generic 5.4.8\n" }),
    0x050408,
  );
  assertEquals(
    kernelVersion({ release: "4.19.0-27-amd64", version: "#1 SMP Debian 4.19.316-1 (2024-06-25)" }),
    0x0413ff,
  );
  assertEquals(kernelVersion({ release: "next", version: "" }), undefined);
});

const KALLSYMS = encode(`ffffffff81000000 T _text
0000000000000000 A fixed_percpu_data
ffffffff81000010 t twice
ffffffff81000020 t twice
ffffffff81000030 t same
ffffffff81000030 T same
ffffffff82000000 d counter.llvm.123456
ffffffff82000008 t function.llvm.123456
ffffffffc0000000 b in_module	[nf_tables]
ffffffff83000000 B last`);

Deno.test("addresses come from kallsyms, through LTO suffixes of data and with modules", () => {
  const names = ["_text", "counter", "function", "in_module", "last", "tex", "fixed_percpu_data"];
  const { found, hidden } = readAddresses(KALLSYMS, names);
  assertEquals(hidden, false);
  assertEquals([...found].sort(), [
    ["_text", [0xffffffff81000000n]],
    ["counter", [0xffffffff82000000n]],
    ["fixed_percpu_data", [0n]],
    ["in_module", [0xffffffffc0000000n]],
    ["last", [0xffffffff83000000n]],
  ]);
});

Deno.test("typeless symbols: one address, none, several", () => {
  const given = sources({ kallsyms: () => KALLSYMS });
  const resolve = (name: string, weak = false) =>
    resolveExterns([extern(name, "ksym-typeless", { weak })], undefined, given).find(name);
  assertEquals(resolve("_text"), { kind: "address", address: 0xffffffff81000000n });
  assertEquals(resolve("same"), { kind: "address", address: 0xffffffff81000030n });
  assertEquals(resolve("nowhere", true)?.kind, "unresolved");
  assertEquals(assertThrows(() => resolve("nowhere"), SkepError).errno, "ESRCH");
  const ambiguous = assertThrows(() => resolve("twice", true), SkepError);
  assert(ambiguous.message.includes("0xffffffff81000010, 0xffffffff81000020"));
  assertEquals(ambiguous.errno, "EINVAL");
});

Deno.test("addresses that the kernel hides do not resolve to 0", () => {
  const zeros = encode("0000000000000000 T _text\n0000000000000000 B last\n");
  const given = sources({ kallsyms: () => zeros });
  const error = assertThrows(
    () => resolveExterns([extern("_text", "ksym-typeless")], undefined, given),
    SkepError,
    "the kernel hides its addresses from this process",
  );
  assertEquals(error.errno, "EPERM");
  const weak = extern("_text", "ksym-typeless", { weak: true });
  assertEquals(resolveExterns([weak], undefined, given).find("_text")?.kind, "unresolved");
  const none = sources({ kallsyms: () => undefined });
  assertThrows(() => resolveExterns([extern("x", "ksym-typeless")], undefined, none), SkepError);
});

Deno.test("malformed kallsyms lines are ignored", () => {
  for (const text of ["", "\n\n", "x", "ffff", "ffff T", "ffff T ", "zzzz T a\n", "ffff T a"]) {
    readAddresses(encode(text), ["a"]);
  }
  assertEquals([...readAddresses(encode("ffff T a"), ["a"]).found], [["a", [0xffffn]]]);
});

/** vmlinux and a module with variables and functions, and an object that declares some. */
function kernelAndObject(): {
  readonly local: Btf;
  readonly ids: Record<"variable" | "acquire" | "inModule" | "uint" | "good" | "bad", number>;
  readonly given: ExternSources;
} {
  const kernel = new BtfBuilder();
  const int = kernel.addInt("int", 4, "signed");
  const pointer = kernel.addPointer(int);
  const variable = kernel.add({ kind: "var", name: "runqueues", type: int, linkage: "global" });
  const proto = kernel.addFunctionPrototype(int, [{ name: "p", type: pointer }]);
  const acquire = kernel.addFunction("bpf_acquire", proto, "static");
  const vmlinux = Btf.parse(kernel.build(), { name: "vmlinux" });
  const split = new BtfBuilder({ base: vmlinux });
  const inModule = split.addFunction("bpf_ct_lookup", proto, "static");
  const module = Btf.parse(split.build(), { base: vmlinux, name: "nf_conntrack" });

  const own = new BtfBuilder();
  const uint = own.addInt("unsigned int", 4, "unsigned");
  const good = own.addFunctionPrototype(uint, [{ name: "", type: own.addPointer(uint) }]);
  const bad = own.addFunctionPrototype(uint, []);
  const local = Btf.parse(own.build(), { name: "object" });
  return {
    local,
    ids: { variable, acquire, inModule, uint, good, bad },
    given: sources({
      symbols: () => ({ vmlinux, modules: () => [{ name: "nf_conntrack", btf: module }] }),
    }),
  };
}

Deno.test("typed symbols and kfuncs are found in vmlinux and in modules, flavors aside", () => {
  const { local, ids, given } = kernelAndObject();
  const resolved = resolveExterns(
    [
      extern("runqueues", "ksym-typed", { typeId: ids.uint }),
      extern("bpf_acquire___mine", "kfunc", { typeId: ids.good }),
      extern("bpf_ct_lookup", "kfunc", { typeId: ids.good }),
      extern("bpf_new", "kfunc", { typeId: ids.good, weak: true }),
      extern("bpf_acquire", "kfunc", { typeId: ids.bad, weak: true }),
      extern("nowhere", "ksym-typed", { typeId: ids.uint, weak: true }),
    ],
    local,
    given,
  );
  assertEquals(resolved.find("runqueues"), { kind: "ksym", btfId: ids.variable });
  assertEquals(resolved.find("bpf_acquire___mine"), { kind: "kfunc", btfId: ids.acquire });
  assertEquals(resolved.find("bpf_ct_lookup"), {
    kind: "kfunc",
    btfId: ids.inModule,
    module: "nf_conntrack",
  });
  for (const name of ["bpf_new", "bpf_acquire", "nowhere"]) {
    assertEquals(resolved.find(name)?.kind, "unresolved", name);
  }
});

Deno.test("strong typed symbols that are missing or of another type are EINVAL", () => {
  const { local, ids, given } = kernelAndObject();
  const refused: readonly [ExternSpec, string][] = [
    [extern("bpf_new", "kfunc", { typeId: ids.good }), "has a kfunc bpf_new"],
    [
      extern("bpf_acquire", "kfunc", { typeId: ids.bad }),
      "the kernel's bpf_acquire is a function of 1 parameters, and the object declares a function of 0",
    ],
    [extern("nowhere", "ksym-typed", { typeId: ids.uint }), "has a variable nowhere"],
    [extern("runqueues", "ksym-typed", { typeId: ids.good, weak: true }), "is int int"],
  ];
  for (const [spec, message] of refused) {
    const error = assertThrows(() => resolveExterns([spec], local, given), SkepError, message);
    assertEquals(error.errno, "EINVAL");
  }
});

Deno.test("an extern of the wrong type is reported before a missing one", () => {
  const { local, ids, given } = kernelAndObject();
  const error = assertThrows(() =>
    resolveExterns(
      [
        kconfig("CONFIG_A", "int", 4),
        extern("bpf_new", "kfunc", { typeId: ids.good }),
      ],
      local,
      { ...given, kconfig: () => ({ text: encode(""), path: "config" }) },
    ), SkepError);
  assertEquals(error.subject, "bpf_new");
});
