/**
 * Maps whose elements have keys.
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
 * Base class of maps whose elements have keys.
 *
 * Keys and values are JS values of the map's BTF types. Without BTF they are numbers (four bytes), bigints (eight
 * bytes) or `Uint8Array`s.
 *
 * @typeParam K The type of keys.
 * @typeParam V The type of values that are read.
 * @typeParam In The type of values that may be set.
 */
export abstract class ElementMap<K, V, In = V> extends LiveMap {
  /** Access to the elements as bytes. */
  readonly raw: RawMap;

  /** Element commands with typed keys and values. */
  protected readonly elements: TypedElements;

  /**
   * Takes ownership of the parts' descriptor.
   *
   * @internal
   */
  protected constructor(parts: MapParts) {
    super(parts);
    this.elements = new TypedElements(parts, this.subject);
    this.raw = this.elements.raw;
  }

  /**
   * Returns the value of a key, or undefined when the key does not exist.
   *
   * @throws {SkepError} EINVAL when the key does not fit its type.
   * @throws {KernelError} when the kernel refuses the lookup, such as for map types whose values cannot be read.
   */
  get(key: K, options?: GetOptions): V | undefined {
    const { elements } = this;
    elements.putKey(key);
    return elements.lookup(options === undefined ? 0 : getFlags(options))
      ? elements.value() as V
      : undefined;
  }

  /** Returns whether a key exists. */
  has(key: K): boolean {
    this.elements.putKey(key);
    return this.elements.lookup(0);
  }

  /**
   * Sets the value of a key.
   *
   * @throws {SkepError} EINVAL when the key or value does not fit its type.
   * @throws {KernelError} EEXIST or ENOENT by the `mode` option, E2BIG when the map is full.
   */
  set(key: K, value: In, options?: SetOptions): this {
    const { elements } = this;
    elements.putKey(key);
    elements.putValue(value);
    this.raw.update(options === undefined ? 0 : setFlags(options));
    return this;
  }

  /** Deletes a key. Returns false when it does not exist. */
  delete(key: K): boolean {
    this.elements.putKey(key);
    try {
      return this.raw.remove();
    } catch (error) {
      // The kernel returns EINVAL for an empty slot of a sockmap (sock_map_delete_elem()).
      const empty = error instanceof KernelError && error.errno === "EINVAL" &&
        this.type === "sockmap";
      if (empty) return false;
      throw error;
    }
  }

  /** Closes the map's descriptor and buffers. A map that is pinned or used by programs stays in the kernel. */
  override [Symbol.dispose](): void {
    this.elements[Symbol.dispose]();
    super[Symbol.dispose]();
  }
}

/**
 * A local storage map, with a value for each task, socket, inode or cgroup. Keys are descriptors (a pidfd for a
 * task), or objects that have one. The kernel cannot list its keys.
 *
 * @typeParam V The type of values.
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
   * Takes ownership of the parts' descriptor. Use `BpfObject.load`, `BpfMap.create` or `BpfMap.open`.
   *
   * @internal
   */
  constructor(parts: MapParts) {
    super(parts);
  }
}
