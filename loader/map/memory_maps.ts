/**
 * Maps whose memory can be mapped into this process: arrays with BPF_F_MMAPABLE, and arenas.
 *
 * @module
 */

import type { Mapping } from "../../kernel/mapping.ts";
import { KeyedMap } from "./keyed_map.ts";
import { LiveMap } from "./live_map.ts";
import { MapMemory } from "./memory.ts";
import type { MapParts } from "./parts.ts";

let arrayMemory: (map: ArrayMap<unknown, unknown>) => MapMemory;
let arenaMemory: (map: ArenaMap) => MapMemory;

/**
 * Returns the memory of a map for its variables, or undefined when it cannot be mapped. Callers check
 * `writable` before writing.
 */
export function memoryOf(map: LiveMap): MapMemory | undefined {
  if (map instanceof ArrayMap) {
    const memory = arrayMemory(map);
    return memory.mappable ? memory : undefined;
  }
  return map instanceof ArenaMap ? arenaMemory(map) : undefined;
}

/**
 * An array. With BPF_F_MMAPABLE (Linux 5.5) its memory can be mapped into this process.
 *
 * @typeParam K The type of keys, which are indices.
 * @typeParam V The type of values.
 */
export class ArrayMap<K, V> extends KeyedMap<K, V> {
  static {
    arrayMemory = (map) => map.#memory;
  }

  readonly #memory: MapMemory;

  /**
   * Takes ownership of the parts' descriptor. Use `BpfObject.load`, `BpfMap.create` or `BpfMap.open`.
   *
   * @internal
   */
  constructor(parts: MapParts) {
    super(parts);
    this.#memory = new MapMemory(parts);
  }

  /** Whether the array was created with BPF_F_MMAPABLE, so that its memory can be mapped. */
  get mappable(): boolean {
    return this.#memory.mappable;
  }

  /**
   * The values' memory, shared with programs; each value is rounded up to eight bytes.
   *
   * For a map that this process may not write (BPF_F_RDONLY_PROG, or frozen) it is a copy, refreshed on each access
   * of this property. It is detached when the map is disposed.
   *
   * @throws {SkepError} EINVAL when the array was created without BPF_F_MMAPABLE.
   */
  get memory(): Uint8Array<ArrayBuffer> {
    return this.mapping.u8;
  }

  /** The mapping behind {@linkcode memory}. */
  get mapping(): Mapping {
    return this.#memory.mapping;
  }

  /** Closes the map and detaches its memory. */
  override [Symbol.dispose](): void {
    this.#memory[Symbol.dispose]();
    super[Symbol.dispose]();
  }
}

/** An arena: memory that programs and this process share (Linux 6.9). */
export class ArenaMap extends LiveMap {
  static {
    arenaMemory = (map) => map.#memory;
  }

  readonly #memory: MapMemory;

  /**
   * Takes ownership of the parts' descriptor. Use `BpfObject.load`, `BpfMap.create` or `BpfMap.open`.
   *
   * @internal
   */
  constructor(parts: MapParts) {
    super(parts);
    this.#memory = new MapMemory(parts);
  }

  /**
   * The arena's memory, shared with programs. It is detached when the map is disposed.
   *
   * @throws {SkepError} EINVAL for an arena with BPF_F_SEGV_ON_FAULT, where access to an unallocated page is fatal.
   */
  get memory(): Uint8Array<ArrayBuffer> {
    return this.mapping.u8;
  }

  /** The mapping behind {@linkcode memory}. */
  get mapping(): Mapping {
    return this.#memory.mapping;
  }

  /** Closes the map and detaches its memory. */
  override [Symbol.dispose](): void {
    this.#memory[Symbol.dispose]();
    super[Symbol.dispose]();
  }
}
