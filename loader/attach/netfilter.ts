/**
 * Netfilter hooks.
 *
 * @module
 */

import { AttachMethod } from "./kind.ts";
import { BOOLEAN, INTEGER, oneOf } from "./options.ts";
import { AttachType } from "../../uapi/enums.ts";
import { attachError, checkAttach } from "./target/error.ts";
import type { AttachableProgram } from "./attachable.ts";
import { Link } from "./link.ts";
import { BPF_F_NETFILTER_IP_DEFRAG } from "../../uapi/bpf_flags.ts";
import { Errno, failed } from "../../uapi/errno.ts";

/** Where in the way of a packet. */
export type NetfilterHook = "pre_routing" | "local_in" | "forward" | "local_out" | "post_routing";

/** `enum nf_inet_hooks`. */
const HOOKS: { readonly [hook in NetfilterHook]: number } = {
  pre_routing: 0,
  local_in: 1,
  forward: 2,
  local_out: 3,
  post_routing: 4,
};
const FAMILIES = { ipv4: 2, ipv6: 10 } as const;

/** Where a netfilter program goes: a hook of the network namespace that this process is in. */
export interface NetfilterOptions {
  /** IPv4 or IPv6. @default {"ipv4"} */
  readonly family?: "ipv4" | "ipv6" | undefined;
  /** The hook. */
  readonly hook?: NetfilterHook | undefined;
  /** Its place among the others: lower runs earlier. 0, -2147483648 and 2147483647 may be refused. @default {-128} */
  readonly priority?: number | undefined;
  /** Puts fragments together first (Linux 6.6). */
  readonly defragment?: boolean | undefined;
}

/** How programs attach to `netfilter` hooks. */
export const netfilter: AttachMethod<"netfilter", NetfilterOptions> = new AttachMethod<
  "netfilter",
  NetfilterOptions
>({
  kind: "netfilter",
  options: {
    family: oneOf(FAMILIES),
    hook: oneOf(HOOKS),
    priority: INTEGER,
    defragment: BOOLEAN,
  },
  attach,
});

/**
 * Attaches to a netfilter hook of this process's network namespace. Minimum kernel: Linux 6.4.
 *
 * @throws AttachError, KernelError or DelegationError, as {@linkcode attachProgram}.
 * @example
 * ```ts ignore
 * import { attachNetfilter } from "@skep/skep/attach";
 *
 * using link = attachNetfilter(object.programs.get("drop"), { hook: "local_in", priority: 10 });
 * ```
 */
export function attachNetfilter(program: AttachableProgram, options: NetfilterOptions = {}): Link {
  return netfilter.attach(program, options);
}

function attach(program: AttachableProgram, options: NetfilterOptions): Link {
  const { kernel } = program;
  const { hook, family = "ipv4", priority = -128 } = options;
  if (hook === undefined) {
    throw attachError(program.name, "no netfilter hook was given", {
      errno: "EINVAL",
      fix: `attach({ hook }) with one of ${Object.keys(HOOKS).join(", ")}`,
    });
  }
  const fd = kernel.linkCreate({
    programFd: program.fd,
    target: 0,
    attachType: AttachType.netfilter,
    extra: {
      kind: "netfilter",
      protocolFamily: FAMILIES[family],
      hook: HOOKS[hook],
      priority,
      flags: options.defragment === true ? BPF_F_NETFILTER_IP_DEFRAG : 0,
    },
  });
  checkAttach(fd, program.name, "BPF_LINK_CREATE", {
    data: { family, hook, priority },
    why: failed(fd, Errno.EBUSY)
      ? `another BPF program has the priority ${priority} at ${hook}`
      : failed(fd, Errno.EAFNOSUPPORT)
      ? `this kernel has no netfilter hooks for ${family}`
      : undefined,
  });
  return new Link(kernel, {
    kind: "netfilter",
    program: program.name,
    target: `${family} ${hook}`,
    fd,
  });
}
