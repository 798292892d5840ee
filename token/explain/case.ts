/**
 * A refusal on its way to an explanation: what was refused, the facts, and the finding.
 *
 * @module
 */

import type { Kernel, MapCreate } from "../../kernel/kernel.ts";
import type { Delegation, DelegationWord } from "../../plan/delegation.ts";
import type { MapTypeName, ProgramTypeName } from "../../uapi/enums.ts";
import type { ProcessFacts } from "../facts/process.ts";
import type { RefusalCause } from "./delegation_error.ts";

/** What an explanation reads of a token: `Token` is one. */
export interface HeldToken {
  /** The descriptor. */
  readonly fd: number;
  /** Whether this process made it, in its own user namespace. */
  readonly fresh: boolean;
  /** What it allows, where the kernel tells. */
  info(): Delegation | undefined;
}

/** What was refused. */
export interface Refusal {
  /** The bpf(2) command or system call: `"BPF_MAP_CREATE"`, `"perf_event_open"`. */
  readonly command: string;
  /** What was being done: `"create map"`. */
  readonly doing: string;
  /** To what: the name. */
  readonly subject: string;
  /** What it answered: `-errno`. */
  readonly result: number;
  /** The token that was used. */
  readonly token?: HeldToken | undefined;
  /** A token's descriptor, where there is no `Token`. */
  readonly tokenFd?: number | undefined;
  /** The map. */
  readonly map?:
    | Omit<MapCreate, "type" | "tokenFd" | "name"> & {
      /** Its type, by name or number. */
      readonly type: MapTypeName | number;
    }
    | undefined;
  /** The program. */
  readonly program?: {
    /** Its type, by name or number. */
    readonly type: ProgramTypeName | number;
    /** The number of the expected attach type; 0 is none. */
    readonly attachType: number;
    /** The section's name, for attach. */
    readonly section?: string | undefined;
    /** Network device, when it is bound to one. */
    readonly ifindex?: number | undefined;
  } | undefined;
  /** The verifier's log. */
  readonly log?: string | undefined;
}

/** A decision, before it becomes an error. */
export interface Finding {
  /** The cause. */
  readonly reason: RefusalCause;
  /** In the words of a person. */
  readonly why: string;
  /** What to do. */
  readonly fix?: string | undefined;
  /** Words that are missing. */
  readonly missing?: readonly DelegationWord[] | undefined;
}

/** What all deciding functions share. */
export interface Case {
  /** The kernel. */
  readonly kernel: Kernel;
  /** What was refused. */
  readonly refusal: Refusal;
  /** The process. */
  readonly facts: ProcessFacts;
  /** The token's descriptor. */
  readonly tokenFd: number | undefined;
  /** Grows as the decision is made. */
  readonly evidence: string[];
}
