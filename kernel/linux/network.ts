/**
 * Netlink, interface names and socket options.
 *
 * @module
 */

import type { Kernel, Result } from "../kernel.ts";
import type { Native } from "./ffi/native.ts";
import { systemCalls as nr } from "./ffi/syscalls.ts";
import {
  AF_INET,
  AF_NETLINK,
  IFNAMSIZ,
  SIOCGIFINDEX,
  SO_RCVTIMEO,
  SOCK_CLOEXEC,
  SOCK_DGRAM,
  SOCK_RAW,
  SOL_NETLINK,
  SOL_SOCKET,
} from "../../uapi/sockets.ts";
import {
  NETLINK_EXT_ACK,
  NLM_F_ACK,
  NLM_F_DUMP,
  NLMSG_DONE,
  NLMSG_ERROR,
} from "../../uapi/netlink.ts";

const HEADER = 16;
const ANSWER_ROOM = 64 * 1024;

/** One request of a netlink family and all its answers, without the closing acknowledgement. */
export function netlink(
  native: Native,
  message: Uint8Array,
  protocol: number = 0,
): ReturnType<Kernel["netlink"]> {
  const refused = (result: Result): ReturnType<Kernel["netlink"]> => ({ result, answers: [] });
  if (message.length < HEADER) return refused(-22);
  const fd = native.call(nr.socket, AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
  if (fd < 0) return refused(fd);
  try {
    using frame = native.frame();
    // The kernel answers before sendto returns; the limit is for a family that never would.
    native.call(nr.setsockopt, fd, SOL_SOCKET, SO_RCVTIMEO, frame.longs([5n, 0n]), 16);
    native.call(nr.setsockopt, fd, SOL_NETLINK, NETLINK_EXT_ACK, frame.words([1]), 4);
    const request = frame.room(message.length);
    request.bytes.set(message);
    const header = new DataView(request.bytes.buffer, request.bytes.byteOffset, HEADER);
    const sequence = 1;
    const flags = header.getUint16(6, true);
    const dump = (flags & NLM_F_DUMP) === NLM_F_DUMP;
    header.setUint32(0, message.length, true);
    header.setUint16(6, dump ? flags : flags | NLM_F_ACK, true);
    header.setUint32(8, sequence, true);
    const sent = native.call(nr.sendto, fd, request.address, message.length, 0, 0, 0);
    if (sent < 0) return refused(sent);
    const room = frame.room(ANSWER_ROOM);
    const answers: Uint8Array<ArrayBuffer>[] = [];
    for (;;) {
      const size = native.call(nr.recvfrom, fd, room.address, ANSWER_ROOM, 0, 0, 0);
      if (size === -4 /* EINTR */) continue;
      if (size < 0) return refused(size);
      const end = takeAnswers(room.bytes.subarray(0, size), sequence, answers);
      if (end !== undefined) return { result: end, answers };
    }
  } finally {
    native.call(nr.close, fd);
  }
}

/**
 * Takes the messages of one datagram apart; the request's outcome when it holds the last of them.
 *
 * @param answers Gets each answer as a copy with its header.
 */
export function takeAnswers(
  bytes: Uint8Array<ArrayBuffer>,
  sequence: number,
  answers: Uint8Array<ArrayBuffer>[],
): Result | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let at = 0; at + HEADER <= bytes.length;) {
    const length = view.getUint32(at, true);
    if (length < HEADER || at + length > bytes.length) return -74; // EBADMSG
    const type = view.getUint16(at + 4, true);
    if (view.getUint32(at + 8, true) === sequence) {
      if (type === NLMSG_ERROR || type === NLMSG_DONE) {
        const code = length >= HEADER + 4 ? view.getInt32(at + HEADER, true) : 0;
        return type === NLMSG_DONE && code > 0 ? 0 : code;
      }
      answers.push(bytes.slice(at, at + length));
    }
    at += (length + 3) & ~3;
  }
  return undefined;
}

/** if_nametoindex(3), as libc does it: an ioctl on any socket. */
export function interfaceIndex(native: Native, name: string): Result {
  const bytes = new TextEncoder().encode(name);
  if (bytes.length === 0 || bytes.length >= IFNAMSIZ) return -19; // ENODEV
  const fd = native.call(nr.socket, AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return fd;
  try {
    using frame = native.frame();
    const room = frame.room(40);
    room.bytes.set(bytes);
    const result = native.call(nr.ioctl, fd, SIOCGIFINDEX, room.address);
    if (result < 0) return result;
    return new DataView(room.bytes.buffer, room.bytes.byteOffset, 40).getInt32(IFNAMSIZ, true);
  } finally {
    native.call(nr.close, fd);
  }
}

/** setsockopt(SOL_SOCKET, option, int). */
export function setSocketOption(
  native: Native,
  fd: number,
  option: number,
  value: number,
): Result {
  using frame = native.frame();
  return native.call(nr.setsockopt, fd, SOL_SOCKET, option, frame.words([value]), 4);
}
