/**
 * Attaches to netfilter hooks.
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

/** Netfilter hook on the path of a packet. */
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

/** Attach options of netfilter programs. */
export interface NetfilterOptions {
  /** Protocol family. @default {"ipv4"} */
  readonly family?: "ipv4" | "ipv6" | undefined;
  /** Hook of the current network namespace. Required. */
  readonly hook?: NetfilterHook | undefined;
  /**
   * Priority among the programs of the hook: lower runs earlier. The kernel refuses -2147483648 and 2147483647
   * with ERANGE, and the priority of another BPF program with EBUSY. @default {-128}
   */
  readonly priority?: number | undefined;
  /** Reassembles IP fragments before the program runs (BPF_F_NETFILTER_IP_DEFRAG, Linux 6.6). @default {false} */
  readonly defragment?: boolean | undefined;
}

/** Attach method for `netfilter` hooks. */
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
 * Attaches to a netfilter hook of the calling process's network namespace. Minimum kernel: Linux 6.4.
 *
 * @throws {AttachError} when an option is not one of this kind's, or the target is missing or does not exist.
 * @throws {KernelError} when the kernel refuses.
 * @throws {DelegationError} when it refuses because a privilege is missing.
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
      ? `another BPF program has priority ${priority} at ${hook}`
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
