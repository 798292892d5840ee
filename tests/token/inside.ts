/**
 * What the token tests do inside a sandbox: each function here is called by `withToken()`.
 *
 * @module
 */

import { linuxKernel } from "../../kernel/linux.ts";
import { Token } from "../../token/mod.ts";
import type { JsonValue } from "../../elf/error.ts";

/** Makes the token of /sys/fs/bpf and tells what it allows. */
export function tokenInfo(): JsonValue {
  using token = Token.open("/sys/fs/bpf", { kernel: linuxKernel() });
  return { ...token.info()?.toJSON(), fresh: token.fresh };
}
