/**
 * Hooks of a network namespace: sk_lookup and flow_dissector.
 *
 * @module
 */

import type { Kernel } from "../../kernel/kernel.ts";
import { AttachType } from "../../uapi/enums.ts";
import { checkAttach } from "./error.ts";
import { type AttachableProgram, Link } from "./link.ts";
import { type PathOrDescriptor, withTarget } from "./targets.ts";

/** Where an sk_lookup or flow_dissector program goes. */
export interface NetnsOptions {
  /** The network namespace: `/proc/self/ns/net`, a file of `ip netns`, or a descriptor. */
  readonly netns?: PathOrDescriptor;
}

/** Attaches to a network namespace. Minimum kernel: Linux 5.8 (flow_dissector), 5.9 (sk_lookup). */
export function attachNetns(
  kernel: Kernel,
  program: AttachableProgram,
  hook: "sk_lookup" | "flow_dissector",
  options: NetnsOptions,
): Link {
  const fd = withTarget(
    kernel,
    program.name,
    "netns",
    options.netns,
    (netns) =>
      kernel.linkCreate({ programFd: program.fd, target: netns, attachType: AttachType[hook] }),
  );
  checkAttach(fd, program.name, "BPF_LINK_CREATE", {
    data: { netns: options.netns ?? null, hook },
    ...(fd === -22 || fd === -9
      ? { why: `"${options.netns}" is not a network namespace, or this kernel has no ${hook}` }
      : {}),
    ...(fd === -17 || fd === -7
      ? { why: `the network namespace has a ${hook} program already` }
      : {}),
  });
  return new Link(kernel, { kind: hook, program: program.name, target: String(options.netns), fd });
}
