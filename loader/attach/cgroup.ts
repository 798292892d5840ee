/**
 * Attaches to cgroup hooks: packets, sockets, addresses, socket options, devices, sysctls and LSM.
 *
 * @module
 */

import { AttachMethod } from "./kind.ts";
import { type Expectations, LINK_OR_COMMAND, oneOf, TEXT_OR_NUMBER } from "./options.ts";
import { AttachType, type AttachTypeName } from "../../uapi/enums.ts";
import { ANCHOR, anchorOf, type AnchorOptions } from "./anchor.ts";
import { attachByCommand } from "./command.ts";
import { attachError, checkAttach } from "./target/error.ts";
import { type AttachableProgram, loadedFor } from "./attachable.ts";
import { Link } from "./link.ts";
import { type PathOrDescriptor, withTarget } from "./target/targets.ts";
import { BPF_F_ALLOW_MULTI } from "../../uapi/bpf_flags.ts";
import { Errno, failed } from "../../uapi/errno.ts";

/** Attach options of `lsm_cgroup` programs. */
export interface LsmCgroupOptions extends AnchorOptions {
  /** The cgroup: a directory on a cgroup2 mount, or a descriptor of one. */
  readonly cgroup?: PathOrDescriptor | undefined;
  /**
   * `"command"` attaches without a link (BPF_PROG_ATTACH with BPF_F_ALLOW_MULTI): the program then stays
   * attached when the process is killed. @default {"link"}
   */
  readonly via?: "link" | "command" | undefined;
}

/** Attach options of cgroup programs. */
export interface CgroupOptions extends LsmCgroupOptions {
  /** Attach type, for a section that does not name one (`cgroup/skb`). */
  readonly attachType?: AttachTypeName | undefined;
}

const PLACE: Expectations<LsmCgroupOptions> = {
  ...ANCHOR,
  cgroup: TEXT_OR_NUMBER,
  via: LINK_OR_COMMAND,
};

/** Attach method for `cgroup` hooks. */
export const cgroup: AttachMethod<"cgroup", CgroupOptions> = new AttachMethod<
  "cgroup",
  CgroupOptions
>({
  kind: "cgroup",
  options: {
    ...PLACE,
    attachType: oneOf(AttachType),
  },
  attach: (program, options) => attach(program, options, options.attachType ?? loadedFor(program)),
});

/** Attach method for `lsm_cgroup` hooks. */
export const lsmCgroup: AttachMethod<"lsm_cgroup", LsmCgroupOptions> = new AttachMethod<
  "lsm_cgroup",
  LsmCgroupOptions
>({
  kind: "lsm_cgroup",
  options: {
    ...PLACE,
  },
  attach: (program, options) => attach(program, options, loadedFor(program)),
});

/**
 * Attaches to a cgroup and its descendants.
 *
 * Links always attach in multi mode, after the programs already attached; choosing a position needs Linux
 * 6.17. Minimum kernel: Linux 5.7 for a link, 4.10 with `via: "command"`.
 *
 * @throws {AttachError} when an option is not one of this kind's, or the target is missing or does not exist.
 * @throws {KernelError} when the kernel refuses.
 * @throws {DelegationError} when it refuses because a privilege is missing.
 * @example
 * ```ts ignore
 * import { attachCgroup } from "@skep/skep/attach";
 *
 * using link = attachCgroup(object.programs.get("connect"), { cgroup: "/sys/fs/cgroup/app" });
 * ```
 */
export function attachCgroup(program: AttachableProgram, options: CgroupOptions = {}): Link {
  return cgroup.attach(program, options);
}

/**
 * Attaches to an LSM hook for the processes of a cgroup and its descendants. Minimum kernel: Linux 6.0.
 *
 * @throws {AttachError} when an option is not one of this kind's, or the target is missing or does not exist.
 * @throws {KernelError} when the kernel refuses.
 * @throws {DelegationError} when it refuses because a privilege is missing.
 * @example
 * ```ts ignore
 * import { attachLsmCgroup } from "@skep/skep/attach";
 *
 * using link = attachLsmCgroup(object.programs.get("deny"), { cgroup: "/sys/fs/cgroup/app" });
 * ```
 */
export function attachLsmCgroup(program: AttachableProgram, options: LsmCgroupOptions = {}): Link {
  return lsmCgroup.attach(program, options);
}

function attach(
  program: AttachableProgram,
  options: LsmCgroupOptions,
  attachTypeName: AttachTypeName | undefined,
): Link {
  const { kernel } = program;
  if (attachTypeName === undefined) {
    throw attachError(program.name, `section "${program.spec.section}" names no attach type`, {
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
        flags: anchor?.flags,
        extra: anchor && { kind: "anchor", anchor },
      });
      checkAttach(fd, program.name, "BPF_LINK_CREATE", {
        data: { cgroup: target, attachType: attachTypeName },
        why: failed(fd, Errno.EBADF) ? `"${target}" is not a cgroup2 directory` : undefined,
        fix: failed(fd, Errno.EINVAL) && anchor !== undefined
          ? "leave out the position: before and after need Linux 6.17 on cgroups"
          : undefined,
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
