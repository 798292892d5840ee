/**
 * Maps whose memory this process can see: arrays with BPF_F_MMAPABLE, and arenas.
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

/** The memory of a map for its variables, which write it only where it may be written; undefined where it has none. */
export function memoryOf(map: LiveMap): MapMemory | undefined {
  if (map instanceof ArrayMap) {
    const memory = arrayMemory(map);
    return memory.mappable ? memory : undefined;
  }
  return map instanceof ArenaMap ? arenaMemory(map) : undefined;
}

/**
 * An array. With BPF_F_MMAPABLE its memory is shared with this process.
 *
 * @typeParam K The key: an index.
 * @typeParam V The value.
 */
export class ArrayMap<K, V> extends KeyedMap<K, V> {
  static {
    arrayMemory = (map) => map.#memory;
  }

  readonly #memory: MapMemory;

  /**
   * Takes over the parts' descriptor. Maps are made by `BpfObject.load`, `BpfMap.create` and `BpfMap.open`.
   *
   * @internal
   */
  constructor(parts: MapParts) {
    super(parts);
    this.#memory = new MapMemory(parts);
  }

  /** Whether its memory can be mapped: whether it was created with BPF_F_MMAPABLE. */
  get mappable(): boolean {
    return this.#memory.mappable;
  }

  /**
   * The values' memory, each value rounded up to eight bytes: what programs write shows at once. Of a map
   * that this process may not write (BPF_F_RDONLY_PROG, or frozen) it is a copy, as of now with each look. It
   * is taken away when the map is disposed of.
   */
  get memory(): Uint8Array<ArrayBuffer> {
    return this.mapping.u8;
  }

  /** The mapping behind {@linkcode memory}. */
  get mapping(): Mapping {
    return this.#memory.mapping;
  }

  /** Closes it, and takes its memory away. */
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
   * Takes over the parts' descriptor. Maps are made by `BpfObject.load`, `BpfMap.create` and `BpfMap.open`.
   *
   * @internal
   */
  constructor(parts: MapParts) {
    super(parts);
    this.#memory = new MapMemory(parts);
  }

  /** The memory: what programs write shows at once. It is taken away when the map is disposed of. */
  get memory(): Uint8Array<ArrayBuffer> {
    return this.mapping.u8;
  }

  /** The mapping behind {@linkcode memory}. */
  get mapping(): Mapping {
    return this.#memory.mapping;
  }

  /** Closes it, and takes its memory away. */
  override [Symbol.dispose](): void {
    this.#memory[Symbol.dispose]();
    super[Symbol.dispose]();
  }
}
