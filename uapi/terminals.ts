/**
 * Terminals: ioctl_tty(2) and the flags of struct termios.
 *
 * Names and numbers come from the headers of Linux and libc, and are the same on x86-64 and aarch64.
 *
 * Written by `deno task generate --headers FOLDER`. Do not edit.
 *
 * @module
 */

/** `asm/ioctls.h`. */
export const TCGETS = 21505;
/** `asm/ioctls.h`. */
export const TCSETS = 21506;
/** `asm/ioctls.h`. */
export const TIOCSCTTY = 21518;
/** `asm/ioctls.h`. */
export const TIOCGWINSZ = 21523;
/** `asm/ioctls.h`. */
export const TIOCSWINSZ = 21524;
/** `asm/ioctls.h`. */
export const TIOCGPTPEER = 21569;
/** `asm/ioctls.h`. */
export const TIOCSPTLCK = 0x40045431;
/** `asm/termbits.h`. */
export const IGNBRK = 1;
/** `asm/termbits.h`. */
export const BRKINT = 2;
/** `asm/termbits.h`. */
export const PARMRK = 8;
/** `asm/termbits.h`. */
export const ISTRIP = 32;
/** `asm/termbits.h`. */
export const INLCR = 64;
/** `asm/termbits.h`. */
export const IGNCR = 128;
/** `asm/termbits.h`. */
export const ICRNL = 256;
/** `asm/termbits.h`. */
export const IXON = 1024;
/** `asm/termbits.h`. */
export const OPOST = 1;
/** `asm/termbits.h`. */
export const ECHO = 8;
/** `asm/termbits.h`. */
export const ECHONL = 64;
/** `asm/termbits.h`. */
export const ICANON = 2;
/** `asm/termbits.h`. */
export const ISIG = 1;
/** `asm/termbits.h`. */
export const IEXTEN = 32768;
/** `asm/termbits.h`. */
export const CSIZE = 48;
/** `asm/termbits.h`. */
export const PARENB = 256;
/** `asm/termbits.h`. */
export const CS8 = 48;
/** `asm/termbits.h`. */
export const VMIN = 6;
/** `asm/termbits.h`. */
export const VTIME = 5;
