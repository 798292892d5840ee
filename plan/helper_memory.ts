/**
 * Which program memory each helper reads and writes, and what it returns.
 *
 * Source: the helpers' `bpf_func_proto` in the kernel. `ARG_PTR_TO_MEM` must be initialized before
 * the call, `ARG_PTR_TO_UNINIT_MEM` need not be.
 *
 * @module
 */

import { Helper } from "../uapi/enums.ts";
import { MEMORY, NUMBER, OBJECT, pointer, SOCKET, type Value } from "./value.ts";

/** A memory argument of a helper. */
export interface HelperMemory {
  /** Number of the register that holds the address. */
  readonly address: number;
  /**
   * Size in bytes, the register that holds it, or the key or value size of the map in register 1.
   */
  readonly size: number | { readonly register: number } | "key" | "value";
  /** Whether the helper reads it, so that it must be initialized. */
  readonly reads: boolean;
}

const key = (address: number): HelperMemory => ({ address, size: "key", reads: true });
const value = (address: number): HelperMemory => ({ address, size: "value", reads: true });
const reads = (address: number, register: number): HelperMemory => ({
  address,
  size: { register },
  reads: true,
});
const fixed = (address: number, size: number): HelperMemory => ({ address, size, reads: true });
const writes = (address: number, size: number): HelperMemory => ({ address, size, reads: false });
const fills = (address: number, register: number): HelperMemory => ({
  address,
  size: { register },
  reads: false,
});

const MEMORY_ARGUMENTS: ReadonlyMap<number, readonly HelperMemory[]> = new Map<
  number,
  readonly HelperMemory[]
>([
  [Helper.map_lookup_elem, [key(2)]],
  [Helper.map_lookup_percpu_elem, [key(2)]],
  [Helper.map_update_elem, [key(2), value(3)]],
  [Helper.map_delete_elem, [key(2)]],
  [Helper.map_push_elem, [value(2)]],
  [Helper.map_pop_elem, [{ address: 2, size: "value", reads: false }]],
  [Helper.map_peek_elem, [{ address: 2, size: "value", reads: false }]],
  [Helper.sk_storage_get, [value(3)]],
  [Helper.task_storage_get, [value(3)]],
  [Helper.inode_storage_get, [value(3)]],
  [Helper.cgrp_storage_get, [value(3)]],
  [Helper.sock_map_update, [key(3)]],
  [Helper.sock_hash_update, [key(3)]],
  [Helper.sk_select_reuseport, [key(3)]],
  [Helper.skb_store_bytes, [reads(3, 4)]],
  [Helper.skb_load_bytes, [fills(3, 4)]],
  [Helper.skb_load_bytes_relative, [fills(3, 4)]],
  [Helper.skb_set_tunnel_key, [reads(2, 3)]],
  [Helper.skb_get_tunnel_key, [fills(2, 3)]],
  [Helper.skb_set_tunnel_opt, [reads(2, 3)]],
  [Helper.skb_get_tunnel_opt, [fills(2, 3)]],
  [Helper.skb_get_xfrm_state, [fills(3, 4)]],
  [Helper.csum_diff, [reads(1, 2), reads(3, 4)]],
  [Helper.perf_event_output, [reads(4, 5)]],
  [Helper.ringbuf_output, [reads(2, 3)]],
  [Helper.fib_lookup, [reads(2, 3)]],
  [Helper.setsockopt, [reads(4, 5)]],
  [Helper.getsockopt, [fills(4, 5)]],
  [Helper.bind, [reads(2, 3)]],
  [Helper.sk_lookup_tcp, [reads(2, 3)]],
  [Helper.sk_lookup_udp, [reads(2, 3)]],
  [Helper.skc_lookup_tcp, [reads(2, 3)]],
  [Helper.lwt_push_encap, [reads(3, 4)]],
  [Helper.lwt_seg6_store_bytes, [reads(3, 4)]],
  [Helper.lwt_seg6_action, [reads(3, 4)]],
  [Helper.tcp_check_syncookie, [reads(2, 3), reads(4, 5)]],
  [Helper.tcp_gen_syncookie, [reads(2, 3), reads(4, 5)]],
  [Helper.strtol, [reads(1, 2), writes(4, 8)]],
  [Helper.strtoul, [reads(1, 2), writes(4, 8)]],
  [Helper.strncmp, [reads(1, 2)]],
  [Helper.sysctl_get_name, [fills(2, 3)]],
  [Helper.sysctl_get_current_value, [fills(2, 3)]],
  [Helper.sysctl_get_new_value, [fills(2, 3)]],
  [Helper.sysctl_set_new_value, [reads(2, 3)]],
  [Helper.store_hdr_opt, [reads(2, 3)]],
  [Helper.load_hdr_opt, [reads(2, 3)]],
  [Helper.redirect_neigh, [reads(2, 3)]],
  [Helper.dynptr_from_mem, [writes(4, 16)]],
  [Helper.ringbuf_reserve_dynptr, [writes(4, 16)]],
  [Helper.dynptr_read, [fills(1, 2)]],
  [Helper.dynptr_write, [reads(3, 4)]],
  [Helper.xdp_load_bytes, [fills(3, 4)]],
  [Helper.xdp_store_bytes, [reads(3, 4)]],
  [Helper.check_mtu, [fixed(3, 4)]],
  [Helper.trace_printk, [reads(1, 2)]],
  [Helper.skb_output, [reads(4, 5)]],
  [Helper.xdp_output, [reads(4, 5)]],
  [Helper.get_current_comm, [fills(1, 2)]],
  [Helper.get_ns_current_pid_tgid, [fills(3, 4)]],
  [Helper.get_stack, [fills(2, 3)]],
  [Helper.perf_event_read_value, [fills(3, 4)]],
  [Helper.probe_read_kernel, [fills(1, 2)]],
  [Helper.probe_read_user, [fills(1, 2)]],
  [Helper.probe_read, [fills(1, 2)]],
  [Helper.probe_read_kernel_str, [fills(1, 2)]],
  [Helper.probe_read_user_str, [fills(1, 2)]],
  [Helper.probe_read_str, [fills(1, 2)]],
  [Helper.copy_from_user, [fills(1, 2)]],
  [Helper.kallsyms_lookup_name, [reads(1, 2), writes(4, 8)]],
  [Helper.btf_find_by_name_kind, [reads(1, 2)]],
  [Helper.sys_bpf, [reads(2, 3)]],
  // These pass a stack address through to their callback.
  [Helper.loop, []],
  [Helper.for_each_map_elem, []],
  [Helper.user_ringbuf_drain, []],
]);

/** Returns the memory arguments of a helper; undefined when none are known. */
export function helperMemory(helper: number): readonly HelperMemory[] | undefined {
  return MEMORY_ARGUMENTS.get(helper);
}

const SOCKET_RESULTS: ReadonlySet<number> = new Set([
  Helper.sk_lookup_tcp,
  Helper.sk_lookup_udp,
  Helper.skc_lookup_tcp,
  Helper.sk_fullsock,
  Helper.tcp_sock,
  Helper.get_listener_sock,
]);
const OBJECT_RESULTS: ReadonlySet<number> = new Set([
  Helper.skc_to_tcp6_sock,
  Helper.skc_to_tcp_sock,
  Helper.skc_to_tcp_timewait_sock,
  Helper.skc_to_tcp_request_sock,
  Helper.skc_to_udp6_sock,
  Helper.skc_to_unix_sock,
  Helper.skc_to_mptcp_sock,
  Helper.sock_from_file,
  Helper.get_current_task_btf,
  Helper.task_pt_regs,
  Helper.kptr_xchg,
]);
const VALUE_RESULTS: ReadonlySet<number> = new Set([
  Helper.map_lookup_elem,
  Helper.map_lookup_percpu_elem,
  Helper.sk_storage_get,
  Helper.task_storage_get,
  Helper.inode_storage_get,
  Helper.cgrp_storage_get,
]);

/** Returns the result of a helper; `map` is register 1, and `id` distinguishes calls. */
export function helperResult(helper: number, map: Value, id: number): Value {
  if (VALUE_RESULTS.has(helper)) {
    const inner = map.map?.inner;
    if (inner !== undefined) return pointer("map", { map: inner, nullable: id });
    return map.kind === "map"
      ? pointer("map-value", { map: map.map, nullable: id })
      : pointer("any");
  }
  if (helper === Helper.get_local_storage) return pointer("map-value", { map: map.map });
  if (SOCKET_RESULTS.has(helper)) return { ...SOCKET, nullable: id };
  if (OBJECT_RESULTS.has(helper)) return { ...OBJECT, nullable: id };
  if (helper === Helper.ringbuf_reserve || helper === Helper.dynptr_data) {
    return { ...MEMORY, nullable: id };
  }
  if (helper === Helper.per_cpu_ptr || helper === Helper.this_cpu_ptr) return pointer("any");
  return NUMBER;
}

/** Helpers that invalidate packet pointers (`bpf_helper_changes_pkt_data`). */
const PACKET_CHANGERS: ReadonlySet<number> = new Set([
  Helper.skb_vlan_push,
  Helper.skb_vlan_pop,
  Helper.skb_store_bytes,
  Helper.skb_change_proto,
  Helper.skb_change_head,
  Helper.skb_change_tail,
  Helper.skb_adjust_room,
  Helper.skb_pull_data,
  Helper.clone_redirect,
  Helper.l3_csum_replace,
  Helper.l4_csum_replace,
  Helper.xdp_adjust_head,
  Helper.xdp_adjust_meta,
  Helper.xdp_adjust_tail,
  Helper.msg_pull_data,
  Helper.msg_push_data,
  Helper.msg_pop_data,
  Helper.lwt_push_encap,
  Helper.lwt_seg6_store_bytes,
  Helper.lwt_seg6_adjust_srh,
  Helper.lwt_seg6_action,
  Helper.store_hdr_opt,
  Helper.reserve_hdr_opt,
]);

/** Returns whether a helper invalidates packet pointers. */
export function changesPacket(helper: number): boolean {
  return PACKET_CHANGERS.has(helper);
}
