/**
 * What attaching needs of a loaded program.
 *
 * @module
 */

import type { Kernel } from "../../kernel/kernel.ts";
import type { ProgramSpec } from "../../object/spec/spec.ts";
import { type AttachTypeName, attachTypeName } from "../../uapi/enums.ts";
import type { ProgramHandle } from "./link.ts";

/** A loaded program with what its section said: `Program` is one. */
export interface AttachableProgram extends ProgramHandle {
  /** The kernel that it is in. */
  readonly kernel: Kernel;
  /** What its section says. */
  readonly spec: Pick<ProgramSpec, "section" | "type" | "expectedAttachType" | "attach">;
  /**
   * The number of the attach type that it was loaded for, where that is not the spec's: USDT programs
   * are loaded for uprobe.multi where the kernel has it.
   */
  readonly expectedAttachType?: number | undefined;
  /** The maps of the program's object: USDT keeps what it knows of arguments in one of them. */
  readonly maps?: { find(name: string): { readonly fd: number } | undefined } | undefined;
}

/** The attach type that a program was loaded for; undefined where it was loaded without one. */
export function loadedFor(program: AttachableProgram): AttachTypeName | undefined {
  const { spec, expectedAttachType: number = 0 } = program;
  return spec.expectedAttachType ?? (number === 0 ? undefined : attachTypeName(number));
}
