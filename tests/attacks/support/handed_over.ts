/**
 * The child of a test in `leftovers_test.ts`: descriptor numbers that a worker posted before it was terminated.
 * Cleanup after ended workers must close only descriptors that they still own. Prints one line for each harm.
 *
 * @module
 */

import { BpfMap, Link, linuxKernel } from "../../../mod.ts";

const kernel = linuxKernel();

async function start(query: string): Promise<{ worker: Worker; number: number }> {
  const worker = new Worker(new URL(`./gives_number.ts${query}`, import.meta.url), {
    type: "module",
  });
  const number = await new Promise<number>((resolve) => {
    worker.onmessage = ({ data }: MessageEvent<number>): void => resolve(data);
  });
  return { worker, number };
}

async function end(worker: Worker): Promise<void> {
  worker.terminate();
  await new Promise((resolve) => setTimeout(resolve, 300));
}

/** Makes another isolate clean up descriptors of ended ones. */
async function takeUp(): Promise<void> {
  const { worker } = await start("?map");
  await end(worker);
}

/** Closes the worker's descriptor number, which the kernel then reuses for a map of this isolate. */
async function closedHere(): Promise<void> {
  const { worker, number } = await start("?map");
  kernel.close(number);
  const ours = BpfMap.create<number, number>({
    type: "hash",
    keySize: 4,
    valueSize: 4,
    maxEntries: 4,
  });
  if (ours.fd !== number) console.log("the number did not come again, so this says nothing");
  ours.set(1, 42);
  await end(worker);
  await takeUp();
  try {
    if (ours.get(1) !== 42) console.log("another isolate's map was exchanged");
  } catch (error) {
    console.log(`another isolate's map was closed: ${error}`);
  }
  ours[Symbol.dispose]();
}

/** Takes over a link that the worker released. */
async function takenOver(): Promise<void> {
  const { worker, number } = await start("?link");
  const link = Link.fromFd(kernel, number);
  await end(worker);
  await takeUp();
  try {
    if (link.info() === undefined) console.log("a link that was taken over says nothing");
  } catch (error) {
    console.log(`a link that was released and taken over was closed: ${error}`);
  }
  link[Symbol.dispose]();
}

await closedHere();
await takenOver();
console.log("done");
Deno.exit(0);
