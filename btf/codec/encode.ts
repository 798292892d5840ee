/**
 * Encodes JS values to bytes and checks them.
 *
 * @module
 */

import {
  type ArrayShape,
  type EnumShape,
  type FlatField,
  flatFields,
  type RecordShape,
  type Shape,
} from "./shape.ts";
import { textBytes, writeBits } from "./text.ts";

/** Encodes a value into a view at an offset; the bytes there are zero or an earlier value. */
export type Writer = (value: unknown, view: DataView, at: number, end: number) => void;

/** The reason why a value does not fit. The path is completed from the innermost value outwards. */
export class Misfit {
  /** Path below the root: `.comm` or `.tuples[3].port`. */
  path = "";
  /** The expected and the given value. */
  readonly why: string;

  /** Takes the reason. */
  constructor(why: string) {
    this.why = why;
  }
}

/** Builds a writer. With `partial`, missing members keep their bytes. */
export function makeWriter(shape: Shape, littleEndian: boolean, partial: boolean): Writer {
  return new WriterMaker(littleEndian, partial).writer(shape);
}

class WriterMaker {
  readonly #little: boolean;
  readonly #partial: boolean;
  readonly #known = new Map<Shape, Writer>();

  constructor(littleEndian: boolean, partial: boolean) {
    this.#little = littleEndian;
    this.#partial = partial;
  }

  writer(shape: Shape): Writer {
    let writer = this.#known.get(shape);
    if (writer === undefined) {
      writer = this.#make(shape);
      this.#known.set(shape, writer);
    }
    return writer;
  }

  #make(shape: Shape): Writer {
    const little = this.#little;
    switch (shape.kind) {
      case "int": {
        const { size, signed } = shape;
        return (value, view, at) => store(view, at, size, little, whole(value, size * 8, signed));
      }
      case "bool": {
        const { size } = shape;
        return (value, view, at) => store(view, at, size, little, truth(value));
      }
      case "float": {
        const { size } = shape;
        return (value, view, at) => {
          if (typeof value !== "number") throw expected("a number", value);
          if (size === 2) view.setFloat16(at, value, little);
          else if (size === 4) view.setFloat32(at, value, little);
          else view.setFloat64(at, value, little);
        };
      }
      case "enum": {
        const { size } = shape;
        return (value, view, at) =>
          store(view, at, size, little, enumerator(shape, value, size * 8));
      }
      case "bits": {
        const { of, shift, bits } = shape;
        return (value, view, at) => {
          const number = of.kind === "bool"
            ? truth(value)
            : of.kind === "enum"
            ? enumerator(of, value, bits)
            : whole(value, bits, of.signed);
          writeBits(view, at, shift, bits, little, BigInt(number));
        };
      }
      case "text":
        return (value, view, at, end) => {
          const room = shape.length === 0 ? Math.max(0, end - at) : shape.length;
          if (typeof value === "string" && putAscii(view, at, room, value)) return;
          put(view, at, room, textOf(value, room), true);
        };
      case "bytes":
        return (value, view, at, end) => {
          const room = shape.length === 0 ? Math.max(0, end - at) : shape.length;
          put(view, at, room, bytesOf(value, room, shape.length === 0), shape.length !== 0);
        };
      case "array":
        return this.#array(shape);
      case "record":
        return this.#record(shape);
    }
  }

  #array(shape: ArrayShape): Writer {
    const { length, stride } = shape;
    const write = this.writer(shape.element);
    return (value, view, at, end) => {
      const elements = elementsOf(value);
      const room = length > 0 ? length : stride === 0 ? 0 : Math.floor((end - at) / stride);
      const fits = length > 0 && !this.#partial
        ? elements.length === length
        : elements.length <= room;
      if (!fits) {
        throw new Misfit(
          `expected ${length || `at most ${room}`} elements, got ${elements.length}`,
        );
      }
      for (let index = 0; index < elements.length; index++) {
        try {
          write(elements[index], view, at + index * stride, end);
        } catch (error) {
          if (error instanceof Misfit) error.path = `[${index}]${error.path}`;
          throw error;
        }
      }
    };
  }

  #record(shape: RecordShape): Writer {
    const flat = flatFields(shape);
    const names = new Set(flat.map((field) => field.name));
    const simple = !shape.union && shape.fields.every((field) => field.name !== "");
    const members = new Map(flat.map((field) => [field, this.#member(field)]));
    const inOrder = [...members.values()];
    return (value, view, at, end) => {
      const record = recordOf(value, shape);
      if (simple) {
        let given = 0;
        for (let index = 0; index < inOrder.length; index++) {
          if (inOrder[index]?.(record, view, at, end, this.#partial)) given++;
        }
        // As many keys as members were found, so none is unknown.
        for (const _ in record) given--;
        if (given !== 0) refuseUnknown(record, shape, names);
      } else {
        refuseUnknown(record, shape, names);
        this.#mixed(shape, 0, members, byPlace(flat))(record, view, at, end);
      }
    };
  }

  /** Returns a function that encodes one named member of a record. */
  #member({ name, offset, shape }: FlatField): MemberWriter {
    const write = this.writer(shape);
    const flexible = (shape.kind === "array" || shape.kind === "text" || shape.kind === "bytes") &&
      shape.length === 0;
    // An object inherits "constructor", but it is not a member unless it is an own property.
    const inherited = name in Object.prototype;
    const kernels = shape.kind === "record" && KERNEL_OWNED.has(shape.name);
    return (record, view, at, end, optional) => {
      const value = record[name];
      // No type encodes `undefined`, so only then is the member's presence looked up.
      if ((value === undefined || inherited) && !Object.hasOwn(record, name)) {
        if (optional || flexible || kernels) return false;
        throw new Misfit(`member ${name} is missing`);
      }
      try {
        write(value, view, at + offset, end);
      } catch (error) {
        if (error instanceof Misfit) error.path = `.${name}${error.path}`;
        throw error;
      }
      return true;
    };
  }

  /** Encodes unions and records with anonymous members: the given members of a union must agree. */
  #mixed(
    shape: RecordShape,
    base: number,
    members: ReadonlyMap<FlatField, MemberWriter>,
    places: ReadonlyMap<string, FlatField>,
  ): (record: Fields, view: DataView, at: number, end: number) => void {
    return (record, view, at, end) => {
      const arms = shape.fields.map((field) => {
        const inner = field.shape;
        if (field.name === "" && inner.kind === "record") {
          const own = flatFields(inner).map((each) => each.name);
          return {
            label: own.join(", "),
            given: own.some((name) => Object.hasOwn(record, name)),
            from: field.offset,
            size: inner.size,
            write: this.#mixed(inner, base + field.offset, members, places),
          };
        }
        const flat = places.get(`${field.name} ${base + field.offset}`);
        const write = flat === undefined ? undefined : members.get(flat);
        return {
          label: field.name,
          given: Object.hasOwn(record, field.name),
          from: field.offset,
          size: sizeOf(inner),
          write: (record: Fields, view: DataView, at: number, end: number): void => {
            write?.(record, view, at, end, this.#partial);
          },
        };
      });
      if (!shape.union) {
        for (const arm of arms) arm.write(record, view, at, end);
        return;
      }
      const given = arms.filter((arm) => arm.given).sort((a, b) => b.size - a.size);
      const [first, ...others] = given;
      if (first === undefined) {
        if (this.#partial || arms.length === 0) return;
        throw new Misfit(
          `one of the union's members is missing: ${arms.map((arm) => arm.label).join(" or ")}`,
        );
      }
      first.write(record, view, at, end);
      if (others.length === 0) return;
      // Several members of a union may be given (decoding returns all of them) when their bytes agree.
      const start = at + base;
      const length = Math.min(shape.size, view.byteLength - start);
      const before = new Uint8Array(view.buffer, view.byteOffset + start, length).slice();
      const after = new Uint8Array(view.buffer, view.byteOffset + start, length);
      for (const other of others) {
        other.write(record, view, at, end);
        // The member wrote nothing outside its own bytes; a flexible array may fill the rest.
        const to = other.size === 0 ? length : Math.min(length, other.from + other.size);
        let same = true;
        for (let index = other.from; index < to && same; index++) {
          same = before[index] === after[index];
        }
        if (!same) {
          throw new Misfit(
            `the union's members ${first.label} and ${other.label} disagree; give one of them`,
          );
        }
      }
    };
  }
}

type Fields = { readonly [name: string]: unknown };
/** Encodes a member if it is given; returns whether it was. */
type MemberWriter = (
  record: Fields,
  view: DataView,
  at: number,
  end: number,
  optional: boolean,
) => boolean;

function refuseUnknown(record: Fields, shape: RecordShape, names: ReadonlySet<string>): void {
  for (const name in record) {
    if (!names.has(name)) throw new Misfit(unknownMember(name, shape, names));
  }
}

/** Structs in map values that the kernel maintains itself: they may be omitted. */
export const KERNEL_OWNED: ReadonlySet<string> = new Set([
  "bpf_spin_lock",
  "bpf_res_spin_lock",
  "bpf_timer",
  "bpf_wq",
  "bpf_task_work",
  "bpf_refcount",
  "bpf_list_head",
  "bpf_list_node",
  "bpf_rb_root",
  "bpf_rb_node",
]);

function byPlace(flat: readonly FlatField[]): Map<string, FlatField> {
  return new Map(flat.map((field) => [`${field.name} ${field.offset}`, field]));
}

function sizeOf(shape: Shape): number {
  switch (shape.kind) {
    case "text":
    case "bytes":
      return shape.length;
    case "array":
      return shape.length * shape.stride;
    case "bits":
      return (shape.bits + 7) >> 3;
    default:
      return shape.size;
  }
}

const U64_MAX = 0xffff_ffff_ffff_ffffn;

/** Returns an integer that fits into the bits, as a number if it was given as one. */
function whole(value: unknown, bits: number, signed: boolean): number | bigint {
  if (typeof value === "number" && bits <= 32) {
    const low = signed ? -(2 ** (bits - 1)) : 0;
    const high = signed ? 2 ** (bits - 1) - 1 : 2 ** bits - 1;
    if (Number.isInteger(value) && value >= low && value <= high) return value;
  } else if (typeof value === "bigint" || Number.isSafeInteger(value)) {
    const wide = BigInt(value as number | bigint);
    // The most common case first, with comparisons that allocate no bigint.
    if (bits === 64 && !signed && wide >= 0n && wide <= U64_MAX) return wide;
    if ((signed ? BigInt.asIntN(bits, wide) : BigInt.asUintN(bits, wide)) === wide) return wide;
  }
  const range = signed
    ? `${-(1n << BigInt(bits - 1))} to ${(1n << BigInt(bits - 1)) - 1n}`
    : `0 to ${(1n << BigInt(bits)) - 1n}`;
  throw expected(`a whole number from ${range}`, value);
}

function truth(value: unknown): number {
  if (value === true || value === 1) return 1;
  if (value === false || value === 0) return 0;
  throw expected("true or false", value);
}

function enumerator(shape: EnumShape, value: unknown, bits: number): number | bigint {
  if (typeof value !== "string") return whole(value, bits, shape.signed);
  const number = shape.values.get(value);
  if (number !== undefined) return whole(number, bits, shape.signed);
  const names = [...shape.values.keys()];
  const some = names.slice(0, 8).join(", ") + (names.length > 8 ? ", …" : "");
  throw new Misfit(`expected a name of enum ${shape.name || "<anon>"} (${some}), got "${value}"`);
}

function store(
  view: DataView,
  at: number,
  size: number,
  little: boolean,
  value: number | bigint,
): void {
  switch (size) {
    case 1:
      return view.setUint8(at, Number(value));
    case 2:
      return view.setUint16(at, Number(value), little);
    case 4:
      return view.setUint32(at, Number(value), little);
    case 8:
      return view.setBigUint64(at, BigInt(value), little);
    default: {
      const wide = BigInt(value);
      view.setBigUint64(little ? at : at + 8, wide, little);
      view.setBigUint64(little ? at + 8 : at, wide >> 64n, little);
    }
  }
}

/**
 * Writes text when it is ASCII and fits, padded with NULs; returns false otherwise, with the bytes in an
 * undefined state.
 */
function putAscii(view: DataView, at: number, room: number, text: string): boolean {
  const { length } = text;
  if (length > room) return false;
  for (let index = 0; index < length; index++) {
    const code = text.charCodeAt(index);
    if (code === 0 || code > 127) return false;
    view.setUint8(at + index, code);
  }
  for (let index = length; index < room; index++) view.setUint8(at + index, 0);
  return true;
}

function textOf(value: unknown, room: number): Uint8Array {
  if (typeof value !== "string") {
    if (value instanceof Uint8Array && value.length <= room) return value;
    throw expected(`text of at most ${room} bytes`, value);
  }
  if (value.includes("\0")) throw new Misfit("expected text without NUL, got text with a NUL");
  const bytes = textBytes(value);
  if (bytes.length > room) {
    throw new Misfit(`expected text of at most ${room} bytes, got ${bytes.length}: "${value}"`);
  }
  return bytes;
}

function bytesOf(value: unknown, room: number, flexible: boolean): Uint8Array {
  let bytes: Uint8Array | undefined;
  if (value instanceof Uint8Array) bytes = value;
  else if (ArrayBuffer.isView(value)) {
    bytes = new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
  } else if (Array.isArray(value)) {
    bytes = Uint8Array.from(value, (byte) => Number(whole(byte, 8, false)));
  }
  if (bytes === undefined) throw expected(`${room} bytes`, value);
  if (flexible ? bytes.length <= room : bytes.length === room) return bytes;
  throw new Misfit(`expected ${flexible ? "at most " : ""}${room} bytes, got ${bytes.length}`);
}

function put(view: DataView, at: number, room: number, bytes: Uint8Array, fill: boolean): void {
  const into = new Uint8Array(view.buffer, view.byteOffset + at, room);
  into.set(bytes);
  if (fill) into.fill(0, bytes.length);
}

function elementsOf(value: unknown): ArrayLike<unknown> {
  if (Array.isArray(value)) return value;
  // Typed arrays of any width are accepted as lists of numbers.
  if (ArrayBuffer.isView(value) && !(value instanceof DataView)) {
    return value as unknown as ArrayLike<unknown>;
  }
  throw expected("an array", value);
}

function recordOf(value: unknown, shape: RecordShape): Fields {
  if (
    typeof value === "object" && value !== null && !Array.isArray(value) &&
    !ArrayBuffer.isView(value)
  ) {
    return value as Fields;
  }
  throw expected(`an object with the members of ${shape.name || "a struct"}`, value);
}

function unknownMember(name: string, shape: RecordShape, names: ReadonlySet<string>): string {
  const list = [...names].slice(0, 12).join(", ") + (names.size > 12 ? ", …" : "");
  return `${shape.name || "it"} has no member "${name}"; it has ${list || "none"}`;
}

function expected(what: string, value: unknown): Misfit {
  return new Misfit(`expected ${what}, got ${described(value)}`);
}

/** Describes a value in few words. */
function described(value: unknown): string {
  switch (typeof value) {
    case "string":
      return `the text "${value.length > 40 ? `${value.slice(0, 40)}…` : value}"`;
    case "number":
      return `the number ${value}`;
    case "bigint":
      return `the number ${value}`;
    case "boolean":
      return `${value}`;
    case "undefined":
      return "nothing";
    case "function":
    case "symbol":
      return `a ${typeof value}`;
    default:
      if (value === null) return "null";
      if (Array.isArray(value)) return `an array of ${value.length}`;
      if (ArrayBuffer.isView(value)) return `${value.byteLength} bytes`;
      return "an object";
  }
}
