/**
 * Codecs of keys and values whose layout the map type defines. Objects often have no BTF for such maps, and the
 * kernel keeps none.
 *
 * @module
 */

import type { BtfValue } from "../../btf/codec/mod.ts";
import { mapTypeTraits } from "../../object/spec/map_traits.ts";
import { bytes, descriptorOf, type HasDescriptor, misfit, type ValueCodec } from "./values.ts";
import {
  BPF_F_STACK_BUILD_ID,
  BPF_STACK_BUILD_ID_IP,
  BPF_STACK_BUILD_ID_VALID,
} from "../../uapi/bpf_flags.ts";
import { structs, structSizes } from "../../uapi/layouts.ts";
import { getBytes, getLong, getSigned, viewOf } from "../../uapi/fields.ts";

/** Value of a `devmap` or `devmap_hash`: the interface that frames are redirected to (`struct bpf_devmap_val`). */
export interface DeviceTarget {
  /** Index of the network interface. */
  readonly ifindex: number;
  /**
   * The XDP program that runs on redirected frames. Set as a descriptor or an object with one, omitted for none;
   * read as the program's id, 0 for none.
   */
  readonly program?: number | HasDescriptor | undefined;
}

/** Value of a `cpumap`: a CPU's queue for redirected frames (`struct bpf_cpumap_val`). */
export interface CpuTarget {
  /** Largest number of frames in the CPU's queue. */
  readonly queueSize: number;
  /** The XDP program that runs on that CPU; as in {@linkcode DeviceTarget.program}. */
  readonly program?: number | HasDescriptor | undefined;
}

/** Key of an `lpm_trie` without BTF (`struct bpf_lpm_trie_key_u8`). */
export interface Prefix {
  /** Length of the prefix in bits. */
  readonly prefixLength: number;
  /** Bytes of the key, such as four of an IPv4 address or sixteen of an IPv6 address. */
  readonly data: Uint8Array<ArrayBuffer>;
}

/** Key of a `cgroup_storage` without BTF (`struct bpf_cgroup_storage_key`). */
export interface CgroupStorageKey {
  /** The cgroup's id. */
  readonly cgroup: bigint;
  /** The attach type's number. */
  readonly attachType: number;
}

/** Frame of a stack recorded with BPF_F_STACK_BUILD_ID (`struct bpf_stack_build_id`). */
export interface BuildIdFrame {
  /** Build id of the file in hexadecimal; undefined when the kernel could not find it. */
  readonly buildId?: string | undefined;
  /** Offset in the file in bytes, or the address when there is no build id. */
  readonly offset: bigint;
}

/** A variable of a data section. */
export interface PlacedVariable {
  /** The variable's name. */
  readonly name: string;
  /** Offset in the section in bytes. */
  readonly offset: number;
  /** Codec of the variable. */
  readonly codec: ValueCodec;
}

/** Returns the codec of a data section's value: an object with its variables by name. */
export function sectionCodec(
  variables: readonly PlacedVariable[],
  size: number,
  what: string,
): ValueCodec<BtfValue> {
  return {
    size,
    decode: (view, at) =>
      Object.fromEntries(variables.map(({ name, offset, codec }) => {
        const start = at + offset;
        return [name, codec.decode(view, start, start + codec.size) as BtfValue] as const;
      })),
    encode(value, view, at): void {
      const fields = fieldsOf(value, what, "the section's variables");
      new Uint8Array(view.buffer, view.byteOffset + at, size).fill(0);
      for (const { name, offset, codec } of variables) {
        if (!Object.hasOwn(fields, name)) throw misfit(`${what}.${name}`, "a value", undefined);
        codec.encode(fields[name], view, at + offset);
      }
      const known = new Set(variables.map(({ name }) => name));
      const stranger = Object.keys(fields).find((name) => !known.has(name));
      if (stranger !== undefined) throw misfit(`${what}.${stranger}`, "no such variable", fields);
    },
  };
}

/** Properties of a map that select its codecs. */
export interface ShapedMap {
  /** The map type's number. */
  readonly type: number;
  /** Flags (BPF_F_…) that the map was created with. */
  readonly flags: number;
}

/** Returns the codec of a key whose layout the map type defines, or undefined for other types. */
export function shapedKey(
  { type }: ShapedMap,
  size: number,
  what: string,
): ValueCodec<BtfValue> | undefined {
  const { key } = mapTypeTraits(type);
  if (key === "prefix" && size > 4) return prefixCodec(size, what);
  return key === "cgroup" && size === 16 ? cgroupKeyCodec(what) : undefined;
}

/** Returns the codec of a value whose layout the map type defines, or undefined for other types. */
export function shapedValue(
  { type, flags }: ShapedMap,
  size: number,
  what: string,
): ValueCodec<BtfValue> | undefined {
  switch (mapTypeTraits(type).value) {
    case "device":
      return targetCodec("ifindex", size, what);
    case "cpu":
      return targetCodec("queueSize", size, what);
    case "stack":
      return (flags & BPF_F_STACK_BUILD_ID) !== 0
        ? buildIdCodec(size, what)
        : addressCodec(size, what);
    default:
      return undefined;
  }
}

const BUILD_ID_FRAME = structSizes.bpf_stack_build_id;
/** Offset of the program in values of device maps and of CPU maps. */
const PROGRAM = structs.bpf_devmap_val.bpf_prog_fd[0];
const { cgroup_inode_id: [INODE], attach_type: [ATTACH_TYPE] } = structs.bpf_cgroup_storage_key;

/**
 * Returns the codec of `{ ifindex, program }` or `{ queueSize, program }`; only values of eight bytes have a
 * program.
 */
function targetCodec(
  first: "ifindex" | "queueSize",
  size: number,
  what: string,
): ValueCodec<BtfValue> {
  if (size !== 4 && size !== 8) return bytes(size, what);
  return {
    size,
    decode(view, at): BtfValue {
      const number = view.getUint32(at, true);
      return size === 4
        ? { [first]: number }
        : { [first]: number, program: view.getUint32(at + PROGRAM, true) };
    },
    encode(value, view, at): void {
      // Values of four bytes, the original format, are a plain number.
      const fields = typeof value === "number" ? { [first]: value } : fieldsOf(value, what, first);
      view.setUint32(at, whole(fields[first], `${what}.${first}`), true);
      for (const name in fields) {
        if (name !== first && !(name === "program" && size === 8)) {
          throw misfit(what, size === 8 ? `${first} and program` : `${first} alone`, name);
        }
      }
      if (size === 4) return;
      const program = descriptorOf(fields["program"] ?? 0);
      view.setInt32(at + PROGRAM, whole(program, `${what}.program`), true);
    },
  };
}

function prefixCodec(size: number, what: string): ValueCodec<BtfValue> {
  const most = (size - 4) * 8;
  return {
    size,
    decode: (view, at) => ({
      prefixLength: view.getUint32(at, true),
      data: new Uint8Array(view.buffer, view.byteOffset + at + 4, size - 4).slice() as Uint8Array<
        ArrayBuffer
      >,
    }),
    encode(value, view, at): void {
      const { prefixLength, data } = fieldsOf(value, what, "prefixLength and data");
      const length = whole(prefixLength, `${what}.prefixLength`);
      if (length > most) {
        throw misfit(`${what}.prefixLength`, `a whole number from 0 to ${most}`, length);
      }
      if (!(data instanceof Uint8Array) || data.length !== size - 4) {
        throw misfit(`${what}.data`, `${size - 4} bytes`, data);
      }
      view.setUint32(at, length, true);
      new Uint8Array(view.buffer, view.byteOffset + at + 4, size - 4).set(data);
    },
  };
}

function cgroupKeyCodec(what: string): ValueCodec<BtfValue> {
  return {
    size: structSizes.bpf_cgroup_storage_key,
    decode: (view, at) => ({
      cgroup: view.getBigUint64(at + INODE, true),
      attachType: view.getUint32(at + ATTACH_TYPE, true),
    }),
    encode(value, view, at): void {
      const { cgroup, attachType } = fieldsOf(value, what, "cgroup and attachType");
      if (typeof cgroup !== "bigint") throw misfit(`${what}.cgroup`, "a bigint", cgroup);
      // The kernel compares the padding too, so zero it.
      view.setBigUint64(at + structSizes.bpf_cgroup_storage_key - 8, 0n, true);
      view.setBigUint64(at + INODE, cgroup, true);
      view.setUint32(at + ATTACH_TYPE, whole(attachType, `${what}.attachType`), true);
    },
  };
}

/** Returns the codec of a stack's addresses, which end at the first zero. */
function addressCodec(size: number, what: string): ValueCodec<BtfValue> {
  if (size % 8 !== 0) return bytes(size, what);
  return {
    size,
    decode(view, at): BtfValue {
      const addresses: bigint[] = [];
      for (let offset = 0; offset < size; offset += 8) {
        const address = view.getBigUint64(at + offset, true);
        if (address === 0n) break;
        addresses.push(address);
      }
      return addresses;
    },
    encode: bytes(size, what).encode,
  };
}

function buildIdCodec(size: number, what: string): ValueCodec<BtfValue> {
  if (size % BUILD_ID_FRAME !== 0) return bytes(size, what);
  return {
    size,
    decode(view, at): BtfValue {
      const frames: BtfValue[] = [];
      const field = structs.bpf_stack_build_id;
      const all = new Uint8Array(view.buffer, view.byteOffset + at, size);
      for (let offset = 0; offset < size; offset += BUILD_ID_FRAME) {
        const frame = all.subarray(offset, offset + BUILD_ID_FRAME);
        const status = getSigned(viewOf(frame), field.status);
        if (status !== BPF_STACK_BUILD_ID_VALID && status !== BPF_STACK_BUILD_ID_IP) break;
        const place = getLong(viewOf(frame), field.offset);
        const id = getBytes(frame, field.build_id);
        frames.push(
          status === BPF_STACK_BUILD_ID_VALID
            ? { buildId: id.toHex(), offset: place }
            : { offset: place },
        );
      }
      return frames;
    },
    encode: bytes(size, what).encode,
  };
}

function fieldsOf(value: unknown, what: string, members: string): { [name: string]: unknown } {
  if (typeof value === "object" && value !== null && !ArrayBuffer.isView(value)) {
    return value as { [name: string]: unknown };
  }
  throw misfit(what, `an object with ${members}`, value);
}

function whole(value: unknown, what: string): number {
  if (typeof value === "number" && Number.isInteger(value) && value >= 0 && value < 2 ** 32) {
    return value;
  }
  throw misfit(what, "a whole number of 32 bits", value);
}
