/**
 * Capabilities inside the user namespace, and how far the holder of a program can reach.
 *
 * @module
 */

import { mapTypeTraits } from "../object/spec/map_traits.ts";
import type { MapTypeName } from "../uapi/enums.ts";
import { CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON, CAP_SYS_ADMIN } from "../uapi/processes.ts";

/** A capability that is looked for in the token's user namespace. CAP_SYS_ADMIN there stands for the first three. */
export type BpfCapability = "bpf" | "net_admin" | "perfmon" | "sys_admin";

/** In the order in which they are listed. */
export const BPF_CAPABILITIES: readonly BpfCapability[] = [
  "bpf",
  "net_admin",
  "perfmon",
  "sys_admin",
];

/** The number of each capability, as `/proc/self/status` has it in CapEff. */
export const CAPABILITY_NUMBERS: { readonly [name in BpfCapability]: number } = {
  net_admin: CAP_NET_ADMIN,
  sys_admin: CAP_SYS_ADMIN,
  perfmon: CAP_PERFMON,
  bpf: CAP_BPF,
};

/**
 * How far the holder of a loaded program can make it act.
 *
 * `own-sockets`: on sockets and data that the process has anyway. `network-namespace`: on the traffic
 * of every network namespace that it runs in. `cgroup`: on the processes of every cgroup whose
 * directory it can open. `host`: on the whole machine.
 */
export type Reach = "own-sockets" | "network-namespace" | "cgroup" | "host";

/** From the smallest to the widest. */
export const REACHES: readonly Reach[] = ["own-sockets", "network-namespace", "cgroup", "host"];

/** The wider of two. */
export function widerReach(left: Reach, right: Reach): Reach {
  return REACHES.indexOf(left) >= REACHES.indexOf(right) ? left : right;
}

/** What creating a map of the type needs, beside `bpf`. */
export function mapTypeCapabilities(type: MapTypeName | number): readonly BpfCapability[] {
  return mapTypeTraits(type).netAdmin === true ? ["net_admin"] : [];
}
