/**
 * The attachments of one object, disposed together.
 *
 * @module
 */

import type { SkepError } from "../../errors/skep_error.ts";
import type { Link } from "./link.ts";

/** A program or struct_ops map that was not attached, and why. */
export interface SkippedAttachment {
  /** The program's or map's name. */
  readonly name: string;
  /** Why it was not attached. */
  readonly reason: string;
  /** The error, when attaching was tried and failed. */
  readonly error?: SkepError | undefined;
}

/**
 * The links that `BpfObject.attach` created. Disposing it detaches all of them in reverse order.
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
  /** Programs and struct_ops maps that were not attached. */
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

  /** Number of links. */
  get size(): number {
    return this.#links.length;
  }

  /** The links, in the object's order. */
  [Symbol.iterator](): Iterator<Link> {
    return this.#links[Symbol.iterator]();
  }

  /** Detaches all links in reverse order. */
  [Symbol.dispose](): void {
    using stack = new DisposableStack();
    for (const link of this.#links) stack.use(link);
  }
}
