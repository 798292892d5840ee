/**
 * Encodes and decodes the context of a test run as fields of the struct that the program takes.
 *
 * @module
 */

import type { Btf } from "../../btf/btf.ts";
import { type BtfRecord, type Codec, codecFor } from "../../btf/codec/mod.ts";
import { SkepError } from "../../errors/skep_error.ts";
import type { ProgramTypeName } from "../../uapi/enums.ts";
import { runType } from "./run_types.ts";

/** The part of a program that determines its context's type. */
export interface ContextOwner {
  /** Name of the function. */
  readonly name: string;
  /** Kernel name of the program type. */
  readonly type: ProgramTypeName;
  /** BTF that describes the function. */
  readonly btf: Btf | undefined;
}

/** Encodes and decodes a program's context by field names. */
export class ContextCodec {
  readonly #codec: Codec;
  readonly #packetEnd: string | undefined;

  /**
   * Finds the context's struct in BTF: the target of the function's first parameter.
   *
   * @throws {SkepError} EINVAL when the object has no BTF for the function, or the parameter is not a pointer
   * to a struct.
   */
  constructor(owner: ContextOwner) {
    this.#codec = contextCodec(owner);
    this.#packetEnd = runType(owner.type).packetEnd;
  }

  /** Encodes a context; fields left out are zero, except that XDP's `data_end` is the data's length in bytes. */
  encode(fields: ContextFields, dataLength: number): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(this.#codec.size);
    const end = this.#packetEnd;
    const ends = end !== undefined && fields[end] === undefined ? { [end]: dataLength } : {};
    const view = new DataView(bytes.buffer);
    this.#codec.encode({ ...ends, ...fields }, view, 0, { partial: true });
    return bytes;
  }

  /** Returns whether the bytes contain a whole context. */
  fits(bytes: Uint8Array): boolean {
    return bytes.length >= this.#codec.size;
  }

  /** Decodes a returned context. */
  decode(bytes: Uint8Array): BtfRecord {
    return this.#codec.decodeBytes(bytes) as BtfRecord;
  }
}

/** Fields of a context by name; those left out are zero. */
export interface ContextFields {
  /** Value of a field, in the form of map values. */
  readonly [field: string]: unknown;
}

function contextCodec({ name, btf }: ContextOwner): Codec {
  const refuse = (why: string): SkepError =>
    new SkepError({
      doing: "run program",
      subject: name,
      errno: "EINVAL",
      stage: "usage",
      why,
      fix: "give the context as bytes",
    });
  const id = btf?.find(name, "func");
  if (btf === undefined || id === undefined) throw refuse("its object has no BTF for the program");
  const func = btf.type(id);
  const prototype = func.kind === "func" ? btf.type(func.type) : func;
  const first = prototype.kind === "func_proto" ? prototype.parameters[0] : undefined;
  const pointer = first === undefined ? undefined : btf.type(btf.resolve(first.type));
  const target = pointer?.kind === "ptr" && pointer.type !== 0
    ? btf.type(btf.resolve(pointer.type))
    : undefined;
  if (target?.kind !== "struct") throw refuse("its first parameter is not a pointer to a struct");
  return codecFor(btf, target.id);
}
