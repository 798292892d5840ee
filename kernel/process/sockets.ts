/**
 * AF_UNIX SOCK_SEQPACKET sockets, which pass file descriptors between processes.
 *
 * A message arrives whole or not at all, with up to {@linkcode MOST_DESCRIPTORS} descriptors. Deno's
 * sockets expose no descriptor and cannot pass any.
 *
 * @module
 */

import { Errno, failed } from "../../uapi/errno.ts";
import type { Kernel } from "../kernel.ts";
import type { Message, PeerCredentials } from "../processes.ts";
import type { Result } from "../result.ts";
import { native } from "../linux/ffi/native.ts";
import { systemCalls } from "../linux/ffi/syscalls.ts";
import {
  AF_UNIX,
  MSG_CMSG_CLOEXEC,
  MSG_CTRUNC,
  MSG_DONTWAIT,
  MSG_NOSIGNAL,
  MSG_TRUNC,
  SCM_RIGHTS,
  SO_ACCEPTCONN,
  SO_DOMAIN,
  SO_PEERCRED,
  SO_PEERPIDFD,
  SO_TYPE,
  SOCK_CLOEXEC,
  SOCK_DGRAM,
  SOCK_NONBLOCK,
  SOCK_SEQPACKET,
  SOL_SOCKET,
} from "../../uapi/sockets.ts";
import { AT_FDCWD, F_GETFL, F_SETFD, F_SETFL, FD_CLOEXEC, O_NONBLOCK } from "../../uapi/files.ts";
import { getNumber, getSigned, setField, viewOf } from "../../uapi/fields.ts";
import { systemStructs, systemStructSizes } from "../../uapi/system_layouts.ts";

const MSGHDR_SIZE = systemStructSizes.user_msghdr;
const CMSG_HEADER = systemStructSizes.cmsghdr;
const { user_msghdr: message, cmsghdr } = systemStructs;

/** Length of the accept queue; net.core.somaxconn limits it. */
const BACKLOG = 4096;

/** Maximum number of descriptors of a message (SCM_MAX_FD). */
const MOST_DESCRIPTORS = 253;

/** socketpair(2): returns two connected close-on-exec sockets, or `-errno`. */
export function socketPair(): readonly [number, number] | Result {
  using frame = native().frame();
  const pair = frame.room(8);
  const type = SOCK_SEQPACKET | SOCK_CLOEXEC;
  const result = native().call(systemCalls.socketpair, AF_UNIX, type, 0, pair.address);
  if (result < 0) return result;
  const view = new DataView(pair.bytes.buffer, pair.bytes.byteOffset, 8);
  return [view.getInt32(0, true), view.getInt32(4, true)];
}

/**
 * Sends one message with descriptors; returns the number of bytes or `-errno`. Never blocks, never raises
 * SIGPIPE.
 */
export function sendMessage(
  socket: number,
  bytes: Uint8Array,
  descriptors: readonly number[] = [],
): Result {
  using frame = native().frame();
  const control = descriptors.length === 0
    ? undefined
    : frame.room(CMSG_HEADER + ((descriptors.length * 4 + 7) & ~7));
  if (control !== undefined) {
    const view = viewOf(control.bytes);
    setField(view, cmsghdr.cmsg_len, CMSG_HEADER + descriptors.length * 4);
    setField(view, cmsghdr.cmsg_level, SOL_SOCKET);
    setField(view, cmsghdr.cmsg_type, SCM_RIGHTS);
    descriptors.forEach((fd, index) => view.setInt32(CMSG_HEADER + index * 4, fd, true));
  }
  const vector = frame.longs([BigInt(frame.bytes(bytes)), BigInt(bytes.length)]);
  const header = messageHeader(vector, control?.address ?? 0, control?.bytes.length ?? 0);
  return native().call(
    systemCalls.sendmsg,
    socket,
    frame.bytes(header),
    MSG_DONTWAIT | MSG_NOSIGNAL,
  );
}

/**
 * Receives one message of at most `size` bytes without waiting: -EAGAIN when there is none; an empty
 * message when the peer has closed.
 */
export function receiveMessage(socket: number, size: number): Message | Result {
  using frame = native().frame();
  const data = frame.room(size);
  const control = frame.room(CMSG_HEADER + MOST_DESCRIPTORS * 4 + 4);
  const vector = frame.longs([BigInt(data.address), BigInt(size)]);
  const header = frame.room(MSGHDR_SIZE);
  header.bytes.set(messageHeader(vector, control.address, control.bytes.length));
  const result = native().call(
    systemCalls.recvmsg,
    socket,
    header.address,
    MSG_DONTWAIT | MSG_CMSG_CLOEXEC,
  );
  if (result < 0) return result;
  const view = viewOf(header.bytes);
  const controlLength = getNumber(view, message.msg_controllen);
  const flags = getNumber(view, message.msg_flags);
  return {
    bytes: data.bytes.slice(0, result),
    descriptors: descriptorsOf(control.bytes.subarray(0, controlLength)),
    truncated: (flags & (MSG_TRUNC | MSG_CTRUNC)) !== 0,
  };
}

/**
 * Receives a message, waiting up to `timeout` milliseconds (without limit when omitted); -ETIMEDOUT after
 * that.
 */
export async function receiveWithin(
  kernel: Kernel,
  socket: number,
  size: number,
  timeout?: number,
): Promise<Message | Result> {
  const end = timeout === undefined ? undefined : performance.now() + timeout;
  for (;;) {
    const message = receiveMessage(socket, size);
    if (!failed(message, Errno.EAGAIN, Errno.EINTR)) return message;
    const left = end === undefined ? undefined : Math.max(0, end - performance.now());
    const ready = await kernel.poller.wait(socket, { timeout: left });
    if (!ready) return -Errno.ETIMEDOUT;
  }
}

/** Listens at a path; returns a nonblocking socket or `-errno`. */
export function listenAt(path: string, backlog: number = BACKLOG): Result {
  const socket = openSocket(SOCK_NONBLOCK);
  if (socket < 0) return socket;
  const bound = addressed(systemCalls.bind, socket, path);
  const result = bound < 0 ? bound : native().call(systemCalls.listen, socket, backlog);
  if (result >= 0) return socket;
  native().call(systemCalls.close, socket);
  return result;
}

/** Takes ownership of an inherited listening socket; -EINVAL unless it is AF_UNIX and SOCK_SEQPACKET. */
export function adoptSocket(fd: number): Result {
  const wanted = [[SO_DOMAIN, AF_UNIX], [SO_TYPE, SOCK_SEQPACKET], [SO_ACCEPTCONN, 1]] as const;
  for (const [name, expected] of wanted) {
    using frame = native().frame();
    const value = frame.room(4);
    const result = option(fd, name, value.address, 4);
    if (result < 0) return result;
    const answer = new DataView(value.bytes.buffer, value.bytes.byteOffset).getInt32(0, true);
    if (answer !== expected) return -Errno.EINVAL;
  }
  const { fcntl } = systemCalls;
  const closed = native().call(fcntl, fd, F_SETFD, FD_CLOEXEC);
  const flags = closed < 0 ? closed : native().call(fcntl, fd, F_GETFL);
  const result = flags < 0 ? flags : native().call(fcntl, fd, F_SETFL, flags | O_NONBLOCK);
  return result < 0 ? result : fd;
}

/** Sends a datagram to a path or, with a leading `@`, to an abstract address. */
export function notify(path: string, text: string): Result {
  const socket = native().call(systemCalls.socket, AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (socket < 0) return socket;
  const address = socketAddress(path.startsWith("@") ? `\0${path.slice(1)}` : path);
  using frame = native().frame();
  const bytes = new TextEncoder().encode(text);
  const result = typeof address === "number" ? address : native().call(
    systemCalls.sendto,
    socket,
    frame.bytes(bytes),
    bytes.length,
    MSG_DONTWAIT | MSG_NOSIGNAL,
    frame.bytes(address),
    address.length,
  );
  native().call(systemCalls.close, socket);
  return result;
}

/** Accepts the next connection; -EAGAIN when there is none. */
export function acceptConnection(socket: number): Result {
  return native().call(systemCalls.accept4, socket, 0, 0, SOCK_CLOEXEC | SOCK_NONBLOCK);
}

/** Connects to a path; returns the socket or `-errno` (-EAGAIN when the accept queue is full). */
export function connectTo(path: string): Result {
  const socket = openSocket(SOCK_NONBLOCK);
  if (socket < 0) return socket;
  const result = addressed(systemCalls.connect, socket, path);
  if (result >= 0) return socket;
  native().call(systemCalls.close, socket);
  return result;
}

/**
 * Returns a pidfd of the peer (Linux 6.5) or `-errno`. It keeps referring to that process when the pid is
 * reused.
 */
export function peerProcess(socket: number): Result {
  using frame = native().frame();
  const value = frame.room(4);
  const result = option(socket, SO_PEERPIDFD, value.address, 4);
  return result < 0
    ? result
    : new DataView(value.bytes.buffer, value.bytes.byteOffset).getInt32(0, true);
}

/** Returns the peer's credentials or `-errno`. */
export function peerCredentials(socket: number): PeerCredentials | Result {
  using frame = native().frame();
  const size = systemStructSizes.ucred;
  const value = frame.room(size);
  const result = option(socket, SO_PEERCRED, value.address, size);
  if (result < 0) return result;
  const view = viewOf(value.bytes);
  return {
    pid: getSigned(view, systemStructs.ucred.pid),
    uid: getNumber(view, systemStructs.ucred.uid),
    gid: getNumber(view, systemStructs.ucred.gid),
  };
}

function openSocket(flags: number): Result {
  return native().call(systemCalls.socket, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | flags, 0);
}

/** Makes a system call that takes a sockaddr_un. */
function addressed(call: number, socket: number, path: string): Result {
  const address = socketAddress(path);
  if (typeof address === "number") return address;
  using frame = native().frame();
  return native().call(call, socket, frame.bytes(address), address.length);
}

/** Returns a `struct sockaddr_un`; an abstract address begins with NUL and has no terminator. */
function socketAddress(path: string): Uint8Array<ArrayBuffer> | Result {
  const text = new TextEncoder().encode(path);
  const { sun_family, sun_path } = systemStructs.sockaddr_un;
  if (text.length >= sun_path[1]) return -Errno.ENAMETOOLONG;
  const address = new Uint8Array(sun_path[0] + text.length + (text[0] === 0 ? 0 : 1));
  setField(viewOf(address), sun_family, AF_UNIX);
  address.set(text, sun_path[0]);
  return address;
}

function option(socket: number, name: number, address: number, size: number): Result {
  using frame = native().frame();
  return native().call(
    systemCalls.getsockopt,
    socket,
    SOL_SOCKET,
    name,
    address,
    frame.words([size]),
  );
}

function messageHeader(vector: number, control: number, controlLength: number): Uint8Array {
  const bytes = new Uint8Array(MSGHDR_SIZE);
  const view = viewOf(bytes);
  setField(view, message.msg_iov, vector);
  setField(view, message.msg_iovlen, 1);
  setField(view, message.msg_control, control);
  setField(view, message.msg_controllen, controlLength);
  return bytes;
}

/** Returns all descriptors in the control data; other messages in it are skipped. */
function descriptorsOf(control: Uint8Array): number[] {
  const descriptors: number[] = [];
  let at = 0;
  while (at + CMSG_HEADER <= control.length) {
    const view = viewOf(control.subarray(at));
    const length = getNumber(view, cmsghdr.cmsg_len);
    if (length < CMSG_HEADER) break;
    const isRights = getNumber(view, cmsghdr.cmsg_level) === SOL_SOCKET &&
      getNumber(view, cmsghdr.cmsg_type) === SCM_RIGHTS;
    const end = Math.min(length, control.length - at);
    for (let fd = CMSG_HEADER; isRights && fd + 4 <= end; fd += 4) {
      descriptors.push(view.getInt32(fd, true));
    }
    at += (length + 7) & ~7;
  }
  return descriptors;
}

/** chmod(2): returns 0 or `-errno`. Connecting to a socket needs write permission on its path. */
export function setMode(path: string, mode: number): Result {
  using frame = native().frame();
  return native().call(systemCalls.fchmodat, AT_FDCWD, frame.text(path), mode);
}
