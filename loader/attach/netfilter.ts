/**
 * Netfilter hooks.
 *
 * @module
 */

import type { Kernel } from "../../kernel/kernel.ts";
import { AttachType } from "../../uapi/enums.ts";
import { attachError, checkAttach } from "./error.ts";
import { type AttachableProgram, Link } from "./link.ts";
import { BPF_F_NETFILTER_IP_DEFRAG } from "../../uapi/bpf_flags.ts";

/** Where in the way of a packet. */
export type NetfilterHook = "pre_routing" | "local_in" | "forward" | "local_out" | "post_routing";

const HOOKS: readonly NetfilterHook[] = [
  "pre_routing",
  "local_in",
  "forward",
  "local_out",
  "post_routing",
];
const FAMILIES = { ipv4: 2, ipv6: 10 } as const;

/** Where a netfilter program goes: a hook of the network namespace that this process is in. */
export interface NetfilterOptions {
  /** IPv4 or IPv6. @default {"ipv4"} */
  readonly family?: "ipv4" | "ipv6";
  /** The hook. */
  readonly hook?: NetfilterHook;
  /** Its place among the others: lower runs earlier. 0, -2147483648 and 2147483647 may be refused. @default {-128} */
  readonly priority?: number;
  /** Puts fragments together first (Linux 6.6). */
  readonly defragment?: boolean;
}

/** Attaches to a netfilter hook. Minimum kernel: Linux 6.4. */
export function attachNetfilter(
  kernel: Kernel,
  program: AttachableProgram,
  options: NetfilterOptions,
): Link {
  const { hook, family = "ipv4", priority = -128 } = options;
  const number = hook === undefined ? -1 : HOOKS.indexOf(hook);
  if (number < 0) {
    throw attachError(program.name, "no netfilter hook was given", {
      errno: "EINVAL",
      fix: `attach({ hook }) with one of ${HOOKS.join(", ")}`,
    });
  }
  const fd = kernel.linkCreate({
    programFd: program.fd,
    target: 0,
    attachType: AttachType.netfilter,
    extra: {
      kind: "netfilter",
      protocolFamily: FAMILIES[family],
      hook: number,
      priority,
      flags: options.defragment === true ? BPF_F_NETFILTER_IP_DEFRAG : 0,
    },
  });
  checkAttach(fd, program.name, "BPF_LINK_CREATE", {
    data: { family, hook: hook ?? null, priority },
    ...(fd === -16 ? { why: `another BPF program has the priority ${priority} at ${hook}` } : {}),
    ...(fd === -97 ? { why: `this kernel has no netfilter hooks for ${family}` } : {}),
  });
  return new Link(kernel, {
    kind: "netfilter",
    program: program.name,
    target: `${family} ${hook}`,
    fd,
  });
}
