/**
 * Terminals: pseudo-terminals, settings and window sizes, by ioctl(2).
 *
 * @module
 */

import { native } from "../linux/ffi/native.ts";
import { systemCalls } from "../linux/ffi/syscalls.ts";
import type { Kernel } from "../kernel.ts";
import type { Result } from "../result.ts";
import { O_CLOEXEC, O_NOCTTY, O_NONBLOCK, O_RDWR } from "../../uapi/files.ts";
import {
  TCGETS,
  TCSETS,
  TIOCGPTPEER,
  TIOCGWINSZ,
  TIOCSPTLCK,
  TIOCSWINSZ,
} from "../../uapi/terminals.ts";

/**
 * Size of the kernel's `struct termios` in bytes (`asm-generic/termbits.h`): four words, c_line, c_cc[19].
 */
const TERMIOS_SIZE = 36;
/** Size of `struct winsize` in bytes. */
const WINSIZE_SIZE = 8;

/** Opens a pseudo-terminal: a nonblocking master, and a slave owned by `uid`. */
export function openTerminal(
  kernel: Kernel,
  uid: number,
  gid: number,
): readonly [master: number, slave: number] | Result {
  const master = kernel.open("/dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
  if (master < 0) return master;
  const unlocked = withBytes(TIOCSPTLCK, master, new Uint8Array(4));
  const slave = unlocked < 0
    ? unlocked
    : kernel.ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
  const owned = slave < 0 ? slave : native().call(systemCalls.fchown, slave, uid, gid);
  if (owned >= 0) return [master, slave];
  if (slave >= 0) kernel.close(slave);
  kernel.close(master);
  return owned;
}

/**
 * TCGETS: returns a terminal's settings as the bytes of `struct termios`; -ENOTTY for other descriptors.
 */
export function terminalSettings(fd: number): Uint8Array<ArrayBuffer> | Result {
  const settings = new Uint8Array(TERMIOS_SIZE);
  const result = withBytes(TCGETS, fd, settings);
  return result < 0 ? result : settings;
}

/** TCSETS: returns 0 or `-errno`. */
export function setTerminalSettings(fd: number, settings: Uint8Array): Result {
  return withBytes(TCSETS, fd, new Uint8Array(settings));
}

/** TIOCGWINSZ and TIOCSWINSZ: copies the window size of one terminal to another. */
export function copyWindowSize(from: number, to: number): Result {
  const size = new Uint8Array(WINSIZE_SIZE);
  const result = withBytes(TIOCGWINSZ, from, size);
  return result < 0 ? result : withBytes(TIOCSWINSZ, to, size);
}

/** ioctl(2) with the address of bytes that the kernel reads and writes. */
function withBytes(request: number, fd: number, bytes: Uint8Array<ArrayBuffer>): Result {
  using frame = native().frame();
  const place = frame.room(bytes.length);
  place.bytes.set(bytes);
  const result = native().call(systemCalls.ioctl, fd, request, place.address);
  bytes.set(place.bytes.subarray(0, bytes.length));
  return result;
}
