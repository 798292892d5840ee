/**
 * Capabilities that BPF checks in the token's user namespace, and the kinds of targets that
 * programs attach to.
 *
 * @module
 */

import { mapTypeTraits } from "../object/spec/map_traits.ts";
import type { MapTypeName } from "../uapi/enums.ts";
import { CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON, CAP_SYS_ADMIN } from "../uapi/processes.ts";

/**
 * A capability that BPF checks in the token's user namespace. CAP_SYS_ADMIN there implies the other
 * three.
 */
export type BpfCapability = "bpf" | "net_admin" | "perfmon" | "sys_admin";

/** All of them, in listing order. */
export const BPF_CAPABILITIES: readonly BpfCapability[] = [
  "bpf",
  "net_admin",
  "perfmon",
  "sys_admin",
];

/** The number of each capability: its bit in CapEff of `/proc/self/status`. */
export const CAPABILITY_NUMBERS: { readonly [name in BpfCapability]: number } = {
  net_admin: CAP_NET_ADMIN,
  sys_admin: CAP_SYS_ADMIN,
  perfmon: CAP_PERFMON,
  bpf: CAP_BPF,
};

/**
 * Where programs attach.
 *
 * - `none`: nowhere; they run through BPF_PROG_RUN.
 * - `sockets`: to sockets and maps whose descriptors the holder has.
 * - `network-namespaces`: to interfaces and hooks of network namespaces.
 * - `cgroups`: to cgroups.
 * - `host`: to functions and events of the whole machine.
 */
export type AttachPlace = "none" | "sockets" | "network-namespaces" | "cgroups" | "host";

/** Returns the capabilities that creating a map of the type needs, in addition to `bpf`. */
export function mapTypeCapabilities(type: MapTypeName | number): readonly BpfCapability[] {
  return mapTypeTraits(type).netAdmin === true ? ["net_admin"] : [];
}
