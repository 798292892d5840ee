/**
 * Drops capabilities of the thread that a test runs on.
 *
 * @module
 */

import { linuxKernel } from "../../kernel/linux/linux.ts";
import { native } from "../../kernel/linux/ffi/native.ts";
import { type BpfCapability, CAPABILITY_NUMBERS } from "../../token/mod.ts";
import { _LINUX_CAPABILITY_VERSION_3 } from "../../uapi/processes.ts";
import { systemCalls } from "../../kernel/linux/ffi/syscalls.ts";

/** Removes capabilities from this thread's permitted and effective sets; they cannot be regained. */
export function dropCapabilities(...names: readonly BpfCapability[]): void {
  const { bytes } = linuxKernel().readFile("/proc/thread-self/status");
  const text = /^CapEff:\s*(\w+)$/m.exec(new TextDecoder().decode(bytes))?.[1];
  let mask = BigInt(`0x${text}`);
  for (const name of names) mask &= ~(1n << BigInt(CAPABILITY_NUMBERS[name]));
  const [low, high] = [Number(mask & 0xffffffffn), Number(mask >> 32n)];
  using frame = native().frame();
  const header = frame.words([_LINUX_CAPABILITY_VERSION_3, 0]);
  const result = native().call(
    systemCalls.capset,
    header,
    frame.words([low, low, 0, high, high, 0]),
  );
  if (result < 0) throw new Error(`capset: ${result}`);
}
