/**
 * A child process for lifetime tests: attaches programs of many kinds, prints their ids, and ends
 * as requested: by waiting to be killed, by an uncaught error, or by leaving its scope.
 *
 * @module
 */

import { linuxKernel } from "../../kernel/linux/linux.ts";
import { BpfObject } from "../../loader/object.ts";
import { ObjectSpec } from "../../object/object_spec.ts";
import { enterNetworkNamespace, loadHook } from "./hooks.ts";

const kernel = linuxKernel();

/** What the child prints. */
export interface HeldLinks {
  /** Ids of its links. */
  readonly links: readonly number[];
  /** Ids of its programs. */
  readonly programs: readonly number[];
  /** Ids of its maps. */
  readonly maps: readonly number[];
}

if (import.meta.main) {
  const [way = "wait", cgroup] = Deno.args;
  using stack = new DisposableStack();
  const links: number[] = [];
  const programs: number[] = [];
  const attach = async (
    name: string,
    options: Parameters<Awaited<ReturnType<typeof loadHook>>["program"]["attach"]>[0],
  ): Promise<void> => {
    const hook = stack.use(await loadHook(name, { verdict: 1 }));
    const link = stack.use(hook.program.attach(options));
    programs.push(hook.program.info().id);
    const id = link.info()?.id;
    if (id !== undefined) links.push(id);
  };
  stack.use(enterNetworkNamespace());
  await attach("raw_tracepoint_plain", {});
  await attach("typed_tracepoint", {});
  await attach("iterate_tasks", {});
  await attach("xdp", { interface: "lo", mode: "generic" });
  await attach("tcx_ingress", { interface: "lo" });
  await attach("netfilter", { hook: "local_in", priority: 5 });
  await attach("sk_lookup", { netns: "/proc/thread-self/ns/net" });
  await attach("uprobe_multi", {
    path: new URL("../fixtures/probe_target", import.meta.url).pathname,
    pattern: "target_*",
    pid: Deno.pid,
  });
  await attach("perf_event", { event: "cpu_clock", frequency: 1, cpu: 0 });
  if (cgroup !== undefined) {
    await attach("cgroup_connect", { cgroup });
    await attach("cgroup_ingress", { cgroup });
  }
  const bytes = await Deno.readFile(new URL("../fixtures/struct_ops.bpf.o", import.meta.url));
  const spec = ObjectSpec.parse(bytes, { name: "struct_ops.bpf.o" });
  for (const map of spec.maps) map.autoattach = map.name === "by_link";
  const object = stack.use(await BpfObject.load(spec, { token: false }));
  for (const link of stack.use(object.attach())) {
    const id = link.info()?.id;
    if (id !== undefined) links.push(id);
  }
  const maps = [...object.maps].map((map) => {
    const { bytes } = kernel.objectInfo(map.fd, 8);
    return new DataView(bytes.buffer).getUint32(4, true);
  });
  programs.push(...[...object.programs].map((program) => program.info().id));
  const held: HeldLinks = { links, programs, maps };
  await Deno.stdout.write(new TextEncoder().encode(`${JSON.stringify(held)}\n`));
  await Deno.stdin.read(new Uint8Array(1));
  if (way === "throw") throw new Error("nobody catches this");
  if (way === "exit") Deno.exit(0);
  if (way === "wait") await new Promise(() => setInterval(() => {}, 1000));
}
