/**
 * A refusal on its way to an explanation: the refused call, the facts, and the finding.
 *
 * @module
 */

import type { Kernel, MapCreate } from "../../kernel/kernel.ts";
import type { Delegation, DelegationWord } from "../../plan/delegation.ts";
import type { MapTypeName, ProgramTypeName } from "../../uapi/enums.ts";
import type { ProcessFacts } from "../facts/process.ts";
import type { RefusalCause } from "./delegation_error.ts";

/** The part of a token that explanations read; `Token` implements it. */
export interface HeldToken {
  /** The descriptor. */
  readonly fd: number;
  /** Whether this process created it, in its own user namespace. */
  readonly fresh: boolean;
  /** Returns what it allows; undefined when the kernel does not report it. */
  info(): Delegation | undefined;
}

/** A refused call. */
export interface Refusal {
  /** The bpf(2) command or system call: `"BPF_MAP_CREATE"`, `"perf_event_open"`. */
  readonly command: string;
  /** What was being done: `"create map"`. */
  readonly doing: string;
  /** The object's name. */
  readonly subject: string;
  /** The result: `-errno`. */
  readonly result: number;
  /** The token used. */
  readonly token?: HeldToken | undefined;
  /** A token's descriptor, when there is no `Token`. */
  readonly tokenFd?: number | undefined;
  /** The map that was to be created. */
  readonly map?:
    | Omit<MapCreate, "type" | "tokenFd" | "name"> & {
      /** The map type, by name or number. */
      readonly type: MapTypeName | number;
    }
    | undefined;
  /** The program that was to be loaded or attached. */
  readonly program?: {
    /** The program type, by name or number. */
    readonly type: ProgramTypeName | number;
    /** The expected attach type; 0 when there is none. */
    readonly attachType: number;
    /** The section name, for attach. */
    readonly section?: string | undefined;
    /** The network device that the program is bound to. */
    readonly ifindex?: number | undefined;
  } | undefined;
  /** The verifier's log. */
  readonly log?: string | undefined;
}

/** The result of an explanation, before it becomes an error. */
export interface Finding {
  /** The cause. */
  readonly reason: RefusalCause;
  /** The cause, in plain words. */
  readonly why: string;
  /** What the reader can do. */
  readonly fix?: string | undefined;
  /** Missing delegation. */
  readonly missing?: readonly DelegationWord[] | undefined;
}

/** The input that all explaining functions share. */
export interface Case {
  /** The kernel. */
  readonly kernel: Kernel;
  /** What was refused. */
  readonly refusal: Refusal;
  /** The facts of this process. */
  readonly facts: ProcessFacts;
  /** The token's descriptor. */
  readonly tokenFd: number | undefined;
  /** The evidence, appended to during the explanation. */
  readonly evidence: string[];
}
