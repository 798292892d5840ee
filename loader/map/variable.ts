/**
 * A global variable of a loaded object, read and written where the programs see it.
 *
 * @module
 */

import type { Btf } from "../../btf/btf.ts";
import type { BtfValue } from "../../btf/codec/mod.ts";
import { SkepError } from "../../errors/skep_error.ts";
import type { VariableSpec } from "../../object/spec/spec.ts";
import { ElementMap } from "./element_map.ts";
import type { LiveMap } from "./live_map.ts";
import type { MapMemory } from "./memory.ts";
import { memoryOf } from "./memory_maps.ts";
import type { RawMap } from "./raw.ts";
import { type ValueCodec, valueCodec } from "./values.ts";

/**
 * A global variable: live through the memory that its map shares with the programs.
 *
 * A variable whose section cannot be mapped (it has static variables alone) is read and written by bpf(2)
 * calls on the whole section instead.
 *
 * @typeParam T The variable's value.
 * @example
 * ```ts ignore
 * import { BpfObject } from "@skep/skep";
 *
 * using object = await BpfObject.load("xdp_count.bpf.o");
 * const packets = object.variables.get("packets");
 * console.log(packets.get());
 * packets.set(0n);
 * ```
 */
export class Variable<T = BtfValue> {
  /** The name. */
  readonly name: string;
  /** What the object says of it. */
  readonly spec: VariableSpec;
  /** The map that holds it. */
  readonly map: LiveMap;

  readonly #btf: Btf | undefined;
  readonly #constant: boolean;
  /** The memory that it lies in, where its map has any. */
  readonly #memory: MapMemory | undefined;
  /** Bytes from the start of the map's memory. */
  readonly #offset: number;
  #codec: ValueCodec | undefined;
  #encoded: DataView<ArrayBuffer> | undefined;

  /**
   * A variable of `map`, whose section starts at `sectionOffset` there; made by `BpfObject.load`.
   *
   * @internal
   */
  constructor(spec: VariableSpec, map: LiveMap, btf: Btf | undefined, sectionOffset: number = 0) {
    this.name = spec.name;
    this.spec = spec;
    this.map = map;
    this.#btf = btf;
    this.#constant = spec.constant;
    this.#memory = memoryOf(map);
    this.#offset = sectionOffset + spec.offset;
  }

  /** Whether nobody can write it any more: constants are closed when the object is loaded. */
  get constant(): boolean {
    return this.#constant;
  }

  /** The value now. */
  get(): T {
    const codec = this.#valueCodec;
    const memory = this.#memory;
    if (memory !== undefined) {
      const { view } = memory.shared;
      return codec.decode(view, this.#offset, this.#offset + this.spec.size) as T;
    }
    const bytes = this.#readSection();
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    return codec.decode(view, this.#offset, this.#offset + this.spec.size) as T;
  }

  /**
   * Sets the value; programs see it at once.
   *
   * Throws a {@linkcode SkepError} that names the field when the shape is wrong, and with EPERM for a constant.
   */
  set(value: T): void {
    if (this.#constant) {
      throw this.#readOnly("it is constant, and closed to writes since the object was loaded");
    }
    const { size } = this.spec;
    const offset = this.#offset;
    // Programs see every byte at once: it is written when all of the value is known to fit.
    const encoded = this.#encoded ??= new DataView(new ArrayBuffer(size));
    this.#valueCodec.encode(value, encoded, 0);
    const memory = this.#memory;
    if (memory !== undefined) {
      if (!memory.writable) throw this.#readOnly("its map is frozen");
      const mapping = memory.shared;
      // A word in one store: no program reads half of a counter.
      if (size === 8 && offset % 8 === 0) {
        mapping.view.setBigUint64(offset, encoded.getBigUint64(0, true), true);
      } else if (size === 4 && offset % 4 === 0) {
        mapping.view.setUint32(offset, encoded.getUint32(0, true), true);
      } else mapping.u8.set(new Uint8Array(encoded.buffer), offset);
      return;
    }
    const section = this.#readSection();
    section.set(new Uint8Array(encoded.buffer), offset);
    this.#section.set(new Uint8Array(4), section);
  }

  get #valueCodec(): ValueCodec {
    return this.#codec ??= valueCodec(
      this.#btf,
      this.spec.typeId,
      this.spec.size,
      `variable ${this.name}`,
    );
  }

  #readOnly(why: string): SkepError {
    return new SkepError({
      doing: "set variable",
      subject: this.name,
      errno: "EPERM",
      stage: "usage",
      why,
      fix: "set it on the spec, before the load",
    });
  }

  /** The section that it lies in, as the one element of its map. */
  get #section(): RawMap {
    const { map } = this;
    if (map instanceof ElementMap) return map.raw;
    throw new SkepError({
      doing: "use variable",
      subject: this.name,
      errno: "EINVAL",
      stage: "usage",
      why: `map ${map.name}, a ${map.type}, holds no variables`,
    });
  }

  #readSection(): Uint8Array<ArrayBuffer> {
    return this.#section.get(new Uint8Array(4)) ?? new Uint8Array(this.map.valueSize);
  }
}
