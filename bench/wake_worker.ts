/**
 * The other thread of the wake-up benchmark: submits records for the main thread, or waits for
 * those of the main thread. Descriptors are shared by the process, so it receives their numbers.
 *
 * @module
 */

/// <reference lib="deno.worker" />

import { linuxKernel } from "../kernel/mod.ts";
import { RingBuffer } from "../loader/mod.ts";
import { age, clockDifference } from "./wake_clock.ts";

/** A request to the worker. */
export type WakeRequest =
  | { readonly role: "produce"; readonly programFd: number; readonly events: number }
  | {
    readonly role: "consume";
    readonly programFd: number;
    readonly mapFd: number;
    readonly size: number;
    readonly events: number;
  };

/** Submits one record every two milliseconds, as the peer does. */
function produce(programFd: number, events: number): void {
  const kernel = linuxKernel();
  const pause = new Int32Array(new SharedArrayBuffer(4));
  for (let i = 0; i < events; i++) {
    Atomics.wait(pause, 0, 0, 2);
    kernel.programTestRun({ programFd, dataIn: new Uint8Array(64) });
  }
}

/** Waits for records on this thread alone. */
function consume(mapFd: number, size: number, programFd: number, events: number): number[] {
  using ring = RingBuffer.open(linuxKernel(), mapFd, size);
  const clock = clockDifference(linuxKernel(), programFd, ring);
  self.postMessage("ready");
  const samples: number[] = [];
  while (samples.length < events) {
    ring.poll(-1);
    ring.consume((view, offset) => {
      samples.push((age(view, offset) - clock) / 1e3);
    });
  }
  return samples;
}

self.onmessage = ({ data }: MessageEvent<WakeRequest>): void => {
  const { role, programFd, events } = data;
  if (role === "produce") produce(programFd, events);
  self.postMessage(role === "consume" ? consume(data.mapFd, data.size, programFd, events) : []);
};
