/**
 * Socket maps: parsers and verdicts on what the sockets in a map receive or send.
 *
 * @module
 */

import type { Kernel } from "../../kernel/kernel.ts";
import { AttachType } from "../../uapi/enums.ts";
import { attachByCommand } from "./command.ts";
import { attachError, checkAttach } from "./error.ts";
import { type AttachableProgram, Link } from "./link.ts";

/** Where a sockmap program goes. */
export interface SockmapOptions {
  /** The sockmap or sockhash. */
  readonly map?: { readonly fd: number };
  /** `"command"` attaches without a link (BPF_PROG_ATTACH), as kernels before Linux 6.10 need. Default: a link where the kernel has it. */
  readonly via?: "link" | "command";
}

/** Attaches to the sockets of a map. Minimum kernel: Linux 4.14; as a link: 6.10. */
export function attachSockmap(
  kernel: Kernel,
  program: AttachableProgram,
  options: SockmapOptions,
): Link {
  const { map } = options;
  const name = program.spec.expectedAttachType;
  if (name === undefined) {
    throw attachError(program.name, `section "${program.spec.section}" leaves the hook open`, {
      errno: "EINVAL",
      fix:
        'name it SEC("sk_skb/stream_parser"), SEC("sk_skb/stream_verdict") or SEC("sk_skb/verdict")',
    });
  }
  if (map === undefined) {
    throw attachError(program.name, "no socket map was given", {
      errno: "EINVAL",
      fix: "attach({ map: object.maps.get(NAME) })",
    });
  }
  const attachType = AttachType[name];
  const parts = { kind: "sockmap", program: program.name, target: `map ${map.fd}` };
  if (options.via !== "command") {
    const fd = kernel.linkCreate({ programFd: program.fd, target: map.fd, attachType });
    if (fd >= 0) return new Link(kernel, { ...parts, fd });
    // EINVAL: a kernel before 6.10 has no such link.
    if (fd !== -22 || options.via === "link") {
      checkAttach(fd, program.name, "BPF_LINK_CREATE", { data: { hook: name } });
    }
  }
  return attachByCommand(kernel, program, {
    kind: "sockmap",
    target: `map ${map.fd}`,
    hook: { fd: map.fd },
    attachType,
    data: { hook: name },
  });
}
