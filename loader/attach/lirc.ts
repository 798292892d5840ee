/**
 * Infrared decoders.
 *
 * @module
 */

import type { Kernel } from "../../kernel/kernel.ts";
import { AttachType } from "../../object/kernel_enums.ts";
import { checkAttach } from "./error.ts";
import { type AttachableProgram, Link } from "./link.ts";
import { type PathOrDescriptor, withTarget } from "./targets.ts";

/** Where an infrared decoder goes. */
export interface LircOptions {
  /** The device (`/dev/lirc0`), or a descriptor of it. */
  readonly lirc?: PathOrDescriptor;
}

/** Attaches to an infrared receiver. It stays until it is taken away. Minimum kernel: Linux 4.18. */
export function attachLirc(kernel: Kernel, program: AttachableProgram, options: LircOptions): Link {
  const attachType = AttachType.lirc_mode2;
  return withTarget(kernel, program.name, "lirc", options.lirc, (given) => {
    const lirc = checkAttach(kernel.duplicate(given), program.name, "fcntl");
    const result = kernel.programAttach({ target: lirc, programFd: program.fd, attachType });
    if (result < 0) kernel.close(lirc);
    checkAttach(result, program.name, "BPF_PROG_ATTACH", { data: { lirc: String(options.lirc) } });
    const programFd = kernel.duplicate(program.fd);
    return new Link(kernel, {
      kind: "lirc",
      program: program.name,
      target: String(options.lirc),
      fd: -1,
      descriptors: [lirc, programFd],
      legacy: { detach: () => kernel.programDetach({ target: lirc, programFd, attachType }) },
    });
  });
}
