/**
 * The part of a loaded program that attaching reads.
 *
 * @module
 */

import type { Kernel } from "../../kernel/kernel.ts";
import type { ProgramSpec } from "../../object/spec/spec.ts";
import { type AttachTypeName, attachTypeName } from "../../uapi/enums.ts";
import type { ProgramHandle } from "./link.ts";

/** A loaded program with its attach spec. `Program` implements it. */
export interface AttachableProgram extends ProgramHandle {
  /** The kernel that it was loaded into. */
  readonly kernel: Kernel;
  /** Section, type and attach spec. */
  readonly spec: Pick<ProgramSpec, "section" | "type" | "expectedAttachType" | "attach">;
  /**
   * Number of the attach type it was loaded with, where that differs from the spec: USDT programs are loaded
   * for uprobe.multi when the kernel supports it.
   */
  readonly expectedAttachType?: number | undefined;
  /** Maps of the program's object. USDT writes argument specs into `__bpf_usdt_specs`. */
  readonly maps?: { find(name: string): { readonly fd: number } | undefined } | undefined;
}

/** Returns the attach type that a program was loaded with; undefined when it was loaded without one. */
export function loadedFor(program: AttachableProgram): AttachTypeName | undefined {
  const { spec, expectedAttachType: number = 0 } = program;
  return spec.expectedAttachType ?? (number === 0 ? undefined : attachTypeName(number));
}
