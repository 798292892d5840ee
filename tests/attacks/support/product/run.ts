/**
 * Runs cases of the product: `run.ts SHARD SHARDS FROM [BROKEN [NAME]]`. Prints the number and name of each case before it
 * runs, and what harm it did after.
 *
 * @module
 */

import { BPF_F_MMAPABLE } from "../../../../uapi/mod.ts";
import * as skep from "../../../../mod.ts";
import { argumentLists } from "./arguments.ts";
import { Canaries } from "./canaries.ts";
import { allCases, type Case, disposeOf } from "./cases.ts";
import { type Donation, hostileValues } from "./values.ts";
import { endOpened, fixture, openedDescriptors } from "./world.ts";

const kernel = skep.linuxKernel();
const [shard = 0, shards = 1, from = 0] = Deno.args.slice(0, 3).map(Number);
/** The member or function that did harm: its further cases say nothing new. */
const broken = Deno.args[3] ?? "";
const only = Deno.args[4];

/** Milliseconds from which a case is told to be slow. */
const SLOW = 300;

const encoder = new TextEncoder();

function say(line: string): void {
  Deno.stdout.writeSync(encoder.encode(line + "\n"));
}

async function donation(): Promise<Donation> {
  const worker = new Worker(new URL("./donor.ts", import.meta.url), { type: "module" });
  const { promise, resolve, reject } = Promise.withResolvers<Donation>();
  worker.onmessage = ({ data }: MessageEvent<Donation>): void => resolve(data);
  worker.onerror = (event): void => reject(new Error(event.message));
  const given = await promise;
  worker.terminate();
  return given;
}

/** Uses what a call gave, as its caller would: reads it, writes it, ends it. */
async function use(result: unknown, depth: number = 1): Promise<void> {
  // The kernel's own close() takes a number.
  if (typeof result !== "object" || result === null || result === kernel) return;
  if (result instanceof skep.LinuxKernel) return;
  if (result instanceof Promise) {
    const late = new Promise((resolve) => setTimeout(resolve, 20));
    await use(await Promise.race([result, late]), depth);
    return;
  }
  if (ArrayBuffer.isView(result)) return scribble(result);
  const method = (name: string | symbol): ((...values: unknown[]) => unknown) | undefined => {
    const value: unknown = Reflect.get(result, name);
    return typeof value === "function" ? value.bind(result) : undefined;
  };
  try {
    if (typeof Reflect.get(result, "keySize") === "number") method("get")?.(1);
    for (const name of ["u8", "view", "key", "value", "keys", "values", "memory"]) {
      const view: unknown = depth > 0 ? Reflect.get(result, name) : undefined;
      if (ArrayBuffer.isView(view)) scribble(view);
    }
    if (method("lookup") !== undefined && method("update") !== undefined) {
      for (const name of ["lookup", "update", "delete"]) method(name)?.(name === "lookup" ? 0 : 1);
      method("next")?.(true);
    }
    if (method("next") !== undefined && !(result instanceof skep.RingBuffer)) {
      for (let count = 0; count < 3; count++) {
        const step = method("next")?.();
        if (step instanceof Promise) await use(step, 0);
      }
      method("return")?.();
    }
  } finally {
    (method(Symbol.dispose) ?? method("close"))?.();
  }
}

function scribble(view: ArrayBufferView): void {
  const bytes = new DataView(view.buffer, view.byteOffset, Math.min(view.byteLength, 1 << 20));
  for (let at = 0; at < bytes.byteLength; at += 256) bytes.setUint8(at, bytes.getUint8(at));
}

const directory = Deno.makeTempDirSync();
const mounted = await new Deno.Command("mount", { args: ["-t", "bpf", "none", directory] })
  .output();
if (!mounted.success) throw new Error("cannot mount a bpffs of the test's own");
Deno.chdir(Deno.makeTempDirSync());

const given = await donation();
using canaries = new Canaries();
const object = await skep.BpfObject.load(fixture("loading"));
const make = (options: skep.MapCreateOptions): skep.AnyMap => skep.BpfMap.create(options);
const table = { keySize: 4, valueSize: 8, maxEntries: 64 };
const file = kernel.open(Deno.makeTempFileSync(), 2);
kernel.write(file, new Uint8Array(8192));
const lists = argumentLists({
  map: make({ type: "hash", ...table }),
  array: make({ type: "array", ...table, maxEntries: 512, flags: BPF_F_MMAPABLE }),
  perf: make({ type: "perf_event_array", keySize: 4, valueSize: 4, maxEntries: 64 }),
  ring: make({ type: "ringbuf", maxEntries: 4096 }),
  userRing: make({ type: "user_ringbuf", maxEntries: 4096 }),
  file,
  program: object.programs.get("count"),
  object,
  directory,
});
canaries.bury();

/** Closes the descriptors of an instance and of what its maker opened, behind their owners' backs. */
function closeDescriptors(instance: unknown): void {
  const own: unknown = typeof instance === "object" && instance !== null
    ? Reflect.get(instance, "fd")
    : undefined;
  const all = new Set([own, ...openedDescriptors()]);
  for (const fd of all) if (typeof fd === "number" && fd > 2) kernel.close(fd);
}

const takers: skep.AnyMap[] = [];

/** Large maps take the numbers that are free. */
function takeNumbers(): void {
  for (let count = 0; count < 3; count++) {
    const map = make({ type: "hash", keySize: 4, valueSize: 4096, maxEntries: 8 });
    for (let key = 0; key < 8; key++) {
      map.raw.elements.key.fill(key);
      map.raw.elements.value.fill(0xee);
      map.raw.update();
    }
    takers.push(map);
  }
}

/** Whether a taker was changed. */
function takersChanged(): boolean {
  let changed = false;
  for (const map of takers.splice(0)) {
    try {
      for (let key = 0; key < 8; key++) {
        map.raw.elements.key.fill(key);
        if (!map.raw.lookup() || map.raw.elements.value.some((byte) => byte !== 0xee)) {
          changed = true;
        }
      }
    } catch {
      changed = true;
    }
    map[Symbol.dispose]();
  }
  return changed;
}

/** The instance of the last case, where that left it as it was. */
let cached: { readonly maker: Case["maker"]; readonly instance: unknown } | undefined;

function drop(): void {
  const instance = cached?.instance;
  cached = undefined;
  try {
    disposeOf(instance);
  } catch {
    // A refusal is correct.
  }
  endOpened();
}

/** Whether a case runs, or ran lately. */
let running = false;

async function run({ name, maker, shared, before, call }: Case): Promise<void> {
  if (shared !== true || cached?.maker !== maker) drop();
  try {
    cached ??= { maker, instance: await maker?.() };
    const { instance } = cached;
    before?.(instance);
    const result = call(instance);
    await use(result);
  } catch (error) {
    // A refusal is correct.
    if (only !== undefined) say(`refused ${name}: ${error}`);
  }
  const harms = canaries.harms();
  if (takersChanged()) harms.push("reached the map that has its number now");
  if (shared !== true) drop();
  const all = new Set([...harms, ...canaries.harms()]);
  for (const harm of all) say(`harm ${name}: ${harm}`);
  // What was broken cannot tell about the cases to come.
  if (all.size > 0) Deno.exit(0);
}

globalThis.addEventListener("unhandledrejection", (event) => {
  // Of a call that was not waited for: it did no harm. What fails here is told.
  if (running) event.preventDefault();
});

let index = 0;
const values = hostileValues(canaries.descriptor, given);
for await (
  const one of allCases(values, lists, {
    closeDescriptors,
    takeNumber: takeNumbers,
    covers: (name) => say(`class ${name}`),
  })
) {
  const number = index++;
  if (number % shards !== shard || number < from) continue;
  if (broken !== "" && one.name.startsWith(`${broken} `)) continue;
  if (only !== undefined && one.name !== only) continue;
  say(`case ${number} ${one.name}`);
  running = true;
  const start = performance.now();
  await run(one);
  const took = performance.now() - start;
  if (took > SLOW) say(`slow ${one.name}: ${took.toFixed()} ms`);
}
say(`done ${index}`);
Deno.exit(0);
