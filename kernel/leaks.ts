/**
 * Finds descriptors that a test has left open.
 *
 * @module
 */

import { SkepError } from "../errors/skep_error.ts";

/** A descriptor of a BPF object that is open. */
export interface HeldDescriptor {
  /** The number. */
  readonly fd: number;
  /** What it is: `map`, `program`, `link`, `btf`, `token`, `perf event`, `iterator`, or `pinned object`. */
  readonly kind: string;
  /** The stack where it was opened, while leaks are looked for. */
  readonly stack: string | undefined;
}

/** What knows which descriptors are open: `linuxKernel()` does. */
export interface HoldsDescriptors {
  /** What is open, in the order of opening. */
  heldDescriptors(): readonly HeldDescriptor[];
  /** Notes where descriptors are opened, until disposal. */
  trackDescriptors(): Disposable;
}

/**
 * Wraps the function of a test: it fails when descriptors of maps, programs, links, BTF or tokens are left
 * open that were not open before, and names each with the line that opened it.
 *
 * Only descriptors that this isolate opened through the kernel interface are seen. A test that runs beside
 * others is told of theirs, too.
 *
 * @throws {SkepError} EMFILE, `stage: "usage"`, when something was left open.
 *
 * @example
 * ```ts ignore
 * import { BpfObject, leakCheck, linuxKernel } from "@skep/skep";
 *
 * Deno.test("counts packets", leakCheck(linuxKernel(), async () => {
 *   using object = await BpfObject.load("xdp_count.bpf.o");
 *   using _links = object.attach({ interface: "lo" });
 * }));
 * ```
 */
export function leakCheck<Arguments extends readonly unknown[]>(
  kernel: HoldsDescriptors,
  body: (...args: Arguments) => void | Promise<void>,
): (...args: Arguments) => Promise<void> {
  return async (...args) => {
    const before = new Set(kernel.heldDescriptors().map(({ fd }) => fd));
    using _tracking = kernel.trackDescriptors();
    await body(...args);
    const left = kernel.heldDescriptors().filter(({ fd }) => !before.has(fd));
    if (left.length === 0) return;
    const each = left.map((one) => `${one.kind} (descriptor ${one.fd}) ${placeOf(one.stack)}`);
    throw new SkepError({
      doing: "close",
      subject: `${left.length} descriptor${left.length === 1 ? "" : "s"}`,
      errno: "EMFILE",
      stage: "usage",
      why: `left open: ${each.join("; ")}`,
      fix: "dispose of each, for instance by `using`",
      data: { left: left.map(({ fd, kind, stack }) => ({ fd, kind, stack: stack ?? "" })) },
    });
  };
}

/** The first line of a stack that is not of this package: who asked for it. */
function placeOf(stack: string | undefined): string {
  const root = new URL("../", import.meta.url).href;
  const lines = (stack ?? "").split("\n").slice(1).map((line) => line.trim());
  const users = lines.find((line) => !line.includes(root) || /_test\.[tj]s/.test(line));
  return `opened ${users ?? lines.at(-1) ?? "before leaks were looked for"}`;
}
