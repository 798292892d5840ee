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

/** Room for the first log. */
const FIRST_LOG = 1 << 20;

/** What came of loading the BTF. */
export type BtfOutcome =
  | { readonly ok: true; readonly descriptor: Descriptor }
  | { readonly ok: false; readonly error: SkepError };

/**
 * Loads the first of `blobs` that the kernel takes.
 *
 * They are the object's BTF, in forms for ever older kernels: the next is tried when one is refused as
 * invalid. A refusal of another kind ends it, since EPERM says nothing about a form.
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

/** The same refusal with the kernel's words; without them when the second answer is another. */
function withLog(state: LoadContext, bytes: Uint8Array, first: LoadResult): LoadResult {
  let size: number | undefined = FIRST_LOG;
  let answer = first;
  while (size !== undefined) {
    answer = load(state, bytes, 1, size);
    if (answer.result >= 0) {
      // It was only refused for a moment (EAGAIN, ENOMEM): it is not wanted any more.
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
