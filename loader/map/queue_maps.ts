/**
 * Maps without keys: queues, stacks and bloom filters.
 *
 * @module
 */

import { LiveMap } from "./live_map.ts";
import { type PushOptions, setFlags } from "./options.ts";
import type { MapParts } from "./parts.ts";
import type { RawMap } from "./raw.ts";
import { TypedElements } from "./typed_elements.ts";

/** Base class of queues, stacks and bloom filters. */
export abstract class PushedMap<V> extends LiveMap {
  /** Access to the elements as bytes; keys have no bytes. */
  readonly raw: RawMap;

  /** Element commands with typed values. */
  protected readonly elements: TypedElements;

  /**
   * Takes ownership of the parts' descriptor. Use `BpfObject.load`, `BpfMap.create` or `BpfMap.open`.
   *
   * @internal
   */
  constructor(parts: MapParts) {
    super(parts);
    this.elements = new TypedElements(parts, this.subject);
    this.raw = this.elements.raw;
  }

  /**
   * Pushes a value; with `force`, a full queue or stack drops its oldest value.
   *
   * @throws {KernelError} E2BIG when a queue or stack is full.
   */
  push(value: V, options: PushOptions = {}): this {
    this.elements.putValue(value);
    this.raw.update(setFlags({ mode: options.force === true ? "replace" : undefined }));
    return this;
  }

  /** Closes the map's descriptor and buffers. A map that is pinned or used by programs stays in the kernel. */
  override [Symbol.dispose](): void {
    this.elements[Symbol.dispose]();
    super[Symbol.dispose]();
  }
}

/**
 * A queue (first in, first out) or a stack (last in, first out).
 *
 * @typeParam V The type of values.
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
  /** Removes and returns the next value, or returns undefined when the map is empty. */
  pop(): V | undefined {
    return this.raw.lookupAndDelete() ? this.elements.value() as V : undefined;
  }

  /** Returns the next value without removing it, or undefined when the map is empty. */
  peek(): V | undefined {
    return this.raw.lookup() ? this.elements.value() as V : undefined;
  }
}

/**
 * A bloom filter (Linux 5.16): tests whether a value may have been pushed. Values cannot be read or deleted.
 *
 * @typeParam V The type of values.
 */
export class BloomFilter<V> extends PushedMap<V> {
  /** Returns false when the value was never pushed; true when it was, or by a hash collision. */
  mightContain(value: V): boolean {
    this.elements.putValue(value);
    return this.raw.lookup();
  }
}
