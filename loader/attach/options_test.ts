import { assertEquals, assertThrows, fail } from "@std/assert";
import { FakeKernel } from "../../kernel/fake/fake.ts";
import { SkepError } from "../../errors/skep_error.ts";
import type { AttachKind } from "../../object/section/attach_spec.ts";
import { knownSections } from "../../tests/support/sections.ts";
import { sectionPlan } from "../../object/section/table.ts";
import { attachProgram } from "./attach.ts";
import type { AttachableProgram } from "./attachable.ts";
import { AttachError } from "./target/error.ts";
import { AttachMethod } from "./kind.ts";
import { attachKinds, optionsOf } from "./kinds.ts";
import type { Link } from "./link.ts";
import * as attach from "./mod.ts";
import { checkOptions } from "./options.ts";

const kinds = Object.keys(attachKinds) as AttachKind[];

function program(section: string): AttachableProgram {
  const { type, expectedAttachType, attach } = sectionPlan(section);
  const spec = { section, type, expectedAttachType, attach };
  return { kernel: new FakeKernel(), fd: 9, name: "prog", spec };
}

/** One section of each kind. */
function sections(): Map<AttachKind, string> {
  const found = new Map<AttachKind, string>();
  for (const name of knownSections()) {
    const section = name.replace("+", "");
    const { kind } = sectionPlan(section).attach;
    if (!found.has(kind)) found.set(kind, section);
  }
  return found;
}

Deno.test("each attachable kind has a public function named after it", () => {
  const wanted = kinds.filter((kind) => attachKinds[kind] instanceof AttachMethod)
    .map((kind) => `attach_${kind}`.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase()));
  const functions = Object.keys(attach).filter((name) => name.startsWith("attach"));
  assertEquals(functions.sort(), [...wanted, "attachProgram", "attachStructOps"].sort());
});

Deno.test("an option that a kind does not read is refused before any system call, with the nearest name", () => {
  const all = new Set(kinds.flatMap(optionsOf));
  for (const [kind, section] of sections()) {
    if (!(attachKinds[kind] instanceof AttachMethod)) continue;
    const read = optionsOf(kind);
    for (const option of all) {
      if (read.includes(option)) continue;
      const tried = program(section);
      const error = assertThrows(
        () => attachProgram(tried, { [option]: "x" }),
        AttachError,
        `attach prog: EINVAL: ${kind} programs read no option "${option}"`,
      );
      assertEquals(error.data["option"], option);
      assertEquals(error.data["options"], read);
      // The kernel was not called.
      assertEquals((tried.kernel as FakeKernel).calls, []);
    }
  }
  assertThrows(
    () => attachProgram(program("xdp"), { interface: "lo", cgroup: "/nope", lirc: "x" }),
    AttachError,
    'xdp programs read no option "cgroup"; leave it out; they read interface, mode, via',
  );
  assertThrows(
    () => attachProgram(program("xdp"), { [String("interfaces")]: "lo" }),
    AttachError,
    'xdp programs read no option "interfaces"; did you mean "interface"?',
  );
});

Deno.test("an option that a kind does not read is a type error where the kind is known", () => {
  const options = { interface: 1 };
  // @ts-expect-error XDP programs have no option cgroup.
  assertThrows(() => attach.attachXdp(program("xdp"), { ...options, cgroup: "/nope" }));
  // @ts-expect-error tc filters have no position options.
  assertThrows(() => attach.attachTc(program("tc"), { ...options, before: "all" }));
  // @ts-expect-error XDP programs cannot be attached by BPF_PROG_ATTACH.
  assertThrows(() => attach.attachXdp(program("xdp"), { ...options, via: "command" }));
  // AttachOptions has the options of every kind.
  const none: Exclude<keyof attach.AttachOptions, attach.AttachOptionName>[] = [];
  const noOption: never[] = none;
  assertEquals(noOption, []);
});

Deno.test("an invalid value of an option is refused", () => {
  const cases: readonly (readonly [string, object, string])[] = [
    ["xdp", { interface: 4n }, "option interface cannot be 4n; it must be a string or a number"],
    ["xdp", { mode: "drivr" }, 'option mode cannot be "drivr"; did you mean "driver"?'],
    ["xdp", { via: "command" }, 'it must be one of "link", "netlink"'],
    ["tcx/ingress", { via: "netlink" }, 'it must be one of "link", "command"'],
    ["tcx/ingress", { before: "first" }, 'it must be "all", a link, a program'],
    ["kprobe/x", { cookie: 1 }, "option cookie cannot be 1; it must be a bigint"],
    ["kprobe.multi/x", { functions: ["a", 2] }, "it must be an array of strings"],
    ["iter/cgroup", { order: "up" }, "option order cannot be"],
    ["netfilter", { hook: "toString" }, 'option hook cannot be "toString"'],
    ["cgroup/skb", { attachType: "cgroup_inet_ingres" }, 'did you mean "cgroup_inet_ingress"?'],
    ["sk_msg", { map: "sockets" }, "it must be an object with a descriptor"],
    ["uprobe", { offset: 1.5 }, "it must be an integer"],
  ];
  for (const [section, options, message] of cases) {
    assertThrows(() => attachProgram(program(section), options), AttachError, message);
  }
});

Deno.test("an option that an attach form or target does not read is refused", () => {
  const multi = { ...program("kprobe/x"), expectedAttachType: 42 };
  assertThrows(
    () => attachProgram(multi, { forceIoctl: true }),
    AttachError,
    'it was loaded for kprobe.multi, which reads no option "forceIoctl"',
  );
  assertThrows(
    () => attachProgram(program("iter/task"), { map: { fd: 3 } }),
    AttachError,
    'iter/task reads no option "map"; leave it out; it accepts pid and tid',
  );
});

/** Calls that together read every option of a kind. */
const readings: { readonly [Kind in AttachKind]: readonly (readonly [string, object])[] } = {
  none: [],
  kprobe: [
    ["kprobe", { function: "f", offset: 4, returns: true, probe: "perf", cookie: 1n }],
    ["kprobe", { address: 1n, forceIoctl: true }],
  ],
  kprobe_multi: [
    ["kprobe.multi", { functions: ["f"], cookies: [1n], returns: true }],
    ["kprobe.multi", { addresses: [1n] }],
    ["kprobe.multi", { pattern: "f*" }],
  ],
  ksyscall: [
    ["ksyscall", { syscall: "openat", returns: true, probe: "perf", cookie: 1n, forceIoctl: true }],
  ],
  uprobe: [
    ["uprobe", {
      path: "/bin/x",
      function: "f",
      version: "V1",
      offset: 4,
      returns: true,
      pid: 1,
      referenceCounterOffset: 8,
      cookie: 1n,
      forceIoctl: true,
    }],
  ],
  uprobe_multi: [
    ["uprobe.multi", {
      path: "/bin/x",
      offsets: [1n],
      cookies: [1n],
      referenceCounterOffsets: [1n],
      pid: 1,
      returns: true,
    }],
    ["uprobe.multi", { path: "/bin/x", functions: ["f"] }],
    ["uprobe.multi", { path: "/bin/x", pattern: "f" }],
  ],
  usdt: [["usdt", { path: "/bin/x", provider: "p", name: "n", cookie: 1n, pid: 1 }]],
  tracepoint: [["tp", { category: "c", tracepoint: "t", cookie: 1n, forceIoctl: true }]],
  raw_tracepoint: [["raw_tp", { tracepoint: "t", cookie: 1n }]],
  tp_btf: [["tp_btf", { cookie: 1n }]],
  fentry: [["fentry", { cookie: 1n }]],
  fexit: [["fexit", { cookie: 1n }]],
  fmod_ret: [["fmod_ret", { cookie: 1n }]],
  fsession: [["fsession", { cookie: 1n }]],
  tracing_multi: [],
  freplace: [["freplace", { replace: { program: { fd: 3, name: "p" }, btfId: 1 } }]],
  lsm: [["lsm", { cookie: 1n }]],
  lsm_cgroup: [
    ["lsm_cgroup", { cgroup: 4, before: "all", expectedRevision: 1n }],
    ["lsm_cgroup", { cgroup: 4, after: "all", via: "link" }],
    ["lsm_cgroup", { cgroup: 4, via: "command", replaceProgram: { fd: 3, name: "p" } }],
  ],
  iter: [
    ["iter", { map: { fd: 3 } }],
    ["iter/task", { tid: 1, pid: 1 }],
    ["iter/cgroup", { cgroup: 4, order: "self" }],
  ],
  tcx: [
    ["tcx/ingress", { interface: 1, direction: "egress", before: "all", expectedRevision: 1n }],
    ["tcx/ingress", { interface: 1, after: "all", via: "link" }],
    ["tcx/ingress", { interface: 1, via: "command", replaceProgram: { fd: 3, name: "p" } }],
  ],
  tc: [["tc", { interface: 1, direction: "egress", priority: 1, handle: 1 }]],
  netkit: [
    ["netkit/peer", { interface: 1, peer: false, before: "all", expectedRevision: 1n }],
    ["netkit/peer", { interface: 1, after: "all", via: "link" }],
    ["netkit/peer", { interface: 1, via: "command", replaceProgram: { fd: 3, name: "p" } }],
  ],
  xdp: [["xdp", { interface: 1, mode: "generic", via: "link" }]],
  cgroup: [
    ["cgroup/skb", {
      cgroup: 4,
      attachType: "cgroup_inet_egress",
      before: "all",
      expectedRevision: 1n,
    }],
    ["cgroup_skb/egress", { cgroup: 4, after: "all", via: "link" }],
    ["cgroup_skb/egress", { cgroup: 4, via: "command", replaceProgram: { fd: 3, name: "p" } }],
  ],
  netns: [["sk_lookup", { netns: 4 }]],
  netfilter: [["netfilter", { family: "ipv6", hook: "forward", priority: 1, defragment: true }]],
  sockmap: [["sk_skb/verdict", { map: { fd: 3 }, via: "link" }]],
  sk_msg: [["sk_msg", { map: { fd: 3 }, via: "link" }]],
  lwt: [],
  socket: [["socket", { socket: 4 }]],
  reuseport: [["sk_reuseport", { socket: 4 }]],
  perf_event: [
    ["perf_event", { event: "cpu_clock", period: 1, pid: 1, cookie: 1n, forceIoctl: true }],
    ["perf_event", { event: { type: 1, config: 0n }, frequency: 1, cpu: 0 }],
    ["perf_event", { eventFd: 4 }],
  ],
  lirc: [["lirc_mode2", { lirc: 4 }]],
  struct_ops: [],
  syscall: [],
};

Deno.test("each attach function reads exactly the options that its kind accepts", () => {
  for (const kind of kinds) {
    const method = attachKinds[kind];
    if (!(method instanceof AttachMethod)) continue;
    const seen = new Set<string>();
    for (const [section, values] of readings[kind]) {
      checkOptions("prog", kind, method.options, values);
      const options = new Proxy(values, {
        get(target, key): unknown {
          seen.add(String(key));
          return Reflect.get(target, key);
        },
        ownKeys: () => fail(`${kind} spreads its options: what it reads cannot be seen`),
      });
      const { attach: spec } = sectionPlan(section);
      assertEquals(spec.kind, kind);
      try {
        run(method, program(section), options, spec).close();
      } catch (error) {
        if (!(error instanceof SkepError)) throw error;
      }
    }
    assertEquals([...seen].sort(), [...optionsOf(kind)].sort(), kind);
  }
});

type Method = Extract<typeof attachKinds[AttachKind], { readonly run: unknown }>;

/** Returns the method's attach function; its kind is not known at compile time here. */
function run(
  { run }: Method,
  program: AttachableProgram,
  options: object,
  spec: AttachableProgram["spec"]["attach"],
): Link {
  return Reflect.apply(run, undefined, [program, options, spec]);
}
