/**
 * Keys and values whose shape the kernel gives by the type of the map: the objects of these maps often
 * have no BTF for them, and the kernel keeps none.
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

/** A value of a `devmap` or `devmap_hash`: where frames are sent (`struct bpf_devmap_val`). */
export interface DeviceTarget {
  /** Index of the network interface. */
  readonly ifindex: number;
  /**
   * The program that runs when a frame gets there. Set as something with a descriptor; read as the
   * program's id, 0 for none. Left out for none.
   */
  readonly program?: number | HasDescriptor | undefined;
}

/** A value of a `cpumap`: how a CPU takes frames (`struct bpf_cpumap_val`). */
export interface CpuTarget {
  /** Frames that may wait for the CPU. */
  readonly queueSize: number;
  /** The program that runs there; as in {@linkcode DeviceTarget.program}. */
  readonly program?: number | HasDescriptor | undefined;
}

/** A key of an `lpm_trie` without BTF (`struct bpf_lpm_trie_key_u8`). */
export interface Prefix {
  /** Bits of `data` that count. */
  readonly prefixLength: number;
  /** The bytes: four of an IPv4 address, sixteen of an IPv6 address. */
  readonly data: Uint8Array<ArrayBuffer>;
}

/** A key of a `cgroup_storage` without BTF (`struct bpf_cgroup_storage_key`). */
export interface CgroupStorageKey {
  /** The cgroup's id. */
  readonly cgroup: bigint;
  /** The number of the attach type. */
  readonly attachType: number;
}

/** A frame of a stack that was recorded with BPF_F_STACK_BUILD_ID (`struct bpf_stack_build_id`). */
export interface BuildIdFrame {
  /** Hexadecimal build id of the file; left out when the kernel could not find it. */
  readonly buildId?: string | undefined;
  /** Offset in the file, or the address where there is no build id. */
  readonly offset: bigint;
}

/** A variable of a data section. */
export interface PlacedVariable {
  /** The name. */
  readonly name: string;
  /** Bytes from the section's start. */
  readonly offset: number;
  /** Reads and writes it. */
  readonly codec: ValueCodec;
}

/** The value of a data section: its variables by name. Objects leave their places to the loader. */
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

/** What the codecs look at. */
export interface ShapedMap {
  /** The number of the type. */
  readonly type: number;
  /** BPF_F_… */
  readonly flags: number;
}

/** The codec of a key whose shape follows from the map's type; undefined for all others. */
export function shapedKey(
  { type }: ShapedMap,
  size: number,
  what: string,
): ValueCodec<BtfValue> | undefined {
  const { key } = mapTypeTraits(type);
  if (key === "prefix" && size > 4) return prefixCodec(size, what);
  return key === "cgroup" && size === 16 ? cgroupKeyCodec(what) : undefined;
}

/** The codec of a value whose shape follows from the map's type; undefined for all others. */
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
/** In the values of device maps, and in those of CPU maps. */
const PROGRAM = structs.bpf_devmap_val.bpf_prog_fd[0];
const { cgroup_inode_id: [INODE], attach_type: [ATTACH_TYPE] } = structs.bpf_cgroup_storage_key;

/** `{ ifindex, program }` and `{ queueSize, program }`; the program is there in values of eight bytes. */
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
      // The number alone is what values of four bytes always were.
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
      // The padding at the end is a part of the key.
      view.setBigUint64(at + structSizes.bpf_cgroup_storage_key - 8, 0n, true);
      view.setBigUint64(at + INODE, cgroup, true);
      view.setUint32(at + ATTACH_TYPE, whole(attachType, `${what}.attachType`), true);
    },
  };
}

/** The addresses of a stack: those that are there. */
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
