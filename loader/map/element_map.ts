/**
 * Maps whose elements are reached by a key.
 *
 * @module
 */

import { KernelError } from "../../errors/kernel_error.ts";
import { LiveMap } from "./live_map.ts";
import { getFlags, type GetOptions, setFlags, type SetOptions } from "./options.ts";
import type { MapParts } from "./parts.ts";
import type { RawMap } from "./raw.ts";
import { TypedElements } from "./typed_elements.ts";
import type { HasDescriptor } from "./values.ts";

/**
 * A map whose elements are reached by a key: what the maps with keys have in common.
 *
 * Keys and values are JS values by the map's BTF types, or numbers, bigints and bytes by their size where
 * it has none.
 *
 * @typeParam K The key.
 * @typeParam V The value.
 * @typeParam In What may be set as a value.
 */
export abstract class ElementMap<K, V, In = V> extends LiveMap {
  /** The elements as bytes. */
  readonly raw: RawMap;

  /** The element commands. */
  protected readonly elements: TypedElements;

  /**
   * Takes over the parts' descriptor.
   *
   * @internal
   */
  protected constructor(parts: MapParts) {
    super(parts);
    this.elements = new TypedElements(parts, this.subject);
    this.raw = this.elements.raw;
  }

  /** The value of a key; undefined when there is none. */
  get(key: K, options?: GetOptions): V | undefined {
    const { elements } = this;
    elements.putKey(key);
    return elements.lookup(options === undefined ? 0 : getFlags(options))
      ? elements.value() as V
      : undefined;
  }

  /** Whether there is a value for the key. */
  has(key: K): boolean {
    this.elements.putKey(key);
    return this.elements.lookup(0);
  }

  /** Sets a key's value. Throws a {@linkcode KernelError}: EEXIST and ENOENT by mode, E2BIG when the map is full. */
  set(key: K, value: In, options?: SetOptions): this {
    const { elements } = this;
    elements.putKey(key);
    elements.putValue(value);
    this.raw.update(options === undefined ? 0 : setFlags(options));
    return this;
  }

  /** Deletes a key; false when there is none. */
  delete(key: K): boolean {
    this.elements.putKey(key);
    try {
      return this.raw.remove();
    } catch (error) {
      // What the kernel answers for an empty slot of a sockmap, and of no other type.
      const empty = error instanceof KernelError && error.errno === "EINVAL" &&
        this.type === "sockmap";
      if (empty) return false;
      throw error;
    }
  }

  /** Closes it. What is pinned or used by programs lives on in the kernel. */
  override [Symbol.dispose](): void {
    this.elements[Symbol.dispose]();
    super[Symbol.dispose]();
  }
}

/**
 * A storage: a value for each process, socket, inode or cgroup. Keys are descriptors (of a process a pidfd),
 * or things that have one; the kernel does not list them.
 *
 * @typeParam V The value.
 * @example
 * ```ts ignore
 * import { BpfObject, type StorageMap } from "@skep/skep";
 *
 * using object = await BpfObject.load("track.bpf.o");
 * const states = object.map<StorageMap<bigint>>("states");
 * console.log(states.get(pidfd));
 * ```
 */
export class StorageMap<V> extends ElementMap<number | HasDescriptor, V> {
  /**
   * Takes over the parts' descriptor. Maps are made by `BpfObject.load`, `BpfMap.create` and `BpfMap.open`.
   *
   * @internal
   */
  constructor(parts: MapParts) {
    super(parts);
  }
}
