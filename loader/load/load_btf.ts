/**
 * Loads an object's BTF into the kernel.
 *
 * @module
 */

import type { SkepError } from "../../errors/skep_error.ts";
import { Errno, failed } from "../../uapi/errno.ts";
import type { LoadResult } from "../../kernel/kernel.ts";
import { Descriptor } from "../../kernel/descriptor.ts";
import { nextLogSize } from "./load_program.ts";
import type { LoadContext } from "./load_context.ts";

/** Size of the first log buffer in bytes. */
const FIRST_LOG = 1 << 20;

/** Outcome of loading the BTF: its descriptor, or the error. */
export type BtfOutcome =
  | { readonly ok: true; readonly descriptor: Descriptor }
  | { readonly ok: false; readonly error: SkepError };

/**
 * Loads the first of `blobs` that the kernel accepts.
 *
 * The blobs are the object's BTF in forms for successively older kernels. EINVAL leads to the next form; any
 * other errno ends the attempt, since it does not depend on the form.
 */
export function loadBtf(state: LoadContext, blobs: Iterable<Uint8Array>): BtfOutcome {
  let answer: LoadResult = { result: -Errno.EINVAL, log: "", logTrueSize: 0 };
  let last: Uint8Array | undefined;
  for (const bytes of blobs) {
    last = bytes;
    answer = load(state, bytes, 0, 0);
    if (answer.result >= 0) {
      return { ok: true, descriptor: new Descriptor(state.kernel, answer.result) };
    }
    if (!failed(answer.result, Errno.EINVAL)) break;
  }
  if (last !== undefined && state.logLevel !== "none") answer = withLog(state, last, answer);
  return {
    ok: false,
    error: state.refused({
      doing: "load BTF of",
      subject: state.spec.name,
      command: "BPF_BTF_LOAD",
      result: answer.result,
      stage: "btf",
      why: lastLine(answer.log) !== "" ? lastLine(answer.log) : undefined,
      data: { log: answer.log },
    }, { kind: "btf" }),
  };
}

function load(
  state: LoadContext,
  bytes: Uint8Array,
  logLevel: number,
  logSize: number,
): LoadResult {
  return state.kernel.btfLoad({
    bytes,
    logLevel: logLevel > 0 ? logLevel : undefined,
    logSize: logLevel > 0 ? logSize : undefined,
    tokenFd: state.tokenFd,
  });
}

/** Loads the BTF again with a log. Returns the first refusal when the second load succeeds. */
function withLog(state: LoadContext, bytes: Uint8Array, first: LoadResult): LoadResult {
  let size: number | undefined = FIRST_LOG;
  let answer = first;
  while (size !== undefined) {
    answer = load(state, bytes, 1, size);
    if (answer.result >= 0) {
      // The first refusal was transient (EAGAIN, ENOMEM) and is still what gets reported.
      state.kernel.close(answer.result);
      return first;
    }
    if (!failed(answer.result, Errno.ENOSPC)) break;
    size = nextLogSize(size, answer.logTrueSize);
  }
  return answer;
}

function lastLine(log: string): string {
  return log.trimEnd().split("\n").at(-1)?.trim() ?? "";
}
