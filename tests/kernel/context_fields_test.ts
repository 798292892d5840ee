/**
 * Compares the offsets of context fields that hold pointers with the kernel's BTF.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { linuxKernel } from "../../kernel/linux/linux.ts";
import { kernelBtf } from "../../loader/mod.ts";
import { contextField } from "../../plan/context_fields.ts";
import type { ProgramTypeName } from "../../uapi/enums.ts";
import { testWith } from "../support/needs.ts";

/** The context struct of each program type, and the kinds of its pointer fields. */
const contexts: readonly (readonly [
  type: ProgramTypeName,
  struct: string,
  fields: { readonly [name: string]: string },
])[] = [
  ...(["sched_cls", "socket_filter", "cgroup_skb", "sk_skb", "lwt_xmit", "flow_dissector"] as const)
    .map((type): typeof contexts[number] => [type, "__sk_buff", {
      data: "packet",
      data_end: "packet-end",
      data_meta: "packet-meta",
      flow_keys: "flow-keys",
      sk: "socket",
    }]),
  ["xdp", "xdp_md", { data: "packet", data_end: "packet-end", data_meta: "packet-meta" }],
  ["sk_msg", "sk_msg_md", { data: "packet", data_end: "packet-end", sk: "socket" }],
  ["sk_reuseport", "sk_reuseport_md", {
    data: "packet",
    data_end: "packet-end",
    sk: "socket",
    migrating_sk: "socket",
  }],
  ["sock_ops", "bpf_sock_ops", { sk: "socket", skb_data: "packet", skb_data_end: "packet-end" }],
  ["cgroup_sock_addr", "bpf_sock_addr", { sk: "socket" }],
  ["cgroup_sockopt", "bpf_sockopt", { sk: "socket", optval: "packet", optval_end: "packet-end" }],
  ["sk_lookup", "bpf_sk_lookup", { sk: "socket" }],
  ["netfilter", "bpf_nf_ctx", { state: "object", skb: "object" }],
];

testWith("bpf", "contexts hold pointers where the kernel's types say", () => {
  const btf = kernelBtf(linuxKernel());
  for (const [type, struct, fields] of contexts) {
    const id = btf.find(struct, "struct");
    // A kernel without the subsystem has no programs of this type.
    if (id === undefined) continue;
    const offsets = new Map<string, number>();
    const collect = (at: number, base: number): void => {
      const found = btf.type(btf.resolve(at));
      assert(found.kind === "struct" || found.kind === "union");
      for (const member of found.members) {
        const offset = base + member.bitOffset / 8;
        if (member.name === "") collect(member.type, offset);
        else offsets.set(member.name, offset);
      }
    };
    collect(id, 0);
    // Fields of a union share an offset: `cookie` of bpf_sk_lookup is set by BPF_PROG_TEST_RUN only.
    const pointers = new Map(
      Object.entries(fields).map(([name, kind]) => [offsets.get(name), kind]),
    );
    for (const [name, offset] of offsets) {
      const expected = pointers.get(offset) ?? "number";
      assertEquals(contextField(type, offset, 4).kind, expected, `${struct}.${name} at ${offset}`);
    }
    for (const name of Object.keys(fields)) assert(offsets.has(name), `${struct}.${name}`);
  }
});
