/**
 * What a token cannot do, by the names of the tests that meet it.
 *
 * @module
 */

import { missingFeature } from "../support/kernel.ts";

/** A refusal that is known beforehand. */
export interface PlannedRefusal {
  /** Whose tests: a pattern of their names. */
  readonly tests: RegExp;
  /** What the error has to say. */
  readonly says: RegExp;
  /** Whether it is so on this kernel; always when it is not given. */
  readonly here?: (() => boolean) | undefined;
  /** Why, for the page about kernels. */
  readonly why: string;
}

const refusals: readonly PlannedRefusal[] = [
  {
    tests: /^perf_event /,
    says: /perf_event_open takes CAP_PERFMON in the initial user namespace: no token helps/,
    why: "perf_event_open cannot be delegated",
  },
  {
    tests: /^tcx (runs programs in the order that anchors give|by command takes the place)/,
    says: /BPF_PROG_QUERY answers -1\b/,
    why: "BPF_PROG_QUERY takes no token",
  },
  {
    tests: /^freplace /,
    says: /BTF is opened by id with a token since Linux 6\.15/,
    here: () => missingFeature("ability", "btf_by_id_token") !== undefined,
    why: "BTF is opened by id with a token since Linux 6.15",
  },
];

/** Why a test of a hook is refused with a token, or `undefined` when it has to pass. */
export function plannedRefusal(test: string): PlannedRefusal | undefined {
  return refusals.find(({ tests, here }) => tests.test(test) && (here?.() ?? true));
}
