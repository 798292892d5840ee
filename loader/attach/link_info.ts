/**
 * `struct bpf_link_info` as typed data.
 *
 * Source of the layout: `include/uapi/linux/bpf.h` of Linux 6.18.
 *
 * @module
 */

import {
  type AttachTypeName,
  attachTypeName,
  type LinkTypeName,
  linkTypeName,
} from "../../uapi/enums.ts";
import type { Kernel } from "../../kernel/kernel.ts";

/** What the kernel says of a link: what all have, and in `details` what its kind adds. */
export interface LinkInfo {
  /** The kernel's name of the link's type, or `"unknown"`. */
  readonly type: LinkTypeName | "unknown";
  /** The number of the type. */
  readonly typeNumber: number;
  /** The link's id. */
  readonly id: number;
  /** The program's id; 0 for struct_ops. */
  readonly programId: number;
  /** The hook, where the kind has attach types. */
  readonly attachType?: AttachTypeName | number;
  /** The kind's own fields, by the kernel's names. 64-bit ids and cookies are bigint, names and paths text. */
  readonly details: { readonly [field: string]: number | bigint | string };
}

type Field = readonly [name: string, kind: "u32" | "s32" | "u64" | "attach", offset: number];

/** A name that a kind of link tells: what it is called, and where its pointer and length stand. */
interface TextField {
  readonly name: string;
  readonly pointer: number;
  readonly length: number;
}

const texts: { readonly [type: string]: TextField } = {
  raw_tracepoint: { name: "tp_name", pointer: 16, length: 24 },
  iter: { name: "target_name", pointer: 16, length: 24 },
  uprobe_multi: { name: "path", pointer: 16, length: 48 },
};

/** The same for a perf event's link, by what it is about. */
const perfTexts: readonly (TextField | undefined)[] = [
  undefined,
  { name: "file_name", pointer: 24, length: 32 },
  { name: "file_name", pointer: 24, length: 32 },
  { name: "func_name", pointer: 24, length: 32 },
  { name: "func_name", pointer: 24, length: 32 },
  { name: "tp_name", pointer: 24, length: 32 },
  undefined,
];

/** Bytes of `struct bpf_link_info` that are asked for. */
const SIZE = 128;

/**
 * What the kernel says of a link, with the names that its kind tells: a tracepoint, a path, a function.
 *
 * @returns `-errno` when the kernel refuses.
 */
export function readLinkInfo(kernel: Kernel, fd: number): LinkInfo | number {
  const { result, bytes } = kernel.objectInfo(fd, SIZE);
  if (result < 0) return result;
  const info = parseLinkInfo(bytes);
  const event = info.details["perf_event_type"];
  const field = typeof event === "number" ? perfTexts[event] : texts[info.type];
  if (field === undefined) return info;
  const { text } = kernel.objectInfo(fd, SIZE, field);
  // A kernel that does not tell the name, or to this user, tells the rest all the same.
  if (text === undefined || text === "") return info;
  return { ...info, details: { ...info.details, [field.name]: text } };
}

/** Where the union begins: after type, id, prog_id and padding. */
const layouts: { readonly [type: string]: readonly Field[] } = {
  raw_tracepoint: [["cookie", "u64", 32]],
  tracing: [
    ["attach_type", "attach", 16],
    ["target_obj_id", "u32", 20],
    ["target_btf_id", "u32", 24],
    ["cookie", "u64", 32],
  ],
  cgroup: [["cgroup_id", "u64", 16], ["attach_type", "attach", 24]],
  iter: [["map_id", "u32", 28], ["tid", "u32", 32], ["pid", "u32", 36]],
  netns: [["netns_ino", "u32", 16], ["attach_type", "attach", 20]],
  xdp: [["ifindex", "u32", 16]],
  struct_ops: [["map_id", "u32", 16]],
  netfilter: [
    ["pf", "u32", 16],
    ["hooknum", "u32", 20],
    ["priority", "s32", 24],
    ["flags", "u32", 28],
  ],
  kprobe_multi: [["count", "u32", 24], ["flags", "u32", 28], ["missed", "u64", 32]],
  uprobe_multi: [["count", "u32", 52], ["flags", "u32", 56], ["pid", "u32", 60]],
  tcx: [["ifindex", "u32", 16], ["attach_type", "attach", 20]],
  netkit: [["ifindex", "u32", 16], ["attach_type", "attach", 20]],
  sockmap: [["map_id", "u32", 16], ["attach_type", "attach", 20]],
};

/** `enum bpf_perf_event_type`: what the union of a perf event's link holds. */
const perfLayouts: readonly (readonly Field[])[] = [
  [],
  [["offset", "u32", 36], ["cookie", "u64", 40], ["ref_ctr_offset", "u64", 48]],
  [["offset", "u32", 36], ["cookie", "u64", 40], ["ref_ctr_offset", "u64", 48]],
  [["offset", "u32", 36], ["addr", "u64", 40], ["missed", "u64", 48], ["cookie", "u64", 56]],
  [["offset", "u32", 36], ["addr", "u64", 40], ["missed", "u64", 48], ["cookie", "u64", 56]],
  [["cookie", "u64", 40]],
  [["config", "u64", 24], ["type", "u32", 32], ["cookie", "u64", 40]],
];

/** Reads `struct bpf_link_info`; fields that an older kernel did not write read as zero. */
export function parseLinkInfo(bytes: Uint8Array): LinkInfo {
  const padded = new Uint8Array(SIZE);
  padded.set(bytes.subarray(0, SIZE));
  const view = new DataView(padded.buffer);
  const typeNumber = view.getUint32(0, true);
  const type = linkTypeName(typeNumber) ?? "unknown";
  const details: { [field: string]: number | bigint | string } = {};
  let attachType: AttachTypeName | number | undefined;
  let fields = layouts[type] ?? [];
  if (type === "perf_event") {
    const event = view.getUint32(16, true);
    details["perf_event_type"] = event;
    fields = perfLayouts[event] ?? [];
  }
  for (const [name, kind, offset] of fields) {
    if (kind === "u64") {
      details[name] = view.getBigUint64(offset, true);
      continue;
    }
    const number = kind === "s32" ? view.getInt32(offset, true) : view.getUint32(offset, true);
    if (kind === "attach") attachType = attachTypeName(number) ?? number;
    else details[name] = number;
  }
  return {
    type,
    typeNumber,
    id: view.getUint32(4, true),
    programId: view.getUint32(8, true),
    ...(attachType === undefined ? {} : { attachType }),
    details,
  };
}
