/**
 * Typed access to the elements of one map: codecs of keys and values over the raw element buffers.
 *
 * @module
 */

import type { BtfValue } from "../../btf/codec/mod.ts";
import { KernelError } from "../../errors/kernel_error.ts";
import { transferSize } from "../../object/spec/map_rules.ts";
import { mapTypeTraits } from "../../object/spec/map_traits.ts";
import type { VariableSpec } from "../../object/spec/spec.ts";
import { MapType } from "../../uapi/enums.ts";
import { viewOf } from "./iterator.ts";
import { unreadable } from "./refused.ts";
import type { MapParts } from "./parts.ts";
import { RawMap } from "./raw.ts";
import { sectionCodec, shapedKey, shapedValue } from "./shapes.ts";
import { descriptorCodec, perCpuCodec, type ValueCodec, valueCodec } from "./values.ts";

/** Element commands of one map, with keys and values as JS values. */
export class TypedElements implements Disposable {
  /** Access to the elements as bytes. */
  readonly raw: RawMap;
  /** The map's name in errors. */
  readonly subject: string;

  readonly #parts: MapParts;
  #keys: ValueCodec | undefined;
  #values: ValueCodec | undefined;
  #oneValue: ValueCodec | undefined;
  #keyView: DataView | undefined;
  #valueView: DataView | undefined;

  /**
   * Uses the parts' descriptor, which the map owns.
   *
   * @internal
   */
  constructor(parts: MapParts, subject: string) {
    const { kernel, type, keySize, valueSize, maxEntries, descriptor } = parts;
    this.#parts = parts;
    this.subject = subject;
    this.raw = new RawMap(kernel, () => descriptor.fd, {
      name: subject,
      keySize,
      transferSize: transferSize(type, valueSize, this.cpus),
      maxEntries,
      restarts: type === MapType.lpm_trie,
    });
  }

  /** Number of values per key: the number of possible CPUs for a per-CPU map, else 1. */
  get cpus(): number {
    const { type, kernel } = this.#parts;
    return mapTypeTraits(type).kind === "per-cpu" ? kernel.machine.possibleCpus : 1;
  }

  /** Encodes a key into the key buffer of the next command. */
  putKey(key: unknown): void {
    this.keyCodec.encode(key, this.#keyView ??= viewOf(this.raw.elements.key), 0);
  }

  /** Encodes a value into the value buffer of the next command. */
  putValue(value: unknown): void {
    this.valueCodec.encode(value, this.valueBytes, 0);
  }

  /** Decodes the value that the last command returned. */
  value(): unknown {
    return this.valueCodec.decode(this.valueBytes, 0, this.raw.valueSize);
  }

  /** Looks up the key in the key buffer (BPF_MAP_LOOKUP_ELEM). Returns false when it does not exist. */
  lookup(flags: number): boolean {
    try {
      return this.raw.lookup(flags);
    } catch (error) {
      throw error instanceof KernelError ? unreadable(error, this.#parts.type) : error;
    }
  }

  /** The value buffer. */
  get valueBytes(): DataView {
    return this.#valueView ??= viewOf(this.raw.elements.value);
  }

  /** Codec of keys. */
  get keyCodec(): ValueCodec {
    return this.#keys ??= this.#makeKeyCodec();
  }

  /** Codec of values; of all CPUs' values for a per-CPU map. */
  get valueCodec(): ValueCodec {
    return this.#values ??= this.#makeValueCodec();
  }

  /** Codec of a value; of one CPU's value for a per-CPU map. */
  get oneValueCodec(): ValueCodec<BtfValue> {
    return (this.#oneValue ??= this.#makeOneValueCodec()) as ValueCodec<BtfValue>;
  }

  /** Frees the buffers. Later calls throw. */
  [Symbol.dispose](): void {
    this.raw[Symbol.dispose]();
    this.#keyView = undefined;
    this.#valueView = undefined;
  }

  #makeKeyCodec(): ValueCodec {
    const { btf, keyTypeId, keySize, type } = this.#parts;
    const what = `${this.subject}'s key`;
    if (mapTypeTraits(type).key === "descriptor") return descriptorCodec(keySize, what);
    const shaped = keyTypeId === 0 ? shapedKey(this.#parts, keySize, what) : undefined;
    return shaped ?? valueCodec(btf, keyTypeId, keySize, what);
  }

  #makeValueCodec(): ValueCodec {
    const { cpus, oneValueCodec } = this;
    const { type, valueSize } = this.#parts;
    if (mapTypeTraits(type).kind !== "per-cpu") return oneValueCodec;
    return perCpuCodec(oneValueCodec, valueSize, cpus, this.#valueName);
  }

  #makeOneValueCodec(): ValueCodec {
    const { btf, valueTypeId, type, valueSize, variables } = this.#parts;
    const what = this.#valueName;
    if (mapTypeTraits(type).value === "descriptor") {
      return descriptorCodec(this.raw.valueSize, what);
    }
    if (variables !== undefined) return this.#makeSectionCodec(variables());
    const shaped = valueTypeId === 0 ? shapedValue(this.#parts, valueSize, what) : undefined;
    return shaped ?? valueCodec(btf, valueTypeId, valueSize, what);
  }

  #makeSectionCodec(variables: readonly VariableSpec[]): ValueCodec {
    const what = this.#valueName;
    const parts = variables.map(({ name, offset, size, typeId }) => ({
      name,
      offset,
      codec: valueCodec(this.#parts.btf, typeId, size, `${what}.${name}`),
    }));
    return sectionCodec(parts, this.#parts.valueSize, what);
  }

  get #valueName(): string {
    return `${this.subject}'s value`;
  }
}
