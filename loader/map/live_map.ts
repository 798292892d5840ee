/**
 * What every live map can do, whatever its type.
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

/** What every live map can do: the base of the classes for each kind of map. */
export abstract class LiveMap implements Disposable {
  /** The name in the object, or the kernel's for a map that was opened. */
  readonly name: string;
  /** The kernel's name of the type, or its number where this version has no name for it. */
  readonly type: MapTypeName | number;
  /** Bytes of a key. */
  readonly keySize: number;
  /** Bytes of one value, of one CPU where each has its own. */
  readonly valueSize: number;
  /** Most elements; bytes of a ring buffer, pages of an arena. */
  readonly maxEntries: number;
  /** BPF_F_…, as it was created with. */
  readonly flags: number;
  /** Its spec, when an object made it. */
  readonly spec?: MapSpec | undefined;

  /** What it is made from. */
  protected readonly parts: MapParts;

  /**
   * Takes over the parts' descriptor.
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

  /** The descriptor; -1 once disposed. */
  get fd(): number {
    return this.parts.descriptor.fd;
  }

  /** The kernel that it is in. */
  get kernel(): Kernel {
    return this.parts.kernel;
  }

  /** The BTF that its type ids are in. */
  get btf(): Btf | undefined {
    return this.parts.btf;
  }

  /** Type ids of key and value in {@linkcode btf}, and of the records of a ring or perf buffer; 0 for none. */
  get typeIds(): { readonly key: number; readonly value: number; readonly event: number } {
    const { keyTypeId: key, valueTypeId: value, eventType } = this.parts;
    return { key, value, event: eventType?.() ?? 0 };
  }

  /** Makes the map read-only for bpf(2) calls, for good (Linux 5.2). */
  freeze(): void {
    check(this.kernel.mapFreeze(this.open("freeze map")), {
      doing: "freeze map",
      subject: this.name,
      command: "BPF_MAP_FREEZE",
    });
  }

  /** Pins it in a BPF file system: it outlives this process until the file is removed. */
  pin(path: string): void {
    const result = pinDescriptor(this.kernel, this.open("pin map"), path, this.name);
    const subject = `${this.name} at ${path}`;
    check(result, { doing: "pin map", subject, command: "BPF_OBJ_PIN" });
  }

  /** What the kernel says about it. */
  info(): MapInfo {
    return mapInfo(this.kernel, this.open("inspect map"), this.name);
  }

  /** Closes it. What is pinned or used by programs lives on in the kernel. */
  [Symbol.dispose](): void {
    this.parts.descriptor[Symbol.dispose]();
  }

  /** The descriptor, or an error that says that the map was disposed of. */
  protected open(doing: string): number {
    const { descriptor } = this.parts;
    if (descriptor.closed) throw disposedError(doing, this.subject);
    return descriptor.fd;
  }

  /** What it is called in errors: maps need no name. */
  protected get subject(): string {
    return this.name || String(this.type);
  }
}
