/**
 * Reads and writes a global variable of a loaded object.
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
 * A global variable of a loaded object, accessed in the memory that its map shares with programs.
 *
 * A variable whose section cannot be mapped (one with only static variables) is read and written by bpf(2) calls on
 * the whole section; a write then overwrites changes that a program makes to the section in between.
 *
 * @typeParam T The type of the variable's value.
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
  /** The variable's name. */
  readonly name: string;
  /** The variable's spec in the object. */
  readonly spec: VariableSpec;
  /** The map of the section that has the variable. */
  readonly map: LiveMap;

  readonly #btf: Btf | undefined;
  readonly #constant: boolean;
  /** The map's memory; undefined when it cannot be mapped. */
  readonly #memory: MapMemory | undefined;
  /** Offset of the variable in bytes in the map's memory. */
  readonly #offset: number;
  #codec: ValueCodec | undefined;
  #encoded: DataView<ArrayBuffer> | undefined;

  /**
   * Creates a variable of `map`, whose section begins at byte `sectionOffset`. Use `BpfObject.load`.
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

  /** Whether the variable is constant: maps of constants are frozen when the object is loaded. */
  get constant(): boolean {
    return this.#constant;
  }

  /** Reads the current value. */
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
   * Sets the value, which programs see immediately. Aligned values of four or eight bytes are stored at once.
   *
   * @throws {SkepError} EINVAL, with the field, when the value does not fit the variable's type; EPERM for a constant
   * or a frozen map.
   */
  set(value: T): void {
    if (this.#constant) {
      throw this.#readOnly("it is constant, and its map was frozen when the object was loaded");
    }
    const { size } = this.spec;
    const offset = this.#offset;
    // Programs see each byte immediately, so encode the whole value first: an error must not leave a partial write.
    const encoded = this.#encoded ??= new DataView(new ArrayBuffer(size));
    this.#valueCodec.encode(value, encoded, 0);
    const memory = this.#memory;
    if (memory !== undefined) {
      if (!memory.writable) throw this.#readOnly("its map is frozen");
      const mapping = memory.shared;
      // Store words at once, so that programs never read a torn counter.
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
      fix: "set it on the spec before the load",
    });
  }

  /** The map of its section, which has one element: the section's contents. */
  get #section(): RawMap {
    const { map } = this;
    if (map instanceof ElementMap) return map.raw;
    throw new SkepError({
      doing: "use variable",
      subject: this.name,
      errno: "EINVAL",
      stage: "usage",
      why: `map ${map.name} of type ${map.type} has no variables`,
    });
  }

  #readSection(): Uint8Array<ArrayBuffer> {
    return this.#section.get(new Uint8Array(4)) ?? new Uint8Array(this.map.valueSize);
  }
}
