/**
 * Support for hook tests: the fixture with one program per kind, and targets created for the test.
 *
 * @module
 */

import { linuxKernel } from "../../kernel/linux/linux.ts";
import { NetlinkMessage, REQUEST_ACK } from "../../loader/attach/target/netlink.ts";
import { BpfObject } from "../../loader/object.ts";
import type { Program } from "../../loader/program/program.ts";
import { ObjectSpec } from "../../object/object_spec.ts";
import { CLONE_NEWNET } from "../../uapi/processes.ts";
import {
  IFLA_IFNAME,
  IFLA_INFO_DATA,
  IFLA_INFO_KIND,
  IFLA_LINKINFO,
  IFLA_NUM_TX_QUEUES,
  NLM_F_CREATE,
  NLM_F_EXCL,
  RTM_NEWLINK,
} from "../../uapi/netlink.ts";
import { AF_INET, IFF_UP, SOCK_STREAM } from "../../uapi/sockets.ts";
import { architectures } from "../../uapi/architecture.ts";
import { systemCalls } from "../../kernel/linux/ffi/syscalls.ts";

const kernel = linuxKernel();
const ARM = kernel.machine.machine === "aarch64";

/**
 * The token option of hook tests: none, or "auto" in the process that `tests/token/hooks_test.ts`
 * starts.
 */
export const hookToken: "auto" | false =
  Deno.build.os === "linux" && Deno.env.has("SKEP_HOOKS_WITH_TOKEN") ? "auto" : false;

/** Number of getpgid(2), which nothing else in the tests calls. */
export const GETPGID: number = systemCalls.getpgid;
const { O_DIRECTORY } = architectures[Deno.build.arch];

/** Returns this process's pid in the initial pid namespace, as BPF programs see it. */
export function outerPid(): number {
  return Number(Deno.env.get("SKEP_SANDBOX_PID") ?? Deno.pid);
}

/** Calls getpgid(2), which tracing programs count, and returns its result. */
export function callGetpgid(): number {
  return kernel.call(GETPGID, Deno.pid);
}

/** A loaded program of `hooks.bpf.c`. */
export interface Hook extends Disposable {
  /** The object. */
  readonly object: BpfObject;
  /** The program. */
  readonly program: Program;
  /** Number of runs for the watched process. */
  readonly hits: number;
  /** The last value that it recorded. */
  readonly value: bigint;
  /** Sets the program's return value. */
  verdict(number: number): void;
}

/** Loads one program of the fixture, and optionally others. */
export async function loadHook(
  name: string,
  options: {
    readonly verdict?: number | undefined;
    readonly also?: readonly string[] | undefined;
  } = {},
): Promise<Hook> {
  const bytes = await Deno.readFile(new URL("../fixtures/hooks.bpf.o", import.meta.url));
  const spec = ObjectSpec.parse(bytes, { name: "hooks.bpf.o" });
  for (const program of [name, ...options.also ?? []]) {
    const wanted = spec.programs.get(program);
    wanted.autoload = true;
    // The fixture has the function names of x86-64.
    const plan = wanted.attach as { function?: string | undefined; pattern?: string | undefined };
    if (ARM && plan.function !== undefined) plan.function = plan.function.replace("x64", "arm64");
    if (ARM && plan.pattern !== undefined) plan.pattern = plan.pattern.replace("x64", "arm64");
  }
  spec.variables.get("target").set(outerPid());
  spec.variables.get("syscall_number").set(BigInt(GETPGID));
  spec.variables.get("verdict").set(options.verdict ?? 0);
  const object = await BpfObject.load(spec, { token: hookToken });
  const { variables } = object;
  return {
    object,
    program: object.programs.get(name),
    get hits(): number {
      return Number(variables.get("hits").get());
    },
    get value(): bigint {
      return variables.get("value").get() as bigint;
    },
    verdict: (number) => variables.get("verdict").set(number),
    [Symbol.dispose]: () => object[Symbol.dispose](),
  };
}

/**
 * Returns the ids of all links to these programs; in a process with only a token, of all links that
 * it holds.
 */
export function linksOf(programIds: readonly number[]): number[] {
  const found: number[] = [];
  if (hookToken !== false) {
    for (const fd of kernel.readDirectory("/proc/self/fdinfo") ?? []) {
      const { bytes } = kernel.readFile(`/proc/self/fdinfo/${fd}`);
      const text = new TextDecoder().decode(bytes);
      const [link, program] = ["link_id", "prog_id"].map((name) =>
        Number(new RegExp(`^${name}:\\s*(\\d+)`, "m").exec(text)?.[1])
      );
      if (link && programIds.includes(program ?? 0)) found.push(link);
    }
    return found;
  }
  for (let id = kernel.getNextId("link", 0); id > 0; id = kernel.getNextId("link", id)) {
    const fd = kernel.getFdById("link", id);
    if (fd < 0) continue;
    const { bytes } = kernel.objectInfo(fd, 16);
    kernel.close(fd);
    if (programIds.includes(new DataView(bytes.buffer).getUint32(8, true))) found.push(id);
  }
  return found;
}

/** Enters a new network namespace with `lo` up; disposal returns to the previous one. */
export function enterNetworkNamespace(): Disposable {
  // unshare(2) moves only the calling thread, which is the one that JavaScript runs on.
  const before = kernel.open("/proc/thread-self/ns/net");
  if (before < 0) throw new Error(`cannot open the network namespace: ${before}`);
  const back = {
    [Symbol.dispose](): void {
      kernel.call(systemCalls.setns, before, CLONE_NEWNET);
      kernel.close(before);
    },
  };
  const result = kernel.call(systemCalls.unshare, CLONE_NEWNET);
  if (result < 0) {
    kernel.close(before);
    throw new Error(`cannot make a network namespace: ${result}`);
  }
  setInterfaceUp(kernel.interfaceIndex("lo"));
  return back;
}

/** Runs a function in a new network namespace with `lo` up, and returns to the previous one. */
export async function inNetworkNamespace<T>(body: () => T | Promise<T>): Promise<T> {
  using _namespace = enterNetworkNamespace();
  return await body();
}

/** Sets a network interface up. */
export function setInterfaceUp(index: number): void {
  const message = new NetlinkMessage(RTM_NEWLINK, REQUEST_ACK)
    .u8(0, 0).u16(0).u32(index, IFF_UP, IFF_UP).build();
  const { result } = kernel.netlink(message);
  if (result < 0) throw new Error(`cannot switch on interface ${index}: ${result}`);
}

/**
 * Creates a network interface of a kind (`veth`, `dummy`, `netkit`) with a number of transmit
 * queues; returns 0 or `-errno`.
 */
export function addInterface(name: string, kind: string, queues: number = 1): number {
  const message = new NetlinkMessage(RTM_NEWLINK, REQUEST_ACK | NLM_F_CREATE | NLM_F_EXCL)
    .u8(0, 0).u16(0).u32(0, 0, 0)
    .attributeText(IFLA_IFNAME, name);
  if (queues > 1) message.attribute32(IFLA_NUM_TX_QUEUES, queues);
  message.begin(IFLA_LINKINFO).attributeText(IFLA_INFO_KIND, kind).begin(IFLA_INFO_DATA).end()
    .end();
  return kernel.netlink(message.build()).result;
}

/** Returns the interface names of this thread's network namespace, without `lo`. */
export function interfaces(): string[] {
  const { bytes } = kernel.readFile("/proc/thread-self/net/dev");
  return [...new TextDecoder().decode(bytes).matchAll(/^\s*([^\s:]+):/gm)]
    .map(([, name = ""]) => name).filter((name) => name !== "lo");
}

/** Returns the mount point of cgroup version 2. */
export function cgroupRoot(): string | undefined {
  const mounts = new TextDecoder().decode(kernel.readFile("/proc/self/mounts").bytes);
  return mounts.split("\n").map((line) => line.split(" ")).find(([, , type]) => type === "cgroup2")
    ?.[1];
}

/** Runs a function with this process in a new cgroup, and removes the cgroup. */
export async function inCgroup<T>(body: (path: string) => T | Promise<T>): Promise<T> {
  const root = cgroupRoot();
  if (root === undefined) throw new Error("cgroup version 2 is not mounted");
  const own = /^0::(.*)$/m.exec(
    new TextDecoder().decode(kernel.readFile("/proc/self/cgroup").bytes),
  );
  const before = `${root}${own?.[1] === "/" ? "" : own?.[1] ?? ""}`;
  const path = `${before}/skep-test-${Deno.pid}`;
  const made = kernel.makeDirectory(path);
  if (made < 0) throw new Error(`cannot make the cgroup ${path}: ${made}`);
  try {
    enter(path);
    return await body(path);
  } finally {
    enter(before);
    kernel.unlink(path);
  }
}

function enter(cgroup: string): void {
  const fd = kernel.open(`${cgroup}/cgroup.procs`, 1);
  const result = fd < 0 ? fd : kernel.write(fd, new TextEncoder().encode("0"));
  if (fd >= 0) kernel.close(fd);
  if (result < 0) throw new Error(`cannot enter the cgroup ${cgroup}: ${result}`);
}

/** Opens a directory; the caller closes the descriptor. */
export function openDirectory(path: string): number {
  return kernel.open(path, O_DIRECTORY);
}

/**
 * Polls until the condition holds.
 *
 * @throws {Error} after a timeout.
 */
export async function until(condition: () => boolean, what: string): Promise<void> {
  const end = performance.now() + 60_000;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`still not after a minute: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** Creates an unbound TCP socket; the caller closes it. */
export function openSocket(): number {
  return kernel.call(systemCalls.socket, AF_INET, SOCK_STREAM, 0);
}
