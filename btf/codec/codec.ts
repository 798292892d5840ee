/**
 * Codecs: bytes to JS values and back, by BTF.
 *
 * @module
 */

import type { Btf } from "../btf.ts";
import { BtfError } from "../error.ts";
import { describeShape } from "./describe.ts";
import { makeWriter, Misfit, type Writer } from "./encode.ts";
import { generateReader, type Reader } from "./generate.ts";
import { interpretReader } from "./interpret.ts";
import { hasMoreMembers, type Shape, shapeOf } from "./shape.ts";
import type { BtfValue, CodecOptions } from "./value.ts";

/** Object literals with more properties are compiled slowly, and read no faster. */
const MOST_GENERATED = 1024;

/** How a value is encoded. */
export interface EncodeOptions {
  /**
   * Members that are not given keep the bytes that are there, and arrays may be shorter. Without it,
   * a missing member is an error.
   */
  readonly partial?: boolean | undefined;
}

/**
 * Reads and writes the values of one BTF type.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { Btf, BtfBuilder, codecFor } from "@skep/skep/btf";
 *
 * const builder = new BtfBuilder();
 * const u32 = builder.addInt("unsigned int", 4, "unsigned");
 * const id = builder.addStruct("event", 8, [
 *   { name: "pid", type: u32, bitOffset: 0, bitSize: 0 },
 *   { name: "uid", type: u32, bitOffset: 32, bitSize: 0 },
 * ]);
 * const codec = codecFor(Btf.parse(builder.build()), id);
 * const bytes = codec.encodeBytes({ pid: 7, uid: 1000 });
 * assertEquals(codec.decodeBytes(bytes), { pid: 7, uid: 1000 });
 * ```
 */
export class Codec<T = BtfValue> {
  /** The type's id. */
  readonly typeId: number;
  /** Bytes; for a struct that ends in a flexible array, those before it. */
  readonly size: number;
  /**
   * Reads without looking at the length first: the fastest way, for data whose length is known.
   *
   * `end` is where the data stops in the view; it matters for flexible arrays alone.
   *
   * @throws {RangeError} when the view is too short.
   */
  readonly decodeUnchecked: (view: DataView, at: number, end: number) => T;

  readonly #name: string;
  readonly #shape: Shape;
  readonly #little: boolean;
  readonly #narrowed: boolean;
  #writer: Writer | undefined;
  #partialWriter: Writer | undefined;

  /** Made by {@linkcode codecFor}. */
  constructor(
    btf: Btf,
    typeId: number,
    options: CodecOptions & { readonly generate?: boolean | undefined },
  ) {
    this.typeId = typeId;
    this.#name = btf.nameOf(typeId) || btf.nameOf(btf.resolve(typeId)) || "value";
    this.#shape = shapeOf(btf, typeId);
    this.size = btf.size(typeId);
    this.#little = btf.littleEndian;
    this.#narrowed = options.bigints === "when-needed";
    const read: Reader =
      (options.generate === false || hasMoreMembers(this.#shape, MOST_GENERATED)
        ? undefined
        : generateReader(this.#shape, this.#little, this.#narrowed)) ??
        interpretReader(this.#shape, this.#little, this.#narrowed);
    this.decodeUnchecked = read as (view: DataView, at: number, end: number) => T;
  }

  /**
   * Reads a value.
   *
   * `at` is where it starts in the view (0 unless told), `end` where its data stops: a flexible array
   * at the end of a struct has the elements that are there before `end`.
   *
   * @throws {BtfError} when the data is shorter than the type.
   */
  decode(view: DataView, at = 0, end: number = at + this.size): T {
    if (at < 0 || at + this.size > end || end > view.byteLength) {
      const length = Math.max(0, Math.min(end, view.byteLength) - at);
      throw new BtfError({
        doing: "decode",
        subject: this.#name,
        why: `the data has ${length} bytes, the type takes ${this.size}`,
        stage: "stream",
      });
    }
    return this.decodeUnchecked(view, at, end);
  }

  /** Reads a value from bytes; elements of a flexible array are taken as far as the bytes go. */
  decodeBytes(bytes: Uint8Array): T {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    return this.decode(view, 0, Math.max(this.size, bytes.byteLength));
  }

  /**
   * Writes a value at an offset of a view.
   *
   * @throws {BtfError} that names the member (`event.comm: expected text of at most 16 bytes, got the
   * number 7`). Unknown members are refused, missing ones too unless `partial`. The bytes may then be
   * written in part.
   */
  encode(value: unknown, view: DataView, at = 0, options: EncodeOptions = {}): void {
    const partial = options.partial === true;
    if (at < 0 || at + this.size > view.byteLength) {
      const room = Math.max(0, view.byteLength - at);
      throw this.#refuse("", `there is room for ${room} bytes, the type takes ${this.size}`);
    }
    if (!partial) clear(view, at, this.size);
    const writer = partial
      ? this.#partialWriter ??= makeWriter(this.#shape, this.#little, true)
      : this.#writer ??= makeWriter(this.#shape, this.#little, false);
    try {
      writer(value, view, at, view.byteLength);
    } catch (error) {
      if (error instanceof Misfit) throw this.#refuse(error.path, error.why);
      throw error;
    }
  }

  /** Writes a value into bytes of its own; `size` makes room for a flexible array at the end. */
  encodeBytes(value: unknown, size: number = this.size): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(Math.max(size, this.size));
    this.encode(value, new DataView(bytes.buffer));
    return bytes;
  }

  /** What the values look like, in TypeScript's words: `{ pid: number; comm: string }`. */
  describe(): string {
    return describeShape(this.#shape, this.#narrowed);
  }

  #refuse(path: string, why: string): BtfError {
    return new BtfError({ doing: "encode", subject: `${this.#name}${path}`, why, stage: "usage" });
  }
}

/** Zeroes bytes; for few of them, making a typed array to fill costs more than the filling. */
function clear(view: DataView, at: number, size: number): void {
  if (size > 256) {
    new Uint8Array(view.buffer, view.byteOffset + at, size).fill(0);
    return;
  }
  let next = at;
  for (; next + 4 <= at + size; next += 4) view.setUint32(next, 0);
  for (; next < at + size; next++) view.setUint8(next, 0);
}

const codecs = new WeakMap<Btf, Map<string, Codec>>();

/**
 * The codec of a type, compiled at first use and then the same one each time.
 *
 * @throws {BtfError} for a type that has no value (void, a function, a forward declaration) and for
 * damaged BTF.
 */
export function codecFor(btf: Btf, typeId: number, options: CodecOptions = {}): Codec {
  let known = codecs.get(btf);
  if (known === undefined) {
    known = new Map();
    codecs.set(btf, known);
  }
  const key = `${typeId} ${options.bigints ?? "always"}`;
  let codec = known.get(key);
  if (codec === undefined) {
    codec = new Codec(btf, typeId, options);
    known.set(key, codec);
  }
  return codec;
}
