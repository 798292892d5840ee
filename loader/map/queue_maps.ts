/**
 * Maps without keys that values are pushed to: queues, stacks and bloom filters.
 *
 * @module
 */

import { LiveMap } from "./live_map.ts";
import { type PushOptions, setFlags } from "./options.ts";
import type { MapParts } from "./parts.ts";
import type { RawMap } from "./raw.ts";
import { TypedElements } from "./typed_elements.ts";

/** What queues, stacks and bloom filters have in common. */
export abstract class PushedMap<V> extends LiveMap {
  /** The elements as bytes; keys have none. */
  readonly raw: RawMap;

  /** The element commands. */
  protected readonly elements: TypedElements;

  /**
   * Takes over the parts' descriptor. Maps are made by `BpfObject.load`, `BpfMap.create` and `BpfMap.open`.
   *
   * @internal
   */
  constructor(parts: MapParts) {
    super(parts);
    this.elements = new TypedElements(parts, this.subject);
    this.raw = this.elements.raw;
  }

  /** Puts a value in. `force` drops the oldest when a queue or stack is full. */
  push(value: V, options: PushOptions = {}): this {
    this.elements.putValue(value);
    this.raw.update(setFlags({ mode: options.force === true ? "replace" : undefined }));
    return this;
  }

  /** Closes it. What is pinned or used by programs lives on in the kernel. */
  override [Symbol.dispose](): void {
    this.elements[Symbol.dispose]();
    super[Symbol.dispose]();
  }
}

/**
 * A queue (first in, first out) or a stack (last in, first out).
 *
 * @typeParam V The value.
 * @example
 * ```ts ignore
 * import { BpfMap } from "@skep/skep";
 *
 * using jobs = BpfMap.create<number>({ type: "queue", valueSize: 4, maxEntries: 16 });
 * jobs.push(1).push(2);
 * console.log(jobs.pop());
 * ```
 */
export class QueueMap<V> extends PushedMap<V> {
  /** Takes the next value out; undefined when there is none. */
  pop(): V | undefined {
    return this.raw.lookupAndDelete() ? this.elements.value() as V : undefined;
  }

  /** The next value, which stays; undefined when there is none. */
  peek(): V | undefined {
    return this.raw.lookup() ? this.elements.value() as V : undefined;
  }
}

/**
 * A bloom filter: a set that gives nothing back and answers "no" or "maybe".
 *
 * @typeParam V The value.
 */
export class BloomFilter<V> extends PushedMap<V> {
  /** Whether it may have seen a value: false is certain. */
  mightContain(value: V): boolean {
    this.elements.putValue(value);
    return this.raw.lookup();
  }
}
