/**
 * Implements {@linkcode MapSpec} for maps of every origin.
 *
 * @module
 */

import { ObjectError } from "./error.ts";
import type { MapTypeName } from "../../uapi/enums.ts";
import type { MapOrigin, MapSlot, MapSpec, StructOpsSpec } from "./spec.ts";
import { withoutUndefined } from "../../errors/without_undefined.ts";

/** Maximum length of a name in the kernel: BPF_OBJ_NAME_LEN - 1. */
export const LONGEST_NAME = 15;

/** Limit in bytes of a map's contents. The kernel refuses larger values; a zero-filled section may claim more. */
const LARGEST_CONTENTS = 0x7fff_ffff;

/** Constructor arguments of {@linkcode MapDefinition}. Numbers left out are 0. */
export interface MapFacts {
  /** See {@linkcode MapSpec}. */
  readonly name: string;
  /** See {@linkcode MapSpec}. */
  readonly kernelName?: string | undefined;
  /** See {@linkcode MapSpec}. */
  readonly origin: MapOrigin;
  /** See {@linkcode MapSpec}. */
  readonly section: string;
  /** ELF index of the section; -1 for none. */
  readonly sectionIndex: number;
  /** Offset in the section in bytes. */
  readonly sectionOffset: number;
  /** See {@linkcode MapSpec}. */
  readonly index: number;
  /** See {@linkcode MapSpec}. */
  readonly type: MapTypeName | number;
  /** See {@linkcode MapSpec}. */
  readonly keySize?: number | undefined;
  /** See {@linkcode MapSpec}. */
  readonly valueSize?: number | undefined;
  /** See {@linkcode MapSpec}. */
  readonly maxEntries?: number | undefined;
  /** See {@linkcode MapSpec}. */
  readonly flags?: number | undefined;
  /** See {@linkcode MapSpec}. */
  readonly numaNode?: number | undefined;
  /** See {@linkcode MapSpec}. */
  readonly mapExtra?: bigint | undefined;
  /** See {@linkcode MapSpec}. */
  readonly pinning?: "none" | "by-name" | undefined;
  /** See {@linkcode MapSpec}. */
  readonly keyTypeId?: number | undefined;
  /** See {@linkcode MapSpec}. */
  readonly valueTypeId?: number | undefined;
  /** See {@linkcode MapSpec}. */
  readonly inner?: MapDefinition | undefined;
  /** See {@linkcode MapSpec}. */
  readonly autocreate?: boolean | undefined;
  /** Initial contents in the file. */
  readonly source?: Uint8Array | undefined;
  /** Size of the contents in bytes; a shorter source is padded with zeroes. */
  readonly contentsSize?: number | undefined;
}

/** A map as the object defines it. */
export class MapDefinition implements MapSpec {
  /** See {@linkcode MapSpec}. */
  readonly name: string;
  /** See {@linkcode MapSpec}. */
  kernelName: string;
  /** See {@linkcode MapSpec}. */
  readonly origin: MapOrigin;
  /** See {@linkcode MapSpec}. */
  readonly section: string;
  /** ELF index of the section; -1 for none. */
  readonly sectionIndex: number;
  /** Offset in the section in bytes. */
  readonly sectionOffset: number;
  /** See {@linkcode MapSpec}. */
  readonly index: number;
  /** See {@linkcode MapSpec}. */
  type: MapTypeName | number;
  /** See {@linkcode MapSpec}. */
  keySize: number;
  /** See {@linkcode MapSpec}. */
  maxEntries: number;
  /** See {@linkcode MapSpec}. */
  flags: number;
  /** See {@linkcode MapSpec}. */
  numaNode: number;
  /** See {@linkcode MapSpec}. */
  mapExtra: bigint;
  /** See {@linkcode MapSpec}. */
  pinning: "none" | "by-name";
  /** See {@linkcode MapSpec}. */
  pinPath?: string | undefined;
  /** See {@linkcode MapSpec}. */
  keyTypeId: number;
  /** See {@linkcode MapSpec}. */
  valueTypeId: number;
  /** See {@linkcode MapSpec}. */
  readonly inner?: MapDefinition | undefined;
  /** See {@linkcode MapSpec}. */
  autocreate: boolean;
  /** See {@linkcode MapSpec}. */
  autoattach = true;
  /** See {@linkcode MapSpec}. */
  readonly structOps?: StructOpsSpec | undefined;

  #valueSize: number;
  readonly #slots: MapSlot[] = [];
  readonly #source: Uint8Array | undefined;
  #contentsSize: number | undefined;
  #contents: Uint8Array<ArrayBuffer> | undefined;

  /** Creates the map. `structOps` is called with the map to create its struct_ops members. */
  constructor(facts: MapFacts, structOps?: (map: MapDefinition) => StructOpsSpec) {
    this.name = facts.name;
    this.kernelName = facts.kernelName ?? facts.name.slice(0, LONGEST_NAME);
    this.origin = facts.origin;
    this.section = facts.section;
    this.sectionIndex = facts.sectionIndex;
    this.sectionOffset = facts.sectionOffset;
    this.index = facts.index;
    this.type = facts.type;
    this.keySize = facts.keySize ?? 0;
    this.#valueSize = facts.valueSize ?? 0;
    this.maxEntries = facts.maxEntries ?? 0;
    this.flags = facts.flags ?? 0;
    this.numaNode = facts.numaNode ?? 0;
    this.mapExtra = facts.mapExtra ?? 0n;
    this.pinning = facts.pinning ?? "none";
    this.keyTypeId = facts.keyTypeId ?? 0;
    this.valueTypeId = facts.valueTypeId ?? 0;
    if (facts.inner !== undefined) this.inner = facts.inner;
    this.autocreate = facts.autocreate ?? true;
    this.#source = facts.source;
    this.#contentsSize = facts.contentsSize;
    if (structOps !== undefined) this.structOps = structOps(this);
  }

  /** See {@linkcode MapSpec}. For struct_ops: the indices of members with a program. */
  get slots(): readonly MapSlot[] {
    if (this.structOps === undefined) return this.#slots;
    const indices = new Map<string, number>();
    for (const [index, member] of this.structOps.members().entries()) {
      if (!indices.has(member)) indices.set(member, index);
    }
    return this.structOps.programs().map(({ member, program }) => ({
      index: indices.get(member) ?? -1,
      name: program,
    }));
  }

  /** Adds a slot that a relocation fills. */
  addSlot(index: number, name: string): void {
    this.#slots.push({ index, name });
  }

  /**
   * See {@linkcode MapSpec}. Setting it resizes the contents of a data map.
   *
   * @throws {ObjectError} EINVAL when set to a value that is not a size.
   */
  get valueSize(): number {
    return this.#valueSize;
  }

  set valueSize(size: number) {
    if (!Number.isInteger(size) || size < 0 || size > LARGEST_CONTENTS) {
      throw new ObjectError({
        doing: "resize",
        subject: `map ${this.name}`,
        errno: "EINVAL",
        stage: "usage",
        why: `${size} is not a valid size in bytes`,
      });
    }
    if (this.#contentsSize === this.#valueSize) {
      if (this.#contents !== undefined) {
        const resized = new Uint8Array(size);
        resized.set(this.#contents.subarray(0, size));
        this.#contents = resized;
      }
      this.#contentsSize = size;
    }
    this.#valueSize = size;
  }

  /** See {@linkcode MapSpec}. */
  get contents(): Uint8Array<ArrayBuffer> | undefined {
    if (this.#contents === undefined && this.#contentsSize !== undefined) {
      const size = this.#contentsSize;
      if (size > LARGEST_CONTENTS) {
        throw new ObjectError({
          doing: "read",
          subject: `contents of map ${this.name}`,
          errno: "E2BIG",
          stage: "map",
          why: `its section claims ${size} bytes, more than the maximum size of a map's value`,
        });
      }
      this.#contents = new Uint8Array(size);
      if (this.#source !== undefined) this.#contents.set(this.#source.subarray(0, size));
    }
    return this.#contents;
  }

  set contents(bytes: Uint8Array<ArrayBuffer> | undefined) {
    if (bytes?.length !== this.#contentsSize) {
      throw new ObjectError({
        doing: "set",
        subject: `contents of map ${this.name}`,
        errno: "EINVAL",
        stage: "usage",
        why: this.#contentsSize === undefined
          ? "it is not a data map"
          : `it takes ${this.#contentsSize} bytes, not ${bytes?.length ?? 0}`,
      });
    }
    this.#contents = bytes;
  }

  /** See {@linkcode MapSpec}. */
  get zeroed(): boolean {
    return this.#contentsSize !== undefined && this.#contents === undefined &&
      this.#source === undefined;
  }

  /** Returns the JSON form, which has everything except the contents. */
  toJSON(): MapJson {
    return withoutUndefined({
      name: this.name,
      kernelName: this.kernelName,
      origin: this.origin,
      section: this.section,
      type: this.type,
      keySize: this.keySize,
      valueSize: this.valueSize,
      maxEntries: this.maxEntries,
      flags: this.flags,
      numaNode: this.numaNode || undefined,
      mapExtra: this.mapExtra === 0n ? undefined : `0x${this.mapExtra.toString(16)}`,
      pinning: this.pinning,
      pinPath: this.pinPath,
      keyTypeId: this.keyTypeId,
      valueTypeId: this.valueTypeId,
      autocreate: this.autocreate,
      inner: this.inner?.toJSON(),
      slots: this.#slots.length === 0 ? undefined : this.#slots,
      structOps: this.structOps === undefined
        ? undefined
        : { type: this.structOps.typeName, programs: this.structOps.programs() },
    });
  }
}

/** JSON form of a map. */
export interface MapJson {
  /** See {@linkcode MapSpec}. */
  readonly name: string;
  /** See {@linkcode MapSpec}. */
  readonly kernelName: string;
  /** See {@linkcode MapSpec}. */
  readonly origin: MapOrigin;
  /** See {@linkcode MapSpec}. */
  readonly section: string;
  /** See {@linkcode MapSpec}. */
  readonly type: MapTypeName | number;
  /** See {@linkcode MapSpec}. */
  readonly keySize: number;
  /** See {@linkcode MapSpec}. */
  readonly valueSize: number;
  /** See {@linkcode MapSpec}. */
  readonly maxEntries: number;
  /** See {@linkcode MapSpec}. */
  readonly flags: number;
  /** See {@linkcode MapSpec}; left out when 0. */
  readonly numaNode?: number;
  /** map_extra in hexadecimal; left out when 0. */
  readonly mapExtra?: string;
  /** See {@linkcode MapSpec}. */
  readonly pinning: "none" | "by-name";
  /** See {@linkcode MapSpec}. */
  readonly pinPath?: string;
  /** See {@linkcode MapSpec}. */
  readonly keyTypeId: number;
  /** See {@linkcode MapSpec}. */
  readonly valueTypeId: number;
  /** See {@linkcode MapSpec}. */
  readonly autocreate: boolean;
  /** Template of inner maps. */
  readonly inner?: MapJson;
  /** See {@linkcode MapSpec}. */
  readonly slots?: readonly MapSlot[];
  /** struct_ops: name of the struct, and its programs. */
  readonly structOps?: {
    readonly type: string;
    readonly programs: readonly { readonly member: string; readonly program: string }[];
  };
}
