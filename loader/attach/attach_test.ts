import { assertEquals, assertThrows } from "@std/assert";
import type { Kernel, LinkCreate } from "../../kernel/kernel.ts";
import { KernelError } from "../../errors/kernel_error.ts";
import { sectionPlan } from "../../object/section/table.ts";
import { type AttachOptions, attachProgram } from "./attach.ts";
import { AttachError } from "./error.ts";
import type { Link } from "./link.ts";
import { attachPerfEvent } from "./perf_event.ts";

/** A kernel that notes links and answers with what the test wants. */
class Notes {
  links: LinkCreate[] = [];
  closed: number[] = [];
  answer = 50;
  readonly kernel: Kernel;

  constructor() {
    this.kernel = {
      machine: { machine: "x86_64", release: "9.9.0", pageSize: 4096, onlineCpus: [0, 1] },
      linkCreate: (link: LinkCreate) => (this.links.push(link), this.answer),
      rawTracepointOpen: () => this.answer,
      close: (fd: number) => (this.closed.push(fd), 0),
      dup: (fd: number) => fd + 1000,
      interfaceIndex: (name: string) => name === "veth0" ? 4 : -19,
      readDirectory: (path: string) => path === "/sys/class/net" ? ["lo", "veth0"] : undefined,
      readFile: () => ({ result: -2, bytes: new Uint8Array() }),
      open: () => 30,
      perfEventOpen: () => -13,
      programAttach: () => this.answer,
      programDetach: () => 0,
    } as unknown as Kernel;
  }

  attach(section: string, options: AttachOptions = {}): Link {
    const { type, expectedAttachType, attach } = sectionPlan(section);
    const spec = {
      section,
      type,
      ...(expectedAttachType === undefined ? {} : { expectedAttachType }),
    };
    return attachProgram(this.kernel, { fd: 9, name: "prog", spec }, attach, options);
  }
}

Deno.test("attachProgram says what a section lacks", () => {
  const cases: { readonly [section: string]: string } = {
    "xdp": 'attach prog: EINVAL: no network interface was given; attach({ interface: "NAME" })',
    "raw_tp": "no tracepoint was given",
    "kprobe": "no kernel function was given",
    "uprobe": "no executable or library was given",
    "cgroup_skb/egress": 'attach({ cgroup: "PATH" })',
    "sk_lookup": 'attach({ netns: "PATH" })',
    "netfilter": "no netfilter hook was given",
    "perf_event": "an event, and either a period or a frequency",
    "socket": "no socket was given",
    "sk_msg": "no socket map was given",
    "iter/bpf_map_elem": "goes over the elements of a map, and none was given",
    "syscall": "it is run by hand",
    "struct_ops/x": "it is registered with its map",
    "xdp/devmap": "it runs from a devmap",
    "lwt_in": "it is set up by a route",
    "kprobe.multi": "one of pattern, functions and addresses",
    "cgroup/skb": "leaves the hook open",
    "nonsense": 'section "nonsense" does not say where',
  };
  for (const [section, message] of Object.entries(cases)) {
    assertThrows(() => new Notes().attach(section), AttachError, message);
  }
});

Deno.test("attachProgram says that a target's text cannot be used", () => {
  assertThrows(
    () => new Notes().attach("tp/nocategory"),
    AttachError,
    "does not read as category/name",
  );
});

Deno.test("attachProgram names the nearest interface", () => {
  assertThrows(
    () => new Notes().attach("xdp", { interface: "veth1" }),
    AttachError,
    'there is no network interface "veth1"; nearest: veth0',
  );
});

Deno.test("attachProgram gives the kernel's refusal with errno and command", () => {
  const notes = new Notes();
  notes.answer = -16;
  const error = assertThrows(
    () => notes.attach("xdp", { interface: "veth0" }),
    KernelError,
    "attach prog: EBUSY: an XDP program is attached to veth0 already",
  );
  assertEquals([error.command, error.stage, error.number], ["BPF_LINK_CREATE", "attach", 16]);
});

Deno.test("attachPerfEvent says that perf events cannot be delegated", () => {
  const spec = { section: "perf_event", type: "perf_event" } as const;
  const program = { fd: 9, name: "prog", spec };
  assertThrows(
    () => attachPerfEvent(new Notes().kernel, program, { event: "cpu_clock", period: 1 }),
    KernelError,
    "a BPF token cannot delegate it",
  );
});

Deno.test("attachProgram passes places among other programs", () => {
  const notes = new Notes();
  const first = notes.attach("tcx/egress", { interface: "veth0" });
  notes.attach("tcx/egress", { interface: 4, before: first, expectedRevision: 3n });
  notes.attach("tcx/egress", { interface: 4, after: { programId: 77 } });
  notes.attach("cgroup_skb/egress", { cgroup: 8, before: "all" });
  assertEquals(notes.links.map(({ flags, extra }) => [flags, extra]), [
    [undefined, undefined],
    [8 | 1 << 13, {
      kind: "anchor",
      anchor: { flags: 8 | 1 << 13, relative: 50, expectedRevision: 3n },
    }],
    [16 | 32, { kind: "anchor", anchor: { flags: 16 | 32, relative: 77 } }],
    [8, { kind: "anchor", anchor: { flags: 8 } }],
  ]);
  assertThrows(
    () => notes.attach("tcx/egress", { interface: 4, before: "all", after: "all" }),
    AttachError,
    "exclude one another",
  );
});

Deno.test("attachProgram opens a cgroup by its path and closes it again", () => {
  const notes = new Notes();
  notes.attach("cgroup/connect4", { cgroup: "/sys/fs/cgroup/x" });
  assertEquals(notes.links[0]?.target, 30);
  assertEquals(notes.closed, [30]);
});

Deno.test("a command attachment that is refused closes what was opened for it", () => {
  const notes = new Notes();
  notes.answer = -22;
  assertThrows(() => notes.attach("cgroup/connect4", { cgroup: 8, via: "command" }), KernelError);
  assertEquals(notes.closed, [1008]);
});

Deno.test("attachProgram gives multi probes the section's pattern unless options name places", () => {
  const notes = new Notes();
  notes.attach("kprobe.multi/tcp_connect");
  notes.attach("kprobe.multi/tcp_*", { functions: ["a", "b"], cookies: [1n, 2n] });
  assertEquals(notes.links.map(({ extra }) => extra), [
    { kind: "kprobe-multi", flags: 0, symbols: ["tcp_connect"] },
    { kind: "kprobe-multi", flags: 0, symbols: ["a", "b"], cookies: [1n, 2n] },
  ]);
  assertThrows(
    () => notes.attach("kprobe.multi/tcp_connect", { functions: ["a"], cookies: [1n, 2n] }),
    AttachError,
    "2 cookies were given for 1",
  );
});
