/**
 * Refusals that are expected with a token, by the names of the tests that meet them.
 *
 * @module
 */

import { missingFeature } from "../support/kernel.ts";

/** An expected refusal. */
export interface PlannedRefusal {
  /** Pattern of the names of the refused tests. */
  readonly tests: RegExp;
  /** Pattern that the error must match. */
  readonly says: RegExp;
  /** Returns whether this kernel refuses. @default {() => true} */
  readonly here?: (() => boolean) | undefined;
  /** Reason, for docs/kernels.md. */
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

/** Returns the expected refusal of a hook's test with a token, or `undefined` when it must pass. */
export function plannedRefusal(test: string): PlannedRefusal | undefined {
  return refusals.find(({ tests, here }) => tests.test(test) && (here?.() ?? true));
}
