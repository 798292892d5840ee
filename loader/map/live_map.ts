/**
 * Base class of live maps.
 *
 * @module
 */

import type { Btf } from "../../btf/btf.ts";
import { disposedError } from "../../errors/disposed.ts";
import { check } from "../../errors/kernel_error.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import { pinDescriptor } from "../../kernel/pin.ts";
import type { MapSpec } from "../../object/spec/spec.ts";
import { type MapTypeName, mapTypeName } from "../../uapi/enums.ts";
import { type MapInfo, mapInfo } from "./info.ts";
import type { MapParts } from "./parts.ts";

/** Operations of every map in the kernel; base class of the classes for each kind of map. */
export abstract class LiveMap implements Disposable {
  /** The map's name in the object, or in the kernel for a map that was opened. */
  readonly name: string;
  /** The map type's name, or its number when this version has no name for it. */
  readonly type: MapTypeName | number;
  /** Size of a key in bytes. */
  readonly keySize: number;
  /** Size of a value in bytes; of one CPU's value for per-CPU maps. */
  readonly valueSize: number;
  /** Largest number of elements; bytes of a ring buffer, pages of an arena. */
  readonly maxEntries: number;
  /** Flags (BPF_F_…) that the map was created with. */
  readonly flags: number;
  /** The map's spec; undefined for a map that no object describes. */
  readonly spec?: MapSpec | undefined;

  /** Properties that the map was constructed from. */
  protected readonly parts: MapParts;

  /**
   * Takes ownership of the parts' descriptor.
   *
   * @internal
   */
  protected constructor(parts: MapParts) {
    this.parts = parts;
    this.name = parts.name;
    this.type = mapTypeName(parts.type) ?? parts.type;
    this.keySize = parts.keySize;
    this.valueSize = parts.valueSize;
    this.maxEntries = parts.maxEntries;
    this.flags = parts.flags;
    if (parts.spec !== undefined) this.spec = parts.spec;
  }

  /** The map's descriptor; -1 after the map was disposed. */
  get fd(): number {
    return this.parts.descriptor.fd;
  }

  /** The kernel that has the map. */
  get kernel(): Kernel {
    return this.parts.kernel;
  }

  /** The BTF that has the map's types; undefined without types. */
  get btf(): Btf | undefined {
    return this.parts.btf;
  }

  /** Type ids in {@linkcode btf} of the key, the value, and the records of a ring or perf buffer; 0 for none. */
  get typeIds(): { readonly key: number; readonly value: number; readonly event: number } {
    const { keyTypeId: key, valueTypeId: value, eventType } = this.parts;
    return { key, value, event: eventType?.() ?? 0 };
  }

  /**
   * Freezes the map: bpf(2) can no longer write it (BPF_MAP_FREEZE, Linux 5.2). This cannot be undone.
   *
   * @throws {KernelError} when the kernel refuses it, such as EBUSY for a map that is mapped writable.
   */
  freeze(): void {
    check(this.kernel.mapFreeze(this.open("freeze map")), {
      doing: "freeze map",
      subject: this.subject,
      command: "BPF_MAP_FREEZE",
    });
  }

  /**
   * Pins the map in a BPF file system. It then exists until the pin is removed.
   *
   * @throws {KernelError} when the kernel refuses it, such as EEXIST for an existing path.
   */
  pin(path: string): void {
    const result = pinDescriptor(this.kernel, this.open("pin map"), path, this.name);
    const subject = `${this.subject} at ${path}`;
    check(result, { doing: "pin map", subject, command: "BPF_OBJ_PIN" });
  }

  /** Reads the kernel's information about the map. */
  info(): MapInfo {
    return mapInfo(this.kernel, this.open("inspect map"), this.subject);
  }

  /** Closes the map's descriptor. A map that is pinned or used by programs stays in the kernel. */
  [Symbol.dispose](): void {
    this.parts.descriptor[Symbol.dispose]();
  }

  /**
   * Returns the descriptor.
   *
   * @throws {SkepError} when the map was disposed.
   */
  protected open(doing: string): number {
    const { descriptor } = this.parts;
    if (descriptor.closed) throw disposedError(doing, this.subject);
    return descriptor.fd;
  }

  /** The name that errors show: the map's name, or its type for a map without a name. */
  protected get subject(): string {
    return this.name || String(this.type);
  }
}
