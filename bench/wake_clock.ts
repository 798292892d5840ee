/**
 * Brings a thread's clock and the kernel's together.
 *
 * @module
 */

import { hrtime } from "node:process";
import type { Kernel } from "../kernel/mod.ts";
import type { RingBuffer } from "../loader/mod.ts";

/** Nanoseconds between a record's own clock and now, by a clock that starts elsewhere. */
export function age(view: DataView, offset: number): number {
  return Number(hrtime.bigint() - view.getBigUint64(offset + 16, true));
}

/**
 * How far this thread's clock is ahead of the kernel's, in nanoseconds.
 *
 * A record that this thread makes is read within a microsecond or two: the least age of many is the
 * difference of the clocks, so latencies come out short by that microsecond or two.
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
