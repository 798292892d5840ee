/**
 * Infrared decoders.
 *
 * @module
 */

import type { Kernel } from "../../kernel/kernel.ts";
import { AttachType } from "../../uapi/enums.ts";
import { attachByCommand } from "./command.ts";
import type { AttachableProgram, Link } from "./link.ts";
import { type PathOrDescriptor, withTarget } from "./targets.ts";

/** Where an infrared decoder goes. */
export interface LircOptions {
  /** The device (`/dev/lirc0`), or a descriptor of it. */
  readonly lirc?: PathOrDescriptor;
}

/** Attaches to an infrared receiver. It stays until it is taken away. Minimum kernel: Linux 4.18. */
export function attachLirc(kernel: Kernel, program: AttachableProgram, options: LircOptions): Link {
  return withTarget(
    kernel,
    program.name,
    "lirc",
    options.lirc,
    (fd) =>
      attachByCommand(kernel, program, {
        kind: "lirc",
        target: String(options.lirc),
        hook: { fd },
        attachType: AttachType.lirc_mode2,
        data: { lirc: String(options.lirc) },
      }),
  );
}
