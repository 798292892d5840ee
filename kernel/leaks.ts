/**
 * Finds descriptors that a test has left open.
 *
 * @module
 */

import { SkepError } from "../errors/skep_error.ts";

/** An open descriptor of a BPF object. */
export interface HeldDescriptor {
  /** The number. */
  readonly fd: number;
  /**
   * The object: `map`, `program`, `link`, `btf`, `token`, `perf event`, `iterator`, `statistics`, or
   * `pinned object`.
   */
  readonly kind: string;
  /** The stack at which it was opened; recorded only while leaks are tracked. */
  readonly stack: string | undefined;
}

/** Lists open descriptors; `linuxKernel()` does. */
export interface HoldsDescriptors {
  /** Returns the open descriptors in the order of opening. */
  heldDescriptors(): readonly HeldDescriptor[];
  /** Records where descriptors are opened until the result is disposed of. */
  trackDescriptors(): Disposable;
}

/**
 * Wraps the function of a test so that it fails when descriptors of BPF objects stay open that were not
 * open before, and reports where each was opened.
 *
 * Only descriptors opened by this isolate through the kernel interface are seen. Tests that run
 * concurrently see each other's descriptors.
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
    // By object: a number may be closed and opened again.
    const before = new Set(kernel.heldDescriptors());
    using _tracking = kernel.trackDescriptors();
    await body(...args);
    const left = kernel.heldDescriptors().filter((one) => !before.has(one));
    if (left.length === 0) return;
    const each = left.map((one) => `${one.kind} (descriptor ${one.fd}) ${placeOf(one.stack)}`);
    throw new SkepError({
      doing: "close",
      subject: `${left.length} descriptor${left.length === 1 ? "" : "s"}`,
      errno: "EMFILE",
      stage: "usage",
      why: `left open: ${each.join("; ")}`,
      fix: "dispose of each, for instance with `using`",
      data: { left: left.map(({ fd, kind, stack }) => ({ fd, kind, stack: stack ?? "" })) },
    });
  };
}

/** Returns the first line of a stack outside this package. */
function placeOf(stack: string | undefined): string {
  const root = new URL("../", import.meta.url).href;
  const lines = (stack ?? "").split("\n").slice(1).map((line) => line.trim());
  const users = lines.find((line) => !line.includes(root) || /_test\.[tj]s/.test(line));
  return `opened ${users ?? lines.at(-1) ?? "before leaks were tracked"}`;
}
