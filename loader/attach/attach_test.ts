import { assert, assertEquals, assertThrows } from "@std/assert";
import { FakeKernel } from "../../kernel/fake/fake.ts";
import type { LinkCreate } from "../../kernel/kernel.ts";
import { KernelError } from "../../errors/kernel_error.ts";
import { DelegationError } from "../../token/explain/delegation_error.ts";
import { sectionPlan } from "../../object/section/table.ts";
import { type AttachOptions, attachProgram } from "./attach.ts";
import { AttachError } from "./target/error.ts";
import type { Link } from "./link.ts";
import { attachPerfEvent } from "./perf_event.ts";

/** Creates a fake kernel with an interface `veth0`, a cgroup and a loaded program to attach. */
class Attaching {
  readonly kernel: FakeKernel = new FakeKernel({
    interfaces: { veth0: 4 },
    files: { "/sys/class/net/lo/ifindex": "1\n", "/sys/class/net/veth0/ifindex": "4\n" },
    // CGROUP2_SUPER_MAGIC of linux/magic.h.
    filesystems: { "/sys/fs/cgroup/x": 0x63677270 },
  });
  readonly programFd: number = this.kernel.addDescriptor({ kind: "program", name: "prog" });

  /** Arguments of every BPF_LINK_CREATE. */
  get links(): LinkCreate[] {
    return this.kernel.calls.filter(({ command }) => command === "link_create")
      .map(({ attributes }) => attributes as LinkCreate);
  }

  /** Descriptor of the cgroup. */
  cgroup(): number {
    return this.kernel.open("/sys/fs/cgroup/x");
  }

  attach(section: string, options: AttachOptions = {}): Link {
    const { type, expectedAttachType, attach } = sectionPlan(section);
    const spec = { section, type, expectedAttachType, attach };
    const program = { kernel: this.kernel, fd: this.programFd, name: "prog", spec };
    return attachProgram(program, options);
  }
}

Deno.test("attachProgram reports what a section lacks", () => {
  const cases: { readonly [section: string]: string } = {
    "xdp": 'attach prog: EINVAL: no network interface was given; attach({ interface: "NAME" })',
    "raw_tp": "no tracepoint was given",
    "kprobe": "no kernel function was given",
    "uprobe": "no executable or library was given",
    "cgroup_skb/egress": 'attach({ cgroup: "PATH" })',
    "sk_lookup": 'attach({ netns: "PATH" })',
    "netfilter": "no netfilter hook was given",
    "perf_event": "an event and either a period or a frequency",
    "socket": "no socket was given",
    "sk_msg": "no socket map was given",
    "iter/bpf_map_elem": "visits the elements of a map, and no map was given",
    "syscall": "syscall programs have no hook: run them with testRun()",
    "struct_ops/x": "struct_ops programs are registered with their map",
    "xdp/devmap": "it runs from a devmap",
    "lwt_in": "lwt programs are attached by a route",
    "kprobe.multi": "one of pattern, functions and addresses",
    "cgroup/skb": "names no attach type",
    "nonsense": 'section "nonsense" does not name a hook',
  };
  for (const [section, message] of Object.entries(cases)) {
    assertThrows(() => new Attaching().attach(section), AttachError, message);
  }
});

Deno.test("attachProgram refuses a target that cannot be parsed", () => {
  assertThrows(
    () => new Attaching().attach("tp/nocategory"),
    AttachError,
    "is not of the form category/name",
  );
});

Deno.test("attachProgram names the nearest interface", () => {
  assertThrows(
    () => new Attaching().attach("xdp", { interface: "veth1" }),
    AttachError,
    'there is no network interface "veth1"; nearest: veth0',
  );
});

Deno.test("attachProgram reports the kernel's refusal with errno and command", () => {
  const attaching = new Attaching();
  attaching.kernel.inject({ command: "link_create", errno: "EBUSY" });
  const error = assertThrows(
    () => attaching.attach("xdp", { interface: "veth0" }),
    KernelError,
    "attach prog: EBUSY: an XDP program is already attached to veth0",
  );
  assertEquals([error.command, error.stage, error.number], ["BPF_LINK_CREATE", "attach", 16]);
});

Deno.test("attachPerfEvent reports that perf events cannot be delegated", () => {
  const { kernel, programFd } = new Attaching();
  kernel.inject({ command: "perf_event_open", errno: "EACCES" });
  const { type, attach } = sectionPlan("perf_event");
  const spec = { section: "perf_event", type, attach };
  const program = { kernel, fd: programFd, name: "prog", spec };
  assertThrows(
    () => attachPerfEvent(program, { event: "cpu_clock", period: 1 }),
    DelegationError,
    "perf_event_open takes CAP_PERFMON in the initial user namespace: no token helps",
  );
});

Deno.test("attachProgram passes positions among other programs", () => {
  const attaching = new Attaching();
  const first = attaching.attach("tcx/egress", { interface: "veth0" });
  attaching.attach("tcx/egress", { interface: 4, before: first, expectedRevision: 3n });
  attaching.attach("tcx/egress", { interface: 4, after: { programId: 77 } });
  attaching.attach("cgroup_skb/egress", { cgroup: attaching.cgroup(), before: "all" });
  assertEquals(attaching.links.map(({ flags, extra }) => [flags, extra]), [
    [undefined, undefined],
    [8 | 1 << 13, {
      kind: "anchor",
      anchor: { flags: 8 | 1 << 13, relative: first.fd, expectedRevision: 3n },
    }],
    [16 | 32, {
      kind: "anchor",
      anchor: { flags: 16 | 32, relative: 77, expectedRevision: undefined },
    }],
    [8, { kind: "anchor", anchor: { flags: 8, expectedRevision: undefined } }],
  ]);
  assertThrows(
    () => attaching.attach("tcx/egress", { interface: 4, before: "all", after: "all" }),
    AttachError,
    "exclude each other",
  );
});

Deno.test("attachProgram opens a cgroup by its path and closes it again", () => {
  const attaching = new Attaching();
  attaching.attach("cgroup/connect4", { cgroup: "/sys/fs/cgroup/x" });
  const opened = attaching.kernel.calls.find(({ command }) => command === "open")?.result;
  assert(opened !== undefined && opened > 0);
  assertEquals(attaching.links[0]?.target, opened);
  assertEquals(attaching.kernel.leaks(), ["program prog", "link prog"]);
});

Deno.test("a refused BPF_PROG_ATTACH closes the descriptors opened for it", () => {
  const attaching = new Attaching();
  const cgroup = attaching.cgroup();
  const before = attaching.kernel.leaks();
  attaching.kernel.inject({ command: "prog_attach", errno: "EINVAL" });
  assertThrows(() => attaching.attach("cgroup/connect4", { cgroup, via: "command" }), KernelError);
  assert(attaching.kernel.commands().includes("duplicate"));
  assertEquals(attaching.kernel.leaks(), before);
});

Deno.test("attachProgram uses the section's pattern for multi probes unless options name places", () => {
  const attaching = new Attaching();
  attaching.attach("kprobe.multi/tcp_connect");
  attaching.attach("kprobe.multi/tcp_*", { functions: ["a", "b"], cookies: [1n, 2n] });
  assertEquals(attaching.links.map(({ extra }) => extra), [
    { kind: "kprobe-multi", flags: 0, symbols: ["tcp_connect"], cookies: undefined },
    { kind: "kprobe-multi", flags: 0, symbols: ["a", "b"], cookies: [1n, 2n] },
  ]);
  assertThrows(
    () => attaching.attach("kprobe.multi/tcp_connect", { functions: ["a"], cookies: [1n, 2n] }),
    AttachError,
    "2 cookies were given for 1",
  );
});
