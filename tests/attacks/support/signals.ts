/**
 * The child of `signals_test.ts`: loads programs while a timer interrupts this thread, as a profiler does. Prints
 * what failed: `signals.ts process|thread`.
 *
 * @module
 */

import { BpfMap, BpfObject, linuxKernel } from "../../../mod.ts";

const kernel = linuxKernel();
const object = Deno.readFileSync(new URL("../../fixtures/loading.bpf.o", import.meta.url));
const arm = Deno.build.arch === "aarch64";
const SETITIMER = arm ? 103 : 38;
const TIMER_CREATE = arm ? 107 : 222;
const TIMER_SETTIME = arm ? 110 : 223;
const SIGALRM = 14;
const SIGEV_THREAD_ID = 4;
/** Timer period in nanoseconds, shorter than the verification of a small program. */
const INTERVAL = 50_000n;
const LOADS = 20;

// Memory with an address, for what the timer's system calls read.
using memory = BpfMap.create({
  type: "array",
  keySize: 4,
  valueSize: 256,
  maxEntries: 1,
  flags: 1 << 10,
});
const { mapping } = memory;
const { address, big64, u32 } = mapping;

let signals = 0;
Deno.addSignalListener("SIGALRM", () => signals++);

function start(): void {
  if (Deno.args[0] === "thread") {
    // struct sigevent: value, signal, kind, thread; then the timer's id, then struct itimerspec.
    u32.set([0, 0, SIGALRM, SIGEV_THREAD_ID, Deno.pid], 0);
    const made = kernel.call(TIMER_CREATE, 1, address, address + 64);
    if (made < 0) throw new Error(`timer_create: ${made}`);
    big64.set([0n, INTERVAL, 0n, INTERVAL], 10);
    const set = kernel.call(TIMER_SETTIME, u32[16] ?? 0, 0, address + 80, 0);
    if (set < 0) throw new Error(`timer_settime: ${set}`);
  } else {
    big64.set([0n, INTERVAL / 1000n, 0n, INTERVAL / 1000n], 0);
    const set = kernel.call(SETITIMER, 0, address, 0);
    if (set < 0) throw new Error(`setitimer: ${set}`);
  }
}

start();
const texts = new Set<string>();
let failed = 0;
for (let count = 0; count < LOADS; count++) {
  try {
    using loaded = await BpfObject.load(object);
    if ([...loaded.programs].length === 0) console.log("no program was loaded");
  } catch (error) {
    failed++;
    texts.add(`${error instanceof Error ? error.message : error}`.slice(0, 300));
  }
}
await new Promise((resolve) => setTimeout(resolve, 10));
if (signals === 0) console.log("no signal came, so this says nothing");
if (failed > 0) console.log(`${failed} of ${LOADS} loads failed: ${[...texts].join("; ")}`);
console.log("done");
Deno.exit(0);
