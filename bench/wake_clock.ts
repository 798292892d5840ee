/**
 * Relates a thread's clock to the kernel's.
 *
 * @module
 */

import { hrtime } from "node:process";
import type { Kernel } from "../kernel/mod.ts";
import type { RingBuffer } from "../loader/mod.ts";

/** Returns the nanoseconds between a record's timestamp and now, on different clocks. */
export function age(view: DataView, offset: number): number {
  return Number(hrtime.bigint() - view.getBigUint64(offset + 16, true));
}

/**
 * Returns how far this thread's clock is ahead of the kernel's, in nanoseconds.
 *
 * A record submitted by this thread is read within a microsecond or two. The least age of many is
 * taken as the difference of the clocks, so latencies come out short by that amount.
 */
export function clockDifference(kernel: Kernel, programFd: number, ring: RingBuffer): number {
  let least = Infinity;
  for (let i = 0; i < 500; i++) {
    kernel.programTestRun({ programFd, dataIn: new Uint8Array(64) });
    ring.consume((view, offset) => {
      least = Math.min(least, age(view, offset));
    });
  }
  return least;
}
