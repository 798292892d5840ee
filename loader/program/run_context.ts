/**
 * The context of a test run, as fields of the struct that the program takes.
 *
 * @module
 */

import type { Btf } from "../../btf/btf.ts";
import { type BtfRecord, type Codec, codecFor } from "../../btf/codec/mod.ts";
import { SkepError } from "../../errors/skep_error.ts";
import type { ProgramTypeName } from "../../uapi/enums.ts";
import { runType } from "./run_types.ts";

/** What of a program tells its context. */
export interface ContextOwner {
  /** The function's name. */
  readonly name: string;
  /** The kernel's name of the type. */
  readonly type: ProgramTypeName;
  /** The types that the function is described by. */
  readonly btf: Btf | undefined;
}

/** Reads and writes a program's context by name. */
export class ContextCodec {
  readonly #codec: Codec;
  readonly #packetEnd: string | undefined;

  /** Throws a {@linkcode SkepError} where the object does not say what the program takes. */
  constructor(owner: ContextOwner) {
    this.#codec = contextCodec(owner);
    this.#packetEnd = runType(owner.type).packetEnd;
  }

  /** The bytes of a context: what is not named is zero. */
  encode(fields: ContextFields, dataLength: number): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(this.#codec.size);
    const end = this.#packetEnd;
    const ends = end !== undefined && fields[end] === undefined ? { [end]: dataLength } : {};
    const view = new DataView(bytes.buffer);
    this.#codec.encode({ ...ends, ...fields }, view, 0, { partial: true });
    return bytes;
  }

  /** Whether there is enough of a context to read its fields. */
  fits(bytes: Uint8Array): boolean {
    return bytes.length >= this.#codec.size;
  }

  /** The fields of a context that came back. */
  decode(bytes: Uint8Array): BtfRecord {
    return this.#codec.decodeBytes(bytes) as BtfRecord;
  }
}

/** Fields of a context by name; those left out are zero. */
export interface ContextFields {
  /** A field's value, as for maps. */
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
  if (btf === undefined || id === undefined) throw refuse("its object has no BTF for it");
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
