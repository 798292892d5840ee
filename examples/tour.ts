/**
 * A tour of the API in small steps, shown in `docs/` and run by `examples_test.ts`.
 *
 *     sudo deno run --allow-ffi --allow-read examples/tour.ts
 *
 * @module
 */

import {
  attachmentText,
  BpfObject,
  DelegationError,
  discoverTokens,
  KernelError,
  linuxKernel,
  ObjectSpec,
  openObject,
  type PerCpuMap,
  plan,
  printC,
  runInSandbox,
  SkepError,
  VerifierError,
} from "@skep/skep";
import { attachXdp } from "@skep/skep/attach";

const execsnoop = new URL("execsnoop/execsnoop.bpf.o", import.meta.url);
const xdpCount = new URL("xdp_count/xdp_count.bpf.o", import.meta.url);

/** `struct counter` of xdp_count.bpf.c, decoded. */
interface Counter {
  readonly packets: bigint;
  readonly bytes: bigint;
}

/** Edits a spec, which is plain data, parsed without a system call. */
export async function editSpec(): Promise<ObjectSpec> {
  // #region spec
  const spec = await openObject(execsnoop);
  console.log(spec.license, spec.programs.names(), spec.maps.names());

  spec.variables.get("target_uid").set(1000); // checked against its BTF type
  spec.maps.get("events").maxEntries = 1 << 20;
  spec.programs.get("handle_exec").autoload = true;
  // #endregion spec
  return spec;
}

/** Parses bytes from any source: no file, no kernel, no permission needed. */
export async function parseBytes(): Promise<ObjectSpec> {
  const bytes = await Deno.readFile(xdpCount);
  // #region bytes
  const spec = ObjectSpec.parse(bytes, { name: "xdp_count.bpf.o" });
  const json = JSON.stringify(spec); // the same text on every machine
  // #endregion bytes
  console.log(`${json.length} bytes of JSON`);
  return spec;
}

/** Computes the delegation that an object needs. */
export async function planIt(): Promise<string> {
  // #region plan
  const need = plan(await openObject(execsnoop));

  console.log(need.commands, need.maps, need.programs, need.attachments);
  console.log(need.holder.reads.text); // what whoever holds this delegation can read
  console.log(need.reasons); // which map or program asks for which word
  for (const note of need.notes) console.log(`${note.level}: ${note.text}`);

  const options = need.toMountOptions(); // also toHex(), toSystemd(), toIncus(), toLxd(), toJSON()
  // #endregion plan
  return options;
}

/** Shows how each program is attached with a token. */
export function planAttachments(spec: ObjectSpec): string[] {
  // #region attach-plan
  const { attachDecisions } = plan(spec);
  // unlink: SEC("kprobe/do_unlinkat") is attached as kprobe.multi/do_unlinkat
  const lines = attachDecisions.map(attachmentText);
  for (const decision of attachDecisions) {
    // Without this, loading with a token throws an error that names the sections to use instead.
    if (decision.outcome === "refused") spec.programs.get(decision.program).autoload = false;
  }
  // #endregion attach-plan
  return lines;
}

/** Loads with options, and reads facts of the loaded program. */
export async function loadIt(): Promise<string> {
  // #region load
  using object = await BpfObject.load(xdpCount, {
    token: "auto", // or a path of a BPF filesystem, a Token, or false
    logLevel: "errors", // the verifier's log is asked for when a program is refused
    jobs: 4, // programs are verified at the same time
  });
  const { id, tag, verifiedInstructions } = object.programs.get("count").info();
  console.log(object.tokenChoice, id, tag, verifiedInstructions);
  // #endregion load
  return tag;
}

/** Runs a program without attaching it, and reads its counters. */
export async function runIt(): Promise<bigint> {
  // #region run
  using object = await BpfObject.load(xdpCount);
  const packet = new Uint8Array(64);
  packet.set([0x08, 0x00], 12); // an Ethernet header that says IPv4
  const { returnValue, duration } = object.programs.get("count").testRun({ data: packet });
  console.log(returnValue, `${duration} ns`); // 2 is XDP_PASS

  const counters = object.map<PerCpuMap<number, Counter>>("counters"); // one per CPU
  const packets = counters.get(0)?.reduce((sum, counter) => sum + counter.packets, 0n) ?? 0n;
  // #endregion run
  return packets;
}

/** Uses a map: keys and values are JS values, checked and converted by their BTF types. */
export async function useMap(): Promise<number> {
  // #region map
  using object = await BpfObject.load(xdpCount);
  const counters = object.map<PerCpuMap<number, Counter>>("counters");

  const perCpu = counters.get(1) ?? []; // [{ packets: 0n, bytes: 0n }, …]
  counters.set(1, perCpu.map(() => ({ packets: 1n, bytes: 64n })));
  for (const [slot, values] of counters) console.log(slot, values);
  // #endregion map
  return [...counters.keys()].length;
}

/** Reads and writes global variables through memory shared with the programs. */
export async function useVariable(): Promise<bigint> {
  // #region variable
  using object = await BpfObject.load(execsnoop);
  const dropped = object.variable<bigint>("dropped");
  dropped.set(0n);
  const now = dropped.get(); // no system call
  // #endregion variable
  return now;
}

/** Reads events until the signal aborts. */
export async function readEvents(signal: AbortSignal): Promise<number> {
  let seen = 0;
  // #region events
  using object = await BpfObject.load(execsnoop);
  using links = object.attach();
  for (const { name, reason } of links.skipped) console.warn(`${name}: ${reason}`);

  for await (const event of object.maps.get("events").records({ signal })) {
    console.log(event);
    seen++;
  }
  // #endregion events
  return seen;
}

/** Attaches one program to one interface. */
export async function attachTo(name: string): Promise<string> {
  // #region attach
  using object = await BpfObject.load(xdpCount);
  using link = object.programs.get("count").attach({ interface: name });
  console.log(link.kind, link.target, link.info()?.id);
  // #endregion attach
  return link.kind;
}

/** Attaches with the function of one hook kind, whose options are type-checked. */
export async function attachByKind(name: string): Promise<string> {
  // #region attach-kind
  using object = await BpfObject.load(xdpCount);
  using link = attachXdp(object.programs.get("count"), { interface: name, mode: "generic" });
  // #endregion attach-kind
  return link.target;
}

/** Lists the bpffs mounts that delegate, and whether this process can use them. */
export async function findTokens(): Promise<number> {
  // #region discover
  const need = plan(await openObject(execsnoop));
  const candidates = discoverTokens(linuxKernel(), { need: need.delegation });
  for (const { mount, usable, why } of candidates) {
    console.log(mount.path, usable ? "usable" : why);
  }
  // #endregion discover
  return candidates.length;
}

/** Runs a command as an unprivileged user with exactly what an object needs. */
export async function sandboxIt(command: string[]): Promise<number> {
  // #region sandbox
  const { code } = await runInSandbox({
    delegation: plan(await openObject(execsnoop)),
    command, // ["deno", "run", "--allow-ffi", "--allow-read", "main.ts"]
    user: 65534, // outside; root inside
    network: "new",
  });
  // #endregion sandbox
  return code;
}

/** Handles errors, which are typed data with a one-line message. */
export async function handleErrors(path: string): Promise<string> {
  // #region errors
  try {
    using object = await BpfObject.load(path);
    return `${object.programs.size} programs`;
  } catch (error) {
    if (error instanceof VerifierError) {
      console.error(error.log); // the whole log; error.source is the line of C that was refused
      return `the verifier: ${error.message}`;
    }
    if (error instanceof DelegationError) return `not delegated: ${error.message}`;
    if (error instanceof KernelError) return `the kernel refused ${error.command}: ${error.errno}`;
    if (error instanceof SkepError) return JSON.stringify(error); // nothing is lost
    throw error;
  }
  // #endregion errors
}

/** Prints the object's types as C and as TypeScript. */
export async function printTypes(): Promise<string> {
  // #region types
  const { btf } = await openObject(execsnoop);
  const id = btf?.find("event", "struct");
  const text = btf === undefined || id === undefined ? "" : printC(btf, [id]);
  // #endregion types
  return text;
}

if (import.meta.main) {
  await editSpec();
  await parseBytes();
  console.log(await planIt());
  console.log(await printTypes());
  console.log(await loadIt(), await runIt(), await useMap(), await useVariable());
  console.log(await readEvents(AbortSignal.timeout(2000)));
}
