/**
 * Finds the capability with which the verifier would have accepted a program.
 *
 * @module
 */

import { Errno, failed } from "../../uapi/errno.ts";
import { Helper } from "../../uapi/enums.ts";
import type { RefusalCause } from "./delegation_error.ts";
import type { BpfCapability } from "../../plan/bpf_capability.ts";
import { helperCapability, helperText } from "../../plan/scan.ts";

/** The privilege that a verifier log points to. */
export interface VerifierHint {
  /** The cause. */
  readonly reason: RefusalCause;
  /** The cause, in plain words. */
  readonly why: string;
  /** What the reader can do. */
  readonly fix: string;
  /** The line of the log that shows it. */
  readonly evidence: string;
}

/**
 * Messages for what the verifier permits only with CAP_PERFMON (`allow_ptr_leaks`, `bypass_spec_v1`,
 * `bypass_spec_v4`, `allow_uninit_stack`).
 */
const PERFMON_LINES: readonly (readonly [RegExp, string])[] = [
  [/pointer comparison prohibited/, "the program compares a pointer with a number"],
  [
    /invalid read from stack|invalid indirect read from stack/,
    "the program reads stack that it has not written",
  ],
  [/leaks addr|attempts? to leak|leak pointer/, "the program leaks a kernel address"],
  [
    /pointer -= pointer prohibited|pointer arithmetic (?:.* )?prohibited|prohibited for !root/,
    "the program does arithmetic on a pointer",
  ],
  [
    /tried to .* from different maps, paths/,
    "the program's pointer arithmetic differs between paths",
  ],
  [
    /access is allowed only to CAP_PERFMON/,
    "the program reads a kernel object by its type",
  ],
  [/CAP_PERFMON are required to use arena/, "the program uses an arena"],
  [
    /sign-extension part of pointer|partial copy of pointer/,
    "the program takes a part of a pointer",
  ],
  [/attempt to corrupt spilled pointer/, "the program overwrites a part of a spilled pointer"],
];

/** Helpers that lockdown disables: `integrity` the one that writes, `confidentiality` all of them. */
const LOCKDOWN_HELPERS: ReadonlySet<number> = new Set([
  Helper.probe_write_user,
  Helper.probe_read,
  Helper.probe_read_str,
  Helper.probe_read_kernel,
  Helper.probe_read_kernel_str,
]);

const ENDLESS =
  /infinite loop detected|program is too large\. Processed|sequence of \d+ jumps is too complex/;

const CANNOT_USE_HELPER =
  /^.*(?:program of this type cannot use helper|unknown func|helper call is not allowed in probe|cannot use helper) .*?#(\d+).*$/m;

/**
 * Returns the privilege that a refused program lacked, from the last lines of its log; undefined when no
 * privilege would help, or when the log does not show it.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { verifierHint } from "@skep/skep/token";
 *
 * const log = "0: (85) call bpf_trace_printk#6\nprogram of this type cannot use helper bpf_trace_printk#6\n";
 * assertEquals(verifierHint(-22, log, ["bpf"])?.reason, "verifier-needs-perfmon");
 * assertEquals(verifierHint(-22, log, ["bpf", "perfmon"]), undefined);
 * ```
 */
export function verifierHint(
  result: number,
  log: string,
  capabilities: readonly BpfCapability[],
  lockdown?: string,
): VerifierHint | undefined {
  const helper = CANNOT_USE_HELPER.exec(log);
  if (helper?.[1] !== undefined) {
    return helperHint(Number(helper[1]), helper[0], capabilities, lockdown);
  }
  const tailCall = /^.*tail_call abusing map_ptr.*$/m.exec(log.slice(-4096));
  if (tailCall !== null) {
    return {
      reason: "not-delegable",
      why:
        "it tail-calls through one of several program arrays: arrays created with a token keep " +
        "their Spectre masks, which require a single array per tail call",
      fix: "use one program array for each tail call, or load it as root",
      evidence: tailCall[0],
    };
  }
  if (capabilities.includes("perfmon") || capabilities.includes("sys_admin")) return undefined;
  const tail = log.slice(-4096);
  for (const [pattern, what] of PERFMON_LINES) {
    const line = tail.split("\n").find((text) => pattern.test(text));
    if (line !== undefined) return perfmon(`${what}, which takes CAP_PERFMON`, line);
  }
  // With a truncated log the errno is ENOSPC, whatever the verifier found.
  const endless = tail.split("\n").find((text) => ENDLESS.test(text));
  if (endless !== undefined || failed(result, Errno.E2BIG)) {
    const line = endless ?? tail.trimEnd().split("\n").at(-1) ?? "";
    return perfmon(
      "without CAP_PERFMON the verifier also follows paths under speculation, on which a " +
        "bounded loop may not end",
      line,
    );
  }
  return undefined;
}

function helperHint(
  number: number,
  evidence: string,
  capabilities: readonly BpfCapability[],
  lockdown: string | undefined,
): VerifierHint | undefined {
  const needed = helperCapability(number);
  if (needed === undefined) return undefined;
  const has = capabilities.includes(needed) || capabilities.includes("sys_admin");
  const name = helperText(number);
  if (has) {
    const readsOrWrites = LOCKDOWN_HELPERS.has(number);
    if (!readsOrWrites || lockdown === "none") return undefined;
    const level = lockdown === undefined ? "" : ` (${lockdown})`;
    return {
      reason: "local-policy",
      why: `kernel lockdown${level} forbids ${name}: root would be refused too`,
      fix: `avoid ${name}, or boot without lockdown`,
      evidence,
    };
  }
  if (needed === "perfmon") {
    return perfmon(`${name} takes CAP_PERFMON in the user namespace`, evidence);
  }
  return {
    reason: "verifier-needs-sys-admin",
    why: `${name} takes CAP_SYS_ADMIN in the user namespace`,
    fix: "keep CAP_SYS_ADMIN in the user namespace",
    evidence,
  };
}

function perfmon(why: string, evidence: string): VerifierHint {
  return {
    reason: "verifier-needs-perfmon",
    why,
    fix: "keep CAP_PERFMON in the user namespace",
    evidence,
  };
}
