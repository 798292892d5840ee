/**
 * Maps whose memory this process can see: arrays with BPF_F_MMAPABLE, and arenas.
 *
 * @module
 */

import type { Mapping } from "../../kernel/mapping.ts";
import { KeyedMap } from "./keyed_map.ts";
import { LiveMap } from "./live_map.ts";
import { mapMemory } from "./memory.ts";
import { BPF_F_MMAPABLE } from "../../uapi/bpf_flags.ts";
import type { MapParts } from "./parts.ts";

/**
 * An array. With BPF_F_MMAPABLE its memory is shared with this process.
 *
 * @typeParam K The key: an index.
 * @typeParam V The value.
 */
export class ArrayMap<K, V> extends KeyedMap<K, V> {
  #memory: Mapping | undefined;

  /** Whether its memory can be mapped: whether it was created with BPF_F_MMAPABLE. */
  get mappable(): boolean {
    return (this.flags & BPF_F_MMAPABLE) !== 0;
  }

  /**
   * The values' memory, each value rounded up to eight bytes: what programs write shows at once. It is taken
   * away when the map is disposed of.
   */
  get memory(): Uint8Array<ArrayBuffer> {
    return this.mapping.u8;
  }

  /** The mapping behind {@linkcode memory}. */
  get mapping(): Mapping {
    return this.#memory ??= mapMemory(this.parts);
  }

  /** Closes it, and takes its memory away. */
  override [Symbol.dispose](): void {
    this.#memory?.[Symbol.dispose]();
    super[Symbol.dispose]();
  }
}

/** An arena: memory that programs and this process share (Linux 6.9). */
export class ArenaMap extends LiveMap {
  #memory: Mapping | undefined;

  /**
   * Takes over the parts' descriptor. Maps are made by `BpfObject.load`, `BpfMap.create` and `BpfMap.open`.
   *
   * @internal
   */
  constructor(parts: MapParts) {
    super(parts);
    this.#memory = parts.arena;
  }

  /** The memory: what programs write shows at once. It is taken away when the map is disposed of. */
  get memory(): Uint8Array<ArrayBuffer> {
    return this.mapping.u8;
  }

  /** The mapping behind {@linkcode memory}. */
  get mapping(): Mapping {
    return this.#memory ??= mapMemory(this.parts);
  }

  /** Closes it, and takes its memory away. */
  override [Symbol.dispose](): void {
    this.#memory?.[Symbol.dispose]();
    super[Symbol.dispose]();
  }
}
