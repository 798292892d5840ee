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
import { getNumber, getSigned, setField, viewOf } from "../../uapi/fields.ts";
import { systemStructs, systemStructSizes } from "../../uapi/system_layouts.ts";
import { Errno, failed } from "../../uapi/errno.ts";

const HEADER = systemStructSizes.nlmsghdr;
const header = systemStructs.nlmsghdr;
const ANSWER_ROOM = 64 * 1024;

/** Sends one request to a netlink family and returns its answers without the final acknowledgement. */
export function netlink(
  native: Native,
  message: Uint8Array,
  protocol: number = 0,
): ReturnType<Kernel["netlink"]> {
  const refused = (result: Result): ReturnType<Kernel["netlink"]> => ({ result, answers: [] });
  if (message.length < HEADER) return refused(-Errno.EINVAL);
  const fd = native.call(nr.socket, AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
  if (fd < 0) return refused(fd);
  try {
    using frame = native.frame();
    // The kernel answers before sendto(2) returns; the timeout covers a family that never answers.
    native.call(nr.setsockopt, fd, SOL_SOCKET, SO_RCVTIMEO, frame.longs([5n, 0n]), 16);
    native.call(nr.setsockopt, fd, SOL_NETLINK, NETLINK_EXT_ACK, frame.words([1]), 4);
    const request = frame.room(message.length);
    request.bytes.set(message);
    const view = viewOf(request.bytes);
    const sequence = 1;
    const flags = getNumber(view, header.nlmsg_flags);
    const dump = (flags & NLM_F_DUMP) === NLM_F_DUMP;
    setField(view, header.nlmsg_len, message.length);
    setField(view, header.nlmsg_flags, dump ? flags : flags | NLM_F_ACK);
    setField(view, header.nlmsg_seq, sequence);
    const sent = native.call(nr.sendto, fd, request.address, message.length, 0, 0, 0);
    if (sent < 0) return refused(sent);
    const room = frame.room(ANSWER_ROOM);
    const answers: Uint8Array<ArrayBuffer>[] = [];
    for (;;) {
      const size = native.call(nr.recvfrom, fd, room.address, ANSWER_ROOM, 0, 0, 0);
      if (failed(size, Errno.EINTR)) continue;
      if (size < 0) return refused(size);
      const end = takeAnswers(room.bytes.subarray(0, size), sequence, answers);
      if (end !== undefined) return { result: end, answers };
    }
  } finally {
    native.call(nr.close, fd);
  }
}

/**
 * Splits a datagram into messages. Returns the request's outcome when the datagram holds its last message.
 *
 * @param answers Receives each answer as a copy with its header.
 */
export function takeAnswers(
  bytes: Uint8Array<ArrayBuffer>,
  sequence: number,
  answers: Uint8Array<ArrayBuffer>[],
): Result | undefined {
  for (let at = 0; at + HEADER <= bytes.length;) {
    const view = viewOf(bytes.subarray(at));
    const length = getNumber(view, header.nlmsg_len);
    if (length < HEADER || at + length > bytes.length) return -Errno.EBADMSG;
    const type = getNumber(view, header.nlmsg_type);
    if (getNumber(view, header.nlmsg_seq) === sequence) {
      if (type === NLMSG_ERROR || type === NLMSG_DONE) {
        const code = length >= HEADER + 4
          ? view.getInt32(HEADER + systemStructs.nlmsgerr.error[0], true)
          : 0;
        return type === NLMSG_DONE && code > 0 ? 0 : code;
      }
      answers.push(bytes.slice(at, at + length));
    }
    at += (length + 3) & ~3;
  }
  return undefined;
}

/** if_nametoindex(3), by ioctl(2) on a socket as libc does it. */
export function interfaceIndex(native: Native, name: string): Result {
  const bytes = new TextEncoder().encode(name);
  if (bytes.length === 0 || bytes.length >= IFNAMSIZ) return -Errno.ENODEV;
  const fd = native.call(nr.socket, AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return fd;
  try {
    using frame = native.frame();
    const room = frame.room(systemStructSizes.ifreq);
    room.bytes.set(bytes);
    const result = native.call(nr.ioctl, fd, SIOCGIFINDEX, room.address);
    if (result < 0) return result;
    return getSigned(viewOf(room.bytes), systemStructs.ifreq.ifr_ifru_ifru_ivalue);
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
