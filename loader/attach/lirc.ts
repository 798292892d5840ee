/**
 * Attaches infrared decoders.
 *
 * @module
 */

import { AttachMethod } from "./kind.ts";
import { TEXT_OR_NUMBER } from "./options.ts";
import { AttachType } from "../../uapi/enums.ts";
import { attachByCommand } from "./command.ts";
import type { AttachableProgram } from "./attachable.ts";
import type { Link } from "./link.ts";
import { type PathOrDescriptor, withTarget } from "./target/targets.ts";

/** Attach options of lirc_mode2 programs. */
export interface LircOptions {
  /** The device (`/dev/lirc0`), or a descriptor of one. */
  readonly lirc?: PathOrDescriptor | undefined;
}

/** Attach method for `lirc` hooks. */
export const lirc: AttachMethod<"lirc", LircOptions> = new AttachMethod<"lirc", LircOptions>({
  kind: "lirc",
  options: {
    lirc: TEXT_OR_NUMBER,
  },
  attach,
});

/**
 * Attaches to an infrared receiver, without a link: the program stays attached until it is detached or the
 * device is removed. Minimum kernel: Linux 4.18.
 *
 * @throws {AttachError} when an option is not one of this kind's, or the target is missing or does not exist.
 * @throws {KernelError} when the kernel refuses.
 * @throws {DelegationError} when it refuses because a privilege is missing.
 * @example
 * ```ts ignore
 * import { attachLirc } from "@skep/skep/attach";
 *
 * using link = attachLirc(object.programs.get("decode"), { lirc: "/dev/lirc0" });
 * ```
 */
export function attachLirc(program: AttachableProgram, options: LircOptions = {}): Link {
  return lirc.attach(program, options);
}

function attach(program: AttachableProgram, options: LircOptions): Link {
  const { kernel } = program;
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
