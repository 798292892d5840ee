/**
 * Decodes `struct bpf_link_info`.
 *
 * @module
 */

import {
  type AttachTypeName,
  attachTypeName,
  type LinkTypeName,
  linkTypeName,
} from "../../uapi/enums.ts";
import { type Field, getNumber } from "../../uapi/fields.ts";
import { structs, structSizes } from "../../uapi/layouts.ts";
import type { Kernel } from "../../kernel/kernel.ts";

/** Decoded `struct bpf_link_info`: the common fields, and in `details` those of the link's type. */
export interface LinkInfo {
  /** Link type by its kernel name, or `"unknown"`. */
  readonly type: LinkTypeName | "unknown";
  /** Number of the type. */
  readonly typeNumber: number;
  /** The link's id. */
  readonly id: number;
  /** The program's id; 0 for struct_ops. */
  readonly programId: number;
  /** Attach type, for link types that report one; its number when the name is not known. */
  readonly attachType?: AttachTypeName | number | undefined;
  /** Fields of the link's type by their kernel names. 64-bit fields are bigint, names and paths strings. */
  readonly details: { readonly [field: string]: number | bigint | string };
}

/** A field of the union: its kernel name, its type, and its offset and size. */
type Detail = readonly [name: string, kind: "u32" | "s32" | "u64" | "attach", field: Field];

/** A string that the kernel copies to a buffer: its name, and the fields of its pointer and length. */
interface TextDetail {
  readonly name: string;
  readonly pointer: Field;
  readonly length: Field;
}

/** Fields of one link type. */
interface Details {
  readonly fields: readonly Detail[];
  readonly text?: TextDetail | undefined;
}

const info = structs.bpf_link_info;

const PROBED_FILE: Details = {
  fields: [
    ["offset", "u32", info.perf_event_uprobe_offset],
    ["cookie", "u64", info.perf_event_uprobe_cookie],
    ["ref_ctr_offset", "u64", info.perf_event_uprobe_ref_ctr_offset],
  ],
  text: {
    name: "file_name",
    pointer: info.perf_event_uprobe_file_name,
    length: info.perf_event_uprobe_name_len,
  },
};
const PROBED_FUNCTION: Details = {
  fields: [
    ["offset", "u32", info.perf_event_kprobe_offset],
    ["addr", "u64", info.perf_event_kprobe_addr],
    ["missed", "u64", info.perf_event_kprobe_missed],
    ["cookie", "u64", info.perf_event_kprobe_cookie],
  ],
  text: {
    name: "func_name",
    pointer: info.perf_event_kprobe_func_name,
    length: info.perf_event_kprobe_name_len,
  },
};
/** Fields of perf event links, by the number in `perf_event_type` (`enum bpf_perf_event_type`). */
const perfDetails: readonly Details[] = [
  { fields: [] },
  PROBED_FILE,
  PROBED_FILE,
  PROBED_FUNCTION,
  PROBED_FUNCTION,
  {
    fields: [["cookie", "u64", info.perf_event_tracepoint_cookie]],
    text: {
      name: "tp_name",
      pointer: info.perf_event_tracepoint_tp_name,
      length: info.perf_event_tracepoint_name_len,
    },
  },
  {
    fields: [
      ["config", "u64", info.perf_event_event_config],
      ["type", "u32", info.perf_event_event_type],
      ["cookie", "u64", info.perf_event_event_cookie],
    ],
  },
];

/** Fields of the union for each link type; for perf events they depend on the event. */
const details: { readonly [type in LinkTypeName]: Details | "by-event" } = {
  unspec: { fields: [] },
  raw_tracepoint: {
    fields: [["cookie", "u64", info.raw_tracepoint_cookie]],
    text: {
      name: "tp_name",
      pointer: info.raw_tracepoint_tp_name,
      length: info.raw_tracepoint_tp_name_len,
    },
  },
  tracing: {
    fields: [
      ["attach_type", "attach", info.tracing_attach_type],
      ["target_obj_id", "u32", info.tracing_target_obj_id],
      ["target_btf_id", "u32", info.tracing_target_btf_id],
      ["cookie", "u64", info.tracing_cookie],
    ],
  },
  cgroup: {
    fields: [
      ["cgroup_id", "u64", info.cgroup_cgroup_id],
      ["attach_type", "attach", info.cgroup_attach_type],
    ],
  },
  iter: {
    fields: [
      ["map_id", "u32", info.iter_map_map_id],
      ["tid", "u32", info.iter_task_tid],
      ["pid", "u32", info.iter_task_pid],
    ],
    text: {
      name: "target_name",
      pointer: info.iter_target_name,
      length: info.iter_target_name_len,
    },
  },
  netns: {
    fields: [
      ["netns_ino", "u32", info.netns_netns_ino],
      ["attach_type", "attach", info.netns_attach_type],
    ],
  },
  xdp: { fields: [["ifindex", "u32", info.xdp_ifindex]] },
  perf_event: "by-event",
  kprobe_multi: {
    fields: [
      ["count", "u32", info.kprobe_multi_count],
      ["flags", "u32", info.kprobe_multi_flags],
      ["missed", "u64", info.kprobe_multi_missed],
    ],
  },
  struct_ops: { fields: [["map_id", "u32", info.struct_ops_map_id]] },
  netfilter: {
    fields: [
      ["pf", "u32", info.netfilter_pf],
      ["hooknum", "u32", info.netfilter_hooknum],
      ["priority", "s32", info.netfilter_priority],
      ["flags", "u32", info.netfilter_flags],
    ],
  },
  tcx: {
    fields: [
      ["ifindex", "u32", info.tcx_ifindex],
      ["attach_type", "attach", info.tcx_attach_type],
    ],
  },
  uprobe_multi: {
    fields: [
      ["count", "u32", info.uprobe_multi_count],
      ["flags", "u32", info.uprobe_multi_flags],
      ["pid", "u32", info.uprobe_multi_pid],
    ],
    text: { name: "path", pointer: info.uprobe_multi_path, length: info.uprobe_multi_path_size },
  },
  netkit: {
    fields: [
      ["ifindex", "u32", info.netkit_ifindex],
      ["attach_type", "attach", info.netkit_attach_type],
    ],
  },
  sockmap: {
    fields: [
      ["map_id", "u32", info.sockmap_map_id],
      ["attach_type", "attach", info.sockmap_attach_type],
    ],
  },
  // No fields as of Linux 7.2.
  tracing_multi: { fields: [] },
};

const NOTHING: Details = { fields: [] };

function detailsOf(type: LinkTypeName | "unknown", event: number): Details {
  const found = type === "unknown" ? NOTHING : details[type];
  return found === "by-event" ? perfDetails[event] ?? NOTHING : found;
}

const SIZE = structSizes.bpf_link_info;

/**
 * Reads `bpf_link_info` with its string: the name of a tracepoint or function, or a path.
 *
 * @returns The information, or `-errno` when the kernel refuses.
 */
export function readLinkInfo(kernel: Kernel, fd: number): LinkInfo | number {
  const { result, bytes } = kernel.objectInfo(fd, SIZE);
  if (result < 0) return result;
  const read = parseLinkInfo(bytes);
  const { text: field } = detailsOf(read.type, Number(read.details["perf_event_type"] ?? 0));
  if (field === undefined) return read;
  const [pointer, length] = [field.pointer[0], field.length[0]];
  const { text } = kernel.objectInfo(fd, SIZE, { pointer, length });
  // Older kernels and unprivileged callers get no name; the other fields are still valid.
  if (text === undefined || text === "") return read;
  return { ...read, details: { ...read.details, [field.name]: text } };
}

/** Decodes `struct bpf_link_info`. Fields that an older kernel does not write are zero. */
export function parseLinkInfo(bytes: Uint8Array): LinkInfo {
  const padded = new Uint8Array(SIZE);
  padded.set(bytes.subarray(0, SIZE));
  const view = new DataView(padded.buffer);
  const typeNumber = getNumber(view, info.type);
  const type = linkTypeName(typeNumber) ?? "unknown";
  const event = type === "perf_event" ? getNumber(view, info.perf_event_type) : undefined;
  const found: { [field: string]: number | bigint | string } = {};
  if (event !== undefined) found["perf_event_type"] = event;
  let attachType: AttachTypeName | number | undefined;
  for (const [name, kind, field] of detailsOf(type, event ?? 0).fields) {
    const [offset] = field;
    if (kind === "u64") found[name] = view.getBigUint64(offset, true);
    else if (kind === "s32") found[name] = view.getInt32(offset, true);
    else if (kind === "u32") found[name] = getNumber(view, field);
    else attachType = attachTypeName(getNumber(view, field)) ?? getNumber(view, field);
  }
  return {
    type,
    typeNumber,
    id: getNumber(view, info.id),
    programId: getNumber(view, info.prog_id),
    attachType,
    details: found,
  };
}
