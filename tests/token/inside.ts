/**
 * What the token tests do inside a sandbox: each function here is called by `withToken()`.
 *
 * @module
 */

import { linuxKernel } from "../../kernel/linux/linux.ts";
import { Token } from "../../token/mod.ts";
import { type JsonValue, SkepError } from "../../errors/skep_error.ts";
import { BpfObject } from "../../loader/mod.ts";

/** Makes the token of /sys/fs/bpf and tells what it allows. */
export function tokenInfo(): JsonValue {
  using token = Token.open("/sys/fs/bpf", { kernel: linuxKernel() });
  return { ...token.info()?.toJSON(), fresh: token.fresh };
}

/** Loads an object; its programs and maps as the kernel names them, or the error. */
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
