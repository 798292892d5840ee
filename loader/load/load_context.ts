/**
 * State that the steps of a load share.
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

/**
 * When the verifier's log is requested: never (`"none"`), by a second load after a refusal (`"errors"`), or by
 * the first load of every program, at log level 2 (`"full"`).
 */
export type LogLevel = "none" | "errors" | "full";

/** Inputs that stay the same throughout a load. */
export interface LoadContext {
  /** The object to load. */
  readonly spec: ObjectSpec;
  /** The kernel that loads it. */
  readonly kernel: Kernel;
  /** The token's descriptor; undefined without a token. */
  readonly tokenFd: number | undefined;
  /** BTF that CO-RE relocations are resolved against instead of the kernel's. */
  readonly customBtf: Btf | undefined;
  /** Directory in a BPF file system that holds the pins of maps that pin by name. */
  readonly pinRoot: string;
  /** Kernel configuration from the caller, as lines `CONFIG_X=y`, read before the system's. */
  readonly kconfig: string | undefined;
  /** When the verifier's log is requested. */
  readonly logLevel: LogLevel;
  /** Whether a log that does not fit its buffer is requested again in a larger one; otherwise its end suffices. */
  readonly wholeLog: boolean;
  /** Creates the error for a refused command; with a token, it names the missing delegation. */
  refused(facts: KernelErrorFacts, subject: Subject): SkepError;
}

/** A map in the kernel: created by this load, or opened from its pin. */
export interface CreatedMap {
  /** The map's spec. */
  readonly spec: MapSpec;
  /** The map's descriptor. */
  readonly descriptor: Descriptor;
  /** Whether it was opened from an existing pin. */
  readonly reused: boolean;
  /** Path of its pin; undefined for a map that is not pinned. */
  readonly pinPath?: string | undefined;
  /** The arena's memory; undefined for other map types. */
  readonly arena?: Mapping | undefined;
  /** The struct_ops value in the kernel's layout; undefined for other map types. */
  readonly structOps?: KernelStructOps | undefined;
}
