/**
 * Maps memory of descriptors: memory that the kernel shares is mapped, memory whose access could kill the
 * process is copied.
 *
 * Three accesses through a view raise a signal: a write to read-only pages (SIGSEGV), a read past the end
 * of a file, which may be truncated later (SIGBUS), and a fault in an arena with BPF_F_SEGV_ON_FAULT.
 *
 * @module
 */

import { wholeNumber } from "../arguments.ts";
import type { Kernel, Result } from "../kernel.ts";
import { Mapping } from "../mapping.ts";
import { ReadOnlyMapping } from "../read_only_mapping.ts";
import { BPF_F_SEGV_ON_FAULT } from "../../uapi/bpf_flags.ts";
import { MapType } from "../../uapi/enums.ts";
import { Errno, failed } from "../../uapi/errno.ts";
import { AT_EMPTY_PATH, S_IFMT, S_IFREG, STATX_BASIC_STATS } from "../../uapi/files.ts";
import type { Native } from "./ffi/native.ts";
import { systemCalls as nr } from "./ffi/syscalls.ts";
import { mapShape } from "./objects.ts";
import { getNumber, viewOf } from "../../uapi/fields.ts";
import { systemStructs, systemStructSizes } from "../../uapi/system_layouts.ts";

/** The end of user space on machines with 47 address bits. */
const MOST = 2 ** 47;

/** Options of `Kernel.map`. */
type MapOptions = NonNullable<Parameters<Kernel["map"]>[2]>;

/** Maps a descriptor with mmap(2), or returns a copy of its contents. */
export function mapFile(
  native: Native,
  fd: number,
  size: number,
  options: MapOptions = {},
): Mapping | Result {
  const { offset = 0, writable = false, inPlace = false } = options;
  wholeNumber(size, "the size of a mapping", 1, MOST);
  wholeNumber(offset, "the offset of a mapping", 0, MOST);
  const fileSize = regularFileSize(native, fd);
  if (fileSize !== undefined) {
    if (writable) return -Errno.EACCES;
    if (offset + size > Math.ceil(fileSize / PAGE) * PAGE) return -Errno.EINVAL;
    if (!inPlace) return copyOfFile(native, fd, size, offset);
  } else if (!inPlace && deadlyArena(native, fd)) return -Errno.EFAULT;
  const address = native.map(size, {
    fd,
    writable,
    offset,
    private: options.private ?? false,
    address: options.address,
  });
  if (address < 0) return address;
  if (writable) return mappingAt(native, address, size);
  if (inPlace) return new ReadOnlyMapping(mappingAt(native, address, size));
  const copy = mappingAt(native, native.pages(size), size);
  copy.u8.set(new Uint8Array(native.buffer(address, size)));
  native.unmap(address, size);
  return copy;
}

/** The smallest page size; a file's last page is rounded up to it. */
const PAGE = 4096;

/** Returns the size of a regular file in bytes; undefined for maps, perf events and other files. */
function regularFileSize(native: Native, fd: number): number | undefined {
  using frame = native.frame();
  const room = frame.room(systemStructSizes.statx);
  const result = native.call(
    nr.statx,
    fd,
    frame.text(""),
    AT_EMPTY_PATH,
    STATX_BASIC_STATS,
    room.address,
  );
  if (result < 0) return undefined;
  const view = viewOf(room.bytes);
  const { stx_mode, stx_size } = systemStructs.statx;
  if ((getNumber(view, stx_mode) & S_IFMT) !== S_IFREG) return undefined;
  return getNumber(view, stx_size);
}

function deadlyArena(native: Native, fd: number): boolean {
  const shape = mapShape(native, fd);
  return typeof shape !== "number" && shape.type === MapType.arena &&
    (shape.flags & BPF_F_SEGV_ON_FAULT) !== 0;
}

/** Reads the bytes of a file; truncating the file later does not change them. */
function copyOfFile(native: Native, fd: number, size: number, offset: number): Mapping | Result {
  const address = native.pages(size);
  const copy = mappingAt(native, address, size);
  for (let done = 0; done < size;) {
    const result = native.call(nr.pread64, fd, address + done, size - done, offset + done);
    if (failed(result, Errno.EINTR)) continue;
    if (result < 0) {
      copy[Symbol.dispose]();
      return result;
    }
    if (result === 0) break;
    done += result;
  }
  return copy;
}

function mappingAt(native: Native, address: number, size: number): Mapping {
  return new Mapping(
    native.buffer(address, size),
    address,
    (given) => given ? native.blank(address, size) : native.unmap(address, size),
  );
}
