/**
 * What the steps of a load share.
 *
 * @module
 */

import type { Btf } from "../../btf/btf.ts";
import type { SkepError } from "../../errors/skep_error.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import type { KernelErrorFacts } from "../../errors/kernel_error.ts";
import type { ObjectSpec } from "../../object/object_spec.ts";
import type { MapSpec } from "../../object/spec/spec.ts";
import type { Mapping } from "../../kernel/mapping.ts";
import type { Descriptor } from "../../kernel/descriptor.ts";
import type { Subject } from "../features/refusals.ts";
import type { KernelStructOps } from "./struct_ops_layout.ts";

/** When a refused program's verifier log is asked for. */
export type LogLevel = "none" | "errors" | "full";

/** What does not change while an object is loaded. */
export interface LoadContext {
  /** The object. */
  readonly spec: ObjectSpec;
  /** The kernel. */
  readonly kernel: Kernel;
  /** The token's descriptor. */
  readonly tokenFd: number | undefined;
  /** The types that CO-RE and attach targets are looked up in, when they are not the kernel's own. */
  readonly customBtf: Btf | undefined;
  /** Where maps that pin by name are pinned. */
  readonly pinRoot: string;
  /** The bytes of `.kconfig`'s options, when the user gives them. */
  readonly kconfig: string | undefined;
  /** When logs are asked for. */
  readonly logLevel: LogLevel;
  /** Whether a log that does not fit is asked for again, or its end is enough. */
  readonly wholeLog: boolean;
  /** Makes the error of a refused command: with a token, one that names the word that is missing. */
  refused(facts: KernelErrorFacts, subject: Subject): SkepError;
}

/** A map that stands in the kernel. */
export interface CreatedMap {
  /** Its spec. */
  readonly spec: MapSpec;
  /** Its descriptor. */
  readonly descriptor: Descriptor;
  /** Whether it was found pinned. */
  readonly reused: boolean;
  /** Where it is pinned. */
  readonly pinPath?: string | undefined;
  /** An arena's memory. */
  readonly arena?: Mapping | undefined;
  /** struct_ops: the value as the kernel wants it. */
  readonly structOps?: KernelStructOps | undefined;
}
