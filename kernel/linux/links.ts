/**
 * Attach commands on Linux: links, raw tracepoints, BPF_PROG_ATTACH, iterators, statistics and tokens.
 *
 * @module
 */

import { Command } from "../../uapi/enums.ts";
import type { Attributes } from "./ffi/attributes.ts";
import type { LinkCreate, ProgramAttach, ProgramQuery, Result } from "../kernel.ts";
import type { Frame } from "./ffi/memory.ts";
import type { Native } from "./ffi/native.ts";
import { attributes } from "../../uapi/layouts.ts";
import { BPF_F_REPLACE } from "../../uapi/bpf_flags.ts";
import { Errno, failed } from "../../uapi/errno.ts";

/** BPF_LINK_CREATE. */
export function linkCreate(native: Native, link: LinkCreate): Result {
  using frame = native.frame();
  const attr = native.attributes.begin().set(field.prog_fd, link.programFd)
    .set(field.target_fd, link.target).set(field.attach_type, link.attachType)
    .set(field.flags, link.flags);
  if (link.extra !== undefined) fillExtra(attr, link.extra, frame, link.flags ?? 0);
  return attr.command(Command.link_create);
}

type Extra = NonNullable<LinkCreate["extra"]>;

/** Writes the `link_create` fields of one kind. */
type Fill<E extends Extra> = (attr: Attributes, extra: E, frame: Frame, flags: number) => void;

const field = attributes.link_create;

const fills: { readonly [Kind in Extra["kind"]]: Fill<Extra & { readonly kind: Kind }> } = {
  iter: (attr, { info }, frame) => {
    attr.set(field.iter_info, frame.bytes(info)).set(field.iter_info_len, info.length);
  },
  perf: (attr, { cookie }) => {
    attr.set(field.perf_event_bpf_cookie, cookie);
  },
  "kprobe-multi": (attr, { flags, symbols, addresses, cookies }, frame) => {
    attr.set(field.kprobe_multi_flags, flags)
      .set(field.kprobe_multi_cnt, symbols?.length ?? addresses?.length ?? 0);
    if (symbols !== undefined) {
      const names = symbols.map((name) => BigInt(frame.text(name)));
      attr.set(field.kprobe_multi_syms, frame.longs(names));
    } else if (addresses !== undefined) {
      attr.set(field.kprobe_multi_addrs, frame.longs(addresses));
    }
    if (cookies !== undefined) attr.set(field.kprobe_multi_cookies, frame.longs(cookies));
  },
  "uprobe-multi": (attr, extra, frame) => {
    const { referenceCounterOffsets, cookies } = extra;
    attr.set(field.uprobe_multi_flags, extra.flags)
      .set(field.uprobe_multi_path, frame.text(extra.path))
      .set(field.uprobe_multi_cnt, extra.offsets.length)
      .set(field.uprobe_multi_offsets, frame.longs(extra.offsets))
      .set(field.uprobe_multi_pid, extra.pid);
    if (referenceCounterOffsets !== undefined) {
      attr.set(field.uprobe_multi_ref_ctr_offsets, frame.longs(referenceCounterOffsets));
    }
    if (cookies !== undefined) attr.set(field.uprobe_multi_cookies, frame.longs(cookies));
  },
  tracing: (attr, { targetBtfId, cookie }) => {
    attr.set(field.tracing_target_btf_id, targetBtfId).set(field.tracing_cookie, cookie);
  },
  netfilter: (attr, { protocolFamily, hook, priority, flags }) => {
    attr.set(field.netfilter_pf, protocolFamily).set(field.netfilter_hooknum, hook)
      .setSigned(field.netfilter_priority, priority).set(field.netfilter_flags, flags);
  },
  // tcx, netkit and cgroup links have the same layout.
  anchor: (attr, { anchor }, _frame, flags) => {
    attr.set(field.flags, flags | anchor.flags)
      .set(field.tcx_relative_fd, anchor.relative)
      .set(field.tcx_expected_revision, anchor.expectedRevision);
  },
};

function fillExtra<Kind extends Extra["kind"]>(
  attr: Attributes,
  extra: Extra & { readonly kind: Kind },
  frame: Frame,
  flags: number,
): void {
  const fill: Fill<Extra & { readonly kind: Kind }> = fills[extra.kind];
  fill(attr, extra, frame, flags);
}

/** BPF_LINK_UPDATE. */
export function linkUpdate(native: Native, linkFd: number, newFd: number, oldFd?: number): Result {
  const field = attributes.link_update;
  return native.attributes.begin().set(field.link_fd, linkFd).set(field.new_prog_fd, newFd)
    .set(field.flags, oldFd === undefined ? 0 : BPF_F_REPLACE).set(field.old_prog_fd, oldFd)
    .command(Command.link_update);
}

/** BPF_LINK_DETACH. */
export function linkDetach(native: Native, linkFd: number): Result {
  return native.attributes.begin().set(attributes.link_detach.link_fd, linkFd)
    .command(Command.link_detach);
}

/** BPF_RAW_TRACEPOINT_OPEN. */
export function rawTracepointOpen(
  native: Native,
  programFd: number,
  name?: string,
  cookie?: bigint,
): Result {
  using frame = native.frame();
  const field = attributes.raw_tracepoint;
  return native.attributes.begin()
    .set(field.name, name === undefined ? undefined : frame.text(name))
    .set(field.prog_fd, programFd).set(field.cookie, cookie)
    .command(Command.raw_tracepoint_open);
}

/** BPF_PROG_ATTACH and BPF_PROG_DETACH. */
export function programAttach(native: Native, command: number, attach: ProgramAttach): Result {
  const field = attributes.program_attach;
  const { anchor } = attach;
  return native.attributes.begin().set(field.target_fd, attach.target)
    .set(field.attach_bpf_fd, attach.programFd).set(field.attach_type, attach.attachType)
    .set(field.attach_flags, (attach.flags ?? 0) | (anchor?.flags ?? 0))
    .set(field.replace_bpf_fd, attach.replaceProgramFd)
    .set(field.relative_fd, anchor?.relative)
    .set(field.expected_revision, anchor?.expectedRevision).command(command);
}

/** Number of ids that the first query has room for. */
const QUERY_ROOM = 64;

/** BPF_PROG_QUERY; repeated with a larger buffer on ENOSPC. */
export function programQuery(
  native: Native,
  target: number,
  attachType: number,
  flags: number = 0,
): ProgramQuery {
  const field = attributes.query;
  for (let room = QUERY_ROOM;; room *= 4) {
    using frame = native.frame();
    const programs = frame.room(room * 4);
    const links = frame.room(room * 4);
    const ask = (withLinks: boolean): Result =>
      native.attributes.begin().set(field.target_fd, target).set(field.attach_type, attachType)
        .set(field.query_flags, flags).set(field.prog_ids, programs.address)
        .set(field.count, room).set(field.link_ids, withLinks ? links.address : 0)
        .command(Command.prog_query);
    let result = ask(true);
    // Hooks without mprog refuse the field for link ids with EINVAL.
    if (failed(result, Errno.EINVAL)) result = ask(false);
    const attr = native.attributes;
    if (failed(result, Errno.ENOSPC) && room < 1 << 16) continue;
    if (result < 0) {
      return { result, programIds: [], linkIds: [], attachFlags: 0, revision: 0n };
    }
    const count = Math.min(attr.number(field.count), room);
    const ids = (bytes: Uint8Array<ArrayBuffer>): number[] => [
      ...new Uint32Array(bytes.buffer, bytes.byteOffset, count),
    ];
    return {
      result: 0,
      programIds: ids(programs.bytes),
      linkIds: ids(links.bytes),
      attachFlags: attr.number(field.attach_flags),
      revision: attr.long(field.revision),
    };
  }
}

/** BPF_ITER_CREATE. */
export function iteratorCreate(native: Native, linkFd: number): Result {
  return native.attributes.begin().set(attributes.iterator_create.link_fd, linkFd)
    .command(Command.iter_create);
}

/** BPF_ENABLE_STATS. */
export function enableStatistics(native: Native, type: number): Result {
  return native.attributes.begin().set(attributes.enable_statistics.type, type)
    .command(Command.enable_stats);
}

/** BPF_TOKEN_CREATE. */
export function tokenCreate(native: Native, bpffsFd: number): Result {
  return native.attributes.begin().set(attributes.token_create.bpffs_fd, bpffsFd)
    .command(Command.token_create);
}
