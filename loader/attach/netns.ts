/**
 * Attaches to the hooks of a network namespace: sk_lookup and flow_dissector.
 *
 * @module
 */

import { AttachMethod } from "./kind.ts";
import { TEXT_OR_NUMBER } from "./options.ts";
import type { NetnsAttachSpec } from "../../object/section/attach_spec.ts";
import { AttachType } from "../../uapi/enums.ts";
import { checkAttach } from "./target/error.ts";
import type { AttachableProgram } from "./attachable.ts";
import { Link } from "./link.ts";
import { type PathOrDescriptor, withTarget } from "./target/targets.ts";
import { Errno, failed } from "../../uapi/errno.ts";

/** Attach options of sk_lookup or flow_dissector programs. */
export interface NetnsOptions {
  /** The network namespace: `/proc/self/ns/net`, a file of `ip netns`, or a descriptor of one. */
  readonly netns?: PathOrDescriptor | undefined;
}

/** Attach method for `netns` hooks. */
export const netns: AttachMethod<"netns", NetnsOptions> = new AttachMethod<"netns", NetnsOptions>({
  kind: "netns",
  options: {
    netns: TEXT_OR_NUMBER,
  },
  attach,
});

/**
 * Attaches to a network namespace. Minimum kernel: Linux 5.8 for flow_dissector, 5.9 for sk_lookup.
 *
 * @throws {AttachError} when an option is not one of this kind's, or the target is missing or does not exist.
 * @throws {KernelError} when the kernel refuses.
 * @throws {DelegationError} when it refuses because a privilege is missing.
 * @example
 * ```ts ignore
 * import { attachNetns } from "@skep/skep/attach";
 *
 * using link = attachNetns(object.programs.get("lookup"), { netns: "/run/netns/blue" });
 * ```
 */
export function attachNetns(program: AttachableProgram, options: NetnsOptions = {}): Link {
  return netns.attach(program, options);
}

function attach(
  program: AttachableProgram,
  options: NetnsOptions,
  spec: NetnsAttachSpec | undefined,
): Link {
  const { kernel } = program;
  const hook = spec?.hook ??
    (program.spec.type === "flow_dissector" ? "flow_dissector" : "sk_lookup");
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
    why: failed(fd, Errno.EINVAL, Errno.EBADF)
      ? `"${options.netns}" is not a network namespace, or this kernel has no ${hook}`
      : failed(fd, Errno.EEXIST, Errno.E2BIG)
      ? `the network namespace already has a ${hook} program`
      : undefined,
  });
  return new Link(kernel, { kind: hook, program: program.name, target: String(options.netns), fd });
}
