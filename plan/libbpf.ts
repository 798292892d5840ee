/**
 * What libbpf's feature probes need beyond the object itself.
 *
 * libbpf up to 1.7 loads small programs and maps to detect kernel features, and treats every
 * refusal as a missing feature. Without the values added here it gives up global data, attach types
 * and helpers.
 *
 * @module
 */

import { originTraits } from "../object/spec/map_traits.ts";
import type { MapSpec, ProgramSpec } from "../object/spec/spec.ts";
import { AttachType, Command, Helper, MapType, ProgramType } from "../uapi/enums.ts";
import type { PlanBuilder } from "./builder.ts";
import type { Plannable } from "./plannable.ts";

/** Helpers that libbpf rewrites when it believes probe_read_kernel to be missing. */
const PROBE_READ: readonly number[] = [Helper.probe_read_kernel, Helper.probe_read_kernel_str];

/** Adds what the libbpf probes triggered by this object need. */
export function addLibbpf(
  builder: PlanBuilder,
  object: Plannable,
  maps: readonly MapSpec[],
  programs: readonly ProgramSpec[],
  helpers: ReadonlyMap<number, string>,
): void {
  if (maps.length + programs.length === 0) return;
  const load = (type: keyof typeof ProgramType, attach: keyof typeof AttachType, why: string) => {
    builder.add("commands", Command.prog_load, why);
    builder.add("programs", ProgramType[type], why);
    builder.add("attachments", AttachType[attach], why);
  };
  load("socket_filter", "cgroup_inet_ingress", "libbpf probes whether it can load a program");
  if (programs.some((program) => program.expectedAttachType !== undefined)) {
    load("cgroup_sock", "cgroup_inet_sock_create", "libbpf probes expected_attach_type");
    builder.need("net_admin", "libbpf probes expected_attach_type");
  }
  if (maps.some((map) => originTraits[map.origin].section)) {
    builder.add("commands", Command.map_create, "libbpf probes global data");
    builder.add("maps", MapType.array, "libbpf probes global data");
  }
  if (PROBE_READ.some((helper) => helpers.has(helper))) {
    load("tracepoint", "cgroup_inet_ingress", "libbpf probes probe_read_kernel");
    builder.need("perfmon", "libbpf probes probe_read_kernel");
  }
  if (programs.some(({ attach }) => attach.kind === "usdt")) {
    load("tracepoint", "cgroup_inet_ingress", "libbpf probes BPF cookies");
    load("kprobe", "trace_uprobe_multi", "libbpf probes uprobe.multi");
    builder.need("perfmon", "libbpf probes uprobe.multi");
  }
  if (object.btf !== undefined) {
    for (let id = 1; id < object.btf.endId; id++) {
      if (object.btf.kindName(id) === "decl_tag" && object.btf.nameOf(id) === "arg:ctx") {
        load("kprobe", "cgroup_inet_ingress", "libbpf probes __arg_ctx");
        builder.need("perfmon", "libbpf probes __arg_ctx");
        break;
      }
    }
  }
}
