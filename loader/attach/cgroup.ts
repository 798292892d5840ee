/**
 * Hooks of a cgroup: packets, sockets, addresses, options, devices, sysctls and LSM hooks.
 *
 * @module
 */

import type { Kernel } from "../../kernel/kernel.ts";
import { AttachType, type AttachTypeName } from "../../object/kernel_enums.ts";
import { anchorOf, type AnchorOptions } from "./anchor.ts";
import { attachError, checkAttach } from "./error.ts";
import { type AttachableProgram, Link } from "./link.ts";
import { type PathOrDescriptor, withTarget } from "./targets.ts";

const BPF_F_ALLOW_MULTI = 1 << 1;
const BPF_F_REPLACE = 1 << 2;

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
  const anchor = anchorOf(program.name, options);
  return withTarget(kernel, program.name, "cgroup", options.cgroup, (cgroup) => {
    if (options.via !== "command") {
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
    return attachByCommand(kernel, program, attachType, target, cgroup, kind);
  });
}

function attachByCommand(
  kernel: Kernel,
  program: AttachableProgram,
  attachType: number,
  target: string,
  given: number,
  kind: string,
): Link {
  // The link's own descriptors: the cgroup's is closed when attaching is over, and the program may be
  // closed before the link.
  const cgroup = checkAttach(kernel.duplicate(given), program.name, "fcntl");
  const result = kernel.programAttach({
    target: cgroup,
    programFd: program.fd,
    attachType,
    flags: BPF_F_ALLOW_MULTI,
  });
  if (result < 0) kernel.close(cgroup);
  checkAttach(result, program.name, "BPF_PROG_ATTACH", { data: { cgroup: target } });
  let programFd = kernel.duplicate(program.fd);
  return new Link(kernel, {
    kind,
    program: program.name,
    target,
    fd: -1,
    descriptors: [cgroup],
    legacy: {
      detach: () => kernel.programDetach({ target: cgroup, programFd, attachType }),
      update: (newFd) => {
        const updated = kernel.programAttach({
          target: cgroup,
          programFd: newFd,
          attachType,
          flags: BPF_F_ALLOW_MULTI | BPF_F_REPLACE,
          replaceProgramFd: programFd,
        });
        if (updated < 0) return updated;
        kernel.close(programFd);
        programFd = kernel.duplicate(newFd);
        return updated;
      },
    },
    closed: () => kernel.close(programFd),
  });
}
