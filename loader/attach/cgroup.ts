/**
 * Hooks of a cgroup: packets, sockets, addresses, options, devices, sysctls and LSM hooks.
 *
 * @module
 */

import type { Kernel } from "../../kernel/kernel.ts";
import { AttachType, type AttachTypeName } from "../../uapi/enums.ts";
import { anchorOf, type AnchorOptions } from "./anchor.ts";
import { attachByCommand } from "./command.ts";
import { attachError, checkAttach } from "./error.ts";
import { type AttachableProgram, Link } from "./link.ts";
import { type PathOrDescriptor, withTarget } from "./targets.ts";
import { BPF_F_ALLOW_MULTI } from "../../uapi/bpf_flags.ts";

/** Where a cgroup program goes. */
export interface CgroupOptions extends AnchorOptions {
  /** The cgroup: a directory of a cgroup2 mount, or a descriptor of it. */
  readonly cgroup?: PathOrDescriptor;
  /** The hook, where the section leaves it open (`cgroup/skb`). */
  readonly attachType?: AttachTypeName;
  /** `"command"` attaches without a link (BPF_PROG_ATTACH, multi): it stays when the process is killed. */
  readonly via?: "link" | "command";
}

/**
 * Attaches to a cgroup and all below it.
 *
 * A program by link runs beside the others of the hook; links before Linux 6.17 cannot choose their
 * place. Minimum kernel: Linux 5.7; before, BPF_PROG_ATTACH (4.10).
 */
export function attachCgroup(
  kernel: Kernel,
  program: AttachableProgram,
  options: CgroupOptions,
): Link {
  const attachTypeName = options.attachType ?? program.spec.expectedAttachType;
  if (attachTypeName === undefined) {
    throw attachError(program.name, `section "${program.spec.section}" leaves the hook open`, {
      errno: "EINVAL",
      fix: 'attach({ cgroup, attachType: "cgroup_inet_ingress" })',
    });
  }
  const attachType = AttachType[attachTypeName];
  const target = String(options.cgroup);
  const kind = attachTypeName === "lsm_cgroup" ? "lsm_cgroup" : "cgroup";
  return withTarget(kernel, program.name, "cgroup", options.cgroup, (cgroup) => {
    if (options.via !== "command") {
      const anchor = anchorOf(program.name, options);
      const fd = kernel.linkCreate({
        programFd: program.fd,
        target: cgroup,
        attachType,
        ...(anchor === undefined ? {} : { flags: anchor.flags, extra: { kind: "anchor", anchor } }),
      });
      checkAttach(fd, program.name, "BPF_LINK_CREATE", {
        data: { cgroup: target, attachType: attachTypeName },
        ...(fd === -9 ? { why: `"${target}" is not a cgroup of version 2` } : {}),
        ...(fd === -22 && anchor !== undefined
          ? { fix: "a place among the programs of a cgroup needs Linux 6.17" }
          : {}),
      });
      return new Link(kernel, { kind, program: program.name, target, fd });
    }
    return attachByCommand(kernel, program, {
      kind,
      target,
      hook: { fd: cgroup },
      attachType,
      flags: BPF_F_ALLOW_MULTI,
      anchor: options,
      replaces: true,
      data: { cgroup: target, attachType: attachTypeName },
    });
  });
}
