/**
 * Fields of each program type's context that hold pointers.
 *
 * @module
 */

import type { ProgramTypeName } from "../uapi/enums.ts";
import {
  NUMBER,
  OBJECT,
  PACKET,
  PACKET_END,
  PACKET_META,
  pointer,
  range,
  SOCKET,
  type Value,
} from "./value.ts";

/** Pointer fields of a context by offset in bytes, as in linux/bpf.h. */
type Fields = { readonly [offset: number]: Value };

const SOCKET_OR_NULL: Value = { ...SOCKET, nullable: -1 };

/** `struct __sk_buff`. */
const SK_BUFF: Fields = {
  76: PACKET,
  80: PACKET_END,
  140: PACKET_META,
  144: pointer("flow-keys"),
  168: SOCKET_OR_NULL,
};

const FIELDS: { readonly [type in ProgramTypeName]?: Fields } = {
  socket_filter: SK_BUFF,
  sched_cls: SK_BUFF,
  sched_act: SK_BUFF,
  cgroup_skb: SK_BUFF,
  lwt_in: SK_BUFF,
  lwt_out: SK_BUFF,
  lwt_xmit: SK_BUFF,
  lwt_seg6local: SK_BUFF,
  sk_skb: SK_BUFF,
  flow_dissector: SK_BUFF,
  xdp: { 0: PACKET, 4: PACKET_END, 8: PACKET_META },
  sk_msg: { 0: PACKET, 8: PACKET_END, 72: SOCKET },
  sk_reuseport: { 0: PACKET, 8: PACKET_END, 40: SOCKET, 48: SOCKET_OR_NULL },
  sock_ops: { 184: SOCKET_OR_NULL, 192: PACKET, 200: PACKET_END },
  cgroup_sock_addr: { 64: SOCKET },
  cgroup_sockopt: { 0: SOCKET, 8: PACKET, 16: PACKET_END },
  sk_lookup: { 0: SOCKET_OR_NULL },
  netfilter: { 0: OBJECT, 8: OBJECT },
};

/** Returns the value of a load of `size` bytes from a context. */
export function contextField(type: ProgramTypeName, offset: number, size: number): Value {
  return FIELDS[type]?.[offset] ?? bytesOf(size);
}

/** Returns an unknown number of `size` bytes. */
export function bytesOf(size: number): Value {
  return size < 8 ? range(0, 2 ** (8 * size) - 1) : NUMBER;
}
