/**
 * Files and descriptors by system calls.
 *
 * Deno's file functions refuse /sys and /proc unless all permissions are granted; these need `--allow-ffi`
 * only.
 *
 * @module
 */

import { descriptorNumber, wholeNumber } from "../arguments.ts";
import { textUpToNul } from "./ffi/attributes.ts";
import type { BytesResult, Kernel, Result } from "../kernel.ts";
import type { Native } from "./ffi/native.ts";
import { systemCalls as nr } from "./ffi/syscalls.ts";
import {
  AT_EMPTY_PATH,
  AT_FDCWD,
  AT_REMOVEDIR,
  F_DUPFD_CLOEXEC,
  O_CLOEXEC,
  PATH_MAX,
  STATX_BASIC_STATS,
} from "../../uapi/files.ts";
import { architectures } from "../../uapi/architecture.ts";
import { getLong, getNumber, viewOf } from "../../uapi/fields.ts";
import { systemStructs, systemStructSizes } from "../../uapi/system_layouts.ts";
import { Errno, failed } from "../../uapi/errno.ts";

const EMPTY: Uint8Array<ArrayBuffer> = new Uint8Array(0);
const { O_DIRECTORY } = architectures[Deno.build.arch];

/** open(2) with O_CLOEXEC. */
export function open(native: Native, path: string, flags: number = 0, directory?: number): Result {
  using frame = native.frame();
  return native.call(
    nr.openat,
    directory === undefined ? AT_FDCWD : descriptorNumber(directory),
    frame.text(path),
    wholeNumber(flags, "the flags of open()") | O_CLOEXEC,
    0o600,
  );
}

/** fcntl(F_DUPFD_CLOEXEC). */
export function dup(native: Native, fd: number): Result {
  return native.call(nr.fcntl, fd, F_DUPFD_CLOEXEC, 0);
}

/** read(2). */
export function read(native: Native, fd: number, size: number): BytesResult {
  using frame = native.frame();
  const room = frame.room(size);
  let result: number;
  do result = native.call(nr.read, fd, room.address, size); while (failed(result, Errno.EINTR));
  return result < 0 ? { result, bytes: EMPTY } : { result: 0, bytes: room.bytes.slice(0, result) };
}

/** write(2). */
export function write(native: Native, fd: number, bytes: Uint8Array): Result {
  using frame = native.frame();
  return native.call(nr.write, fd, frame.bytes(bytes), bytes.length);
}

const CHUNK = 64 * 1024;

/** Reads a whole file. Files of /proc and /sys report a size of 0, so it reads until the end. */
export function readFile(native: Native, path: string, limit: number = 256 << 20): BytesResult {
  const fd = open(native, path);
  if (fd < 0) return { result: fd, bytes: EMPTY };
  try {
    using frame = native.frame();
    const parts: Uint8Array<ArrayBuffer>[] = [];
    let size = 0;
    // The buffer grows so that a file of megabytes takes a dozen reads; files of /proc are small.
    let room = frame.room(Math.min(CHUNK / 4, Math.max(limit, 1)));
    while (size < limit) {
      const ask = Math.min(room.bytes.length, limit - size);
      const count = native.call(nr.read, fd, room.address, ask);
      if (failed(count, Errno.EINTR)) continue;
      if (count < 0) return { result: count, bytes: EMPTY };
      if (count === 0) break;
      parts.push(room.bytes.slice(0, count));
      size += count;
      if (count === room.bytes.length && count < 8 << 20) room = frame.room(count * 4);
    }
    if (parts.length === 1) return { result: 0, bytes: parts[0] as Uint8Array<ArrayBuffer> };
    const bytes = new Uint8Array(size);
    let at = 0;
    for (const part of parts) {
      bytes.set(part, at);
      at += part.length;
    }
    return { result: 0, bytes };
  } finally {
    native.call(nr.close, fd);
  }
}

/** Lists the names in a directory with getdents64(2). */
export function readDirectory(native: Native, path: string): readonly string[] | undefined {
  const fd = open(native, path, O_DIRECTORY);
  if (fd < 0) return undefined;
  try {
    using frame = native.frame();
    const room = frame.room(32 * 1024);
    const view = viewOf(room.bytes);
    const [length] = systemStructs.linux_dirent64.d_reclen;
    const [name] = systemStructs.linux_dirent64.d_name;
    const names: string[] = [];
    for (;;) {
      const count = native.call(nr.getdents64, fd, room.address, room.bytes.length);
      if (count < 0) return undefined;
      if (count === 0) return names;
      for (let at = 0; at < count; at += view.getUint16(at + length, true)) {
        const end = at + view.getUint16(at + length, true);
        const text = textUpToNul(room.bytes.subarray(at + name, end));
        if (text !== "." && text !== "..") names.push(text);
      }
    }
  } finally {
    native.call(nr.close, fd);
  }
}

/** readlink(2). */
export function readLink(native: Native, path: string): string | undefined {
  using frame = native.frame();
  const room = frame.room(PATH_MAX);
  const size = native.call(
    nr.readlinkat,
    AT_FDCWD,
    frame.text(path),
    room.address,
    room.bytes.length,
  );
  return size < 0 ? undefined : new TextDecoder().decode(room.bytes.slice(0, size));
}

/** statx(2), whose layout is the same on every architecture. */
export function stat(native: Native, pathOrFd: string | number): ReturnType<Kernel["stat"]> {
  using frame = native.frame();
  const room = frame.room(systemStructSizes.statx);
  const path = typeof pathOrFd === "string";
  const result = native.call(
    nr.statx,
    path ? AT_FDCWD : descriptorNumber(pathOrFd),
    frame.text(path ? pathOrFd : ""),
    path ? 0 : AT_EMPTY_PATH,
    STATX_BASIC_STATS,
    room.address,
  );
  if (result < 0) return { result, device: 0n, inode: 0n, mode: 0, uid: 0 };
  const view = viewOf(room.bytes);
  const field = systemStructs.statx;
  const major = BigInt(getNumber(view, field.stx_dev_major));
  const minor = BigInt(getNumber(view, field.stx_dev_minor));
  return {
    result: 0,
    // glibc's makedev: the encoding of st_dev, which the kernel compares.
    device: (minor & 0xffn) | ((major & 0xfffn) << 8n) | ((minor & ~0xffn) << 12n) |
      ((major & ~0xfffn) << 32n),
    inode: getLong(view, field.stx_ino),
    mode: getNumber(view, field.stx_mode),
    uid: getNumber(view, field.stx_uid),
  };
}

/** statfs(2)'s f_type. */
export function filesystemType(native: Native, pathOrFd: string | number): number {
  using frame = native.frame();
  const room = frame.room(systemStructSizes.statfs);
  const result = typeof pathOrFd === "string"
    ? native.call(nr.statfs, frame.text(pathOrFd), room.address)
    : native.call(nr.fstatfs, descriptorNumber(pathOrFd), room.address);
  if (result < 0) return result;
  // f_type has 64 bits, of which file system magics use 32.
  return viewOf(room.bytes).getUint32(systemStructs.statfs.f_type[0], true);
}

/** mkdir(2). */
export function makeDirectory(native: Native, path: string, mode: number = 0o700): Result {
  using frame = native.frame();
  return native.call(nr.mkdirat, AT_FDCWD, frame.text(path), mode);
}

/** unlink(2), or rmdir(2) for a directory. */
export function unlink(native: Native, path: string): Result {
  using frame = native.frame();
  const name = frame.text(path);
  const result = native.call(nr.unlinkat, AT_FDCWD, name, 0);
  // unlink(2) of a directory: EISDIR, or EPERM on some file systems.
  if (!failed(result, Errno.EISDIR, Errno.EPERM)) return result;
  const removed = native.call(nr.unlinkat, AT_FDCWD, name, AT_REMOVEDIR);
  return failed(removed, Errno.ENOTDIR) ? result : removed;
}
