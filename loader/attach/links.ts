/**
 * All that an object attached, as one thing to hold and let go.
 *
 * @module
 */

import type { SkepError } from "../../errors/skep_error.ts";
import type { Link } from "./link.ts";

/** A program (or struct_ops map) that was not attached, and why. */
export interface SkippedAttachment {
  /** The program's or map's name. */
  readonly name: string;
  /** Why it was left out. */
  readonly reason: string;
  /** The refusal, when it was tried. */
  readonly error?: SkepError | undefined;
}

/**
 * The links that `BpfObject.attach` made. Disposing of it detaches all of them, the last one first.
 *
 * @example
 * ```ts ignore
 * import { BpfObject } from "@skep/skep";
 *
 * using object = await BpfObject.load("execsnoop.bpf.o");
 * using links = object.attach();
 * for (const { name, reason } of links.skipped) console.warn(`${name}: ${reason}`);
 * ```
 */
export class Links implements Disposable, Iterable<Link> {
  /** What was left out. */
  readonly skipped: readonly SkippedAttachment[];
  readonly #links: readonly Link[];

  /**
   * Takes over the links.
   *
   * @internal
   */
  constructor(links: readonly Link[], skipped: readonly SkippedAttachment[]) {
    this.#links = links;
    this.skipped = skipped;
  }

  /** How many links there are. */
  get size(): number {
    return this.#links.length;
  }

  /** The links, in the object's order. */
  [Symbol.iterator](): Iterator<Link> {
    return this.#links[Symbol.iterator]();
  }

  /** Detaches all of them. */
  [Symbol.dispose](): void {
    using stack = new DisposableStack();
    for (const link of this.#links) stack.use(link);
  }
}
