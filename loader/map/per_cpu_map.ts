/**
 * Per-CPU maps.
 *
 * @module
 */

import { KernelError } from "../../errors/kernel_error.ts";
import { SkepError } from "../../errors/skep_error.ts";
import { roundUp } from "../../object/spec/map_rules.ts";
import { KeyedMap } from "./keyed_map.ts";
import { withoutCpuFlag } from "./refused.ts";
import { cpuFlags, setFlags, type SetOptions } from "./options.ts";
import type { ValueCodec } from "./values.ts";

/**
 * A per-CPU map. Values are arrays with one value for each possible CPU.
 *
 * @typeParam K The type of keys.
 * @typeParam V The type of one CPU's value.
 * @example
 * ```ts ignore
 * import { BpfObject, type PerCpuMap } from "@skep/skep";
 *
 * using object = await BpfObject.load("xdp_count.bpf.o");
 * const counts = object.map<PerCpuMap<number, bigint>>("counts");
 * counts.setOnAllCpus(7, 0n);
 * for (const [key, perCpu] of counts) console.log(key, perCpu);
 * ```
 */
export class PerCpuMap<K, V> extends KeyedMap<K, V[]> {
  /**
   * Returns one CPU's value of a key, or undefined when the key does not exist.
   *
   * @throws {SkepError} EINVAL when the CPU does not exist.
   */
  getOnCpu(key: K, cpu: number): V | undefined {
    const one = this.#codec(cpu);
    this.elements.putKey(key);
    // Reading one CPU's value alone needs BPF_F_CPU (Linux 7.0); reading all takes one call too.
    if (!this.elements.lookup(0)) return undefined;
    const at = cpu * roundUp(this.valueSize, 8);
    return one.decode(this.elements.valueBytes, at, at + this.valueSize) as V;
  }

  /**
   * Sets one CPU's value of a key, leaving the other CPUs' values unchanged (BPF_F_CPU, Linux 7.0).
   *
   * @throws {KernelError} EINVAL on older kernels, and for map types without BPF_F_CPU.
   */
  setOnCpu(key: K, cpu: number, value: V, options: SetOptions = {}): this {
    const one = this.#codec(cpu);
    this.elements.putKey(key);
    one.encode(value, this.elements.valueBytes, 0);
    try {
      this.raw.update(setFlags(options) + cpuFlags(cpu));
    } catch (error) {
      throw error instanceof KernelError ? withoutCpuFlag(error) : error;
    }
    return this;
  }

  /** Sets the same value for all CPUs. */
  setOnAllCpus(key: K, value: V, options: SetOptions = {}): this {
    const one = this.#codec(0);
    this.elements.putKey(key);
    const step = roundUp(this.valueSize, 8);
    for (let cpu = 0; cpu < this.elements.cpus; cpu++) {
      one.encode(value, this.elements.valueBytes, cpu * step);
    }
    this.raw.update(setFlags(options));
    return this;
  }

  /** Returns the codec of one CPU's value, after checking the CPU. */
  #codec(cpu: number): ValueCodec {
    const { cpus } = this.elements;
    if (Number.isInteger(cpu) && cpu >= 0 && cpu < cpus) return this.elements.oneValueCodec;
    throw new SkepError({
      doing: "use the value of one CPU in map",
      subject: this.subject,
      errno: "EINVAL",
      stage: "usage",
      why: `there is no CPU ${cpu}: they are 0 to ${cpus - 1}`,
    });
  }
}
