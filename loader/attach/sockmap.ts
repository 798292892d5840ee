/**
 * Attaches parsers and verdict programs to a sockmap or sockhash.
 *
 * @module
 */

import { AttachMethod } from "./kind.ts";
import { LINK_OR_COMMAND, WITH_DESCRIPTOR } from "./options.ts";
import { AttachType } from "../../uapi/enums.ts";
import { attachByCommand } from "./command.ts";
import { attachError, checkAttach } from "./target/error.ts";
import { type AttachableProgram, loadedFor } from "./attachable.ts";
import { Link } from "./link.ts";
import { Errno, failed } from "../../uapi/errno.ts";

/** Attach options of sockmap programs. */
export interface SockmapOptions {
  /** The sockmap or sockhash that the program is attached to. */
  readonly map?: { readonly fd: number } | undefined;
  /** `"command"` attaches without a link (BPF_PROG_ATTACH). @default {"link" if the kernel supports it (Linux 6.10), else "command"} */
  readonly via?: "link" | "command" | undefined;
}

/** Attach method for `sockmap` hooks. */
export const sockmap: AttachMethod<"sockmap", SockmapOptions> = new AttachMethod<
  "sockmap",
  SockmapOptions
>({
  kind: "sockmap",
  options: {
    map: WITH_DESCRIPTOR,
    via: LINK_OR_COMMAND,
  },
  attach,
});

/** Attach method for `sk_msg` hooks. */
export const skMsg: AttachMethod<"sk_msg", SockmapOptions> = new AttachMethod<
  "sk_msg",
  SockmapOptions
>({
  kind: "sk_msg",
  options: sockmap.options,
  attach,
});

/**
 * Attaches a parser or verdict program to the receive side of a map's sockets. Minimum kernel: Linux 4.14;
 * 6.10 for a link.
 *
 * @throws {AttachError} when an option is not one of this kind's, or the target is missing or does not exist.
 * @throws {KernelError} when the kernel refuses.
 * @throws {DelegationError} when it refuses because a privilege is missing.
 * @example
 * ```ts ignore
 * import { attachSockmap } from "@skep/skep/attach";
 *
 * using link = attachSockmap(object.programs.get("verdict"), { map: object.maps.get("sockets") });
 * ```
 */
export function attachSockmap(program: AttachableProgram, options: SockmapOptions = {}): Link {
  return sockmap.attach(program, options);
}

/**
 * Attaches a verdict program to the send side of a map's sockets. Minimum kernel: Linux 4.17; 6.10 for a
 * link.
 *
 * @throws {AttachError} when an option is not one of this kind's, or the target is missing or does not exist.
 * @throws {KernelError} when the kernel refuses.
 * @throws {DelegationError} when it refuses because a privilege is missing.
 * @example
 * ```ts ignore
 * import { attachSkMsg } from "@skep/skep/attach";
 *
 * using link = attachSkMsg(object.programs.get("verdict"), { map: object.maps.get("sockets") });
 * ```
 */
export function attachSkMsg(program: AttachableProgram, options: SockmapOptions = {}): Link {
  return skMsg.attach(program, options);
}

function attach(program: AttachableProgram, options: SockmapOptions): Link {
  const { kernel } = program;
  const { map } = options;
  const name = loadedFor(program);
  if (name === undefined) {
    throw attachError(program.name, `section "${program.spec.section}" names no attach type`, {
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
    // EINVAL: no sockmap links before Linux 6.10.
    if (!failed(fd, Errno.EINVAL) || options.via === "link") {
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
