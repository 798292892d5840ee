/**
 * The part of the token tests that runs inside a sandbox: `withToken()` calls each function here.
 *
 * @module
 */

import { linuxKernel } from "../../kernel/linux/linux.ts";
import { Token } from "../../token/mod.ts";
import { type JsonValue, SkepError } from "../../errors/skep_error.ts";
import { BpfObject } from "../../loader/mod.ts";

/** Creates the token of /sys/fs/bpf and returns what it allows. */
export function tokenInfo(): JsonValue {
  using token = Token.open("/sys/fs/bpf", { kernel: linuxKernel() });
  return { ...token.info()?.toJSON(), fresh: token.fresh };
}

/** Loads an object; returns the kernel's names of its programs and maps, or the error. */
export async function load(path: string): Promise<JsonValue> {
  try {
    using object = await BpfObject.load(path);
    return {
      ok: true,
      programs: [...object.programs].map((program) => program.info().name),
      maps: [...object.maps].map((map) => map.info().name),
    };
  } catch (error) {
    if (!(error instanceof SkepError)) throw error;
    return { ok: false, ...error.toJSON() };
  }
}
