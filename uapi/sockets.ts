/**
 * Sockets: families, types, options, message flags.
 *
 * Names and numbers come from the headers of Linux and libc, and are the same on x86-64 and aarch64.
 *
 * Written by `deno task generate --headers FOLDER`. Do not edit.
 *
 * @module
 */

/** `sys/socket.h`. */
export const AF_UNIX = 1;
/** `sys/socket.h`. */
export const AF_INET = 2;
/** `sys/socket.h`. */
export const AF_NETLINK = 16;
/** `sys/socket.h`. */
export const AF_XDP = 44;
/** `sys/socket.h`. */
export const SOCK_STREAM = 1;
/** `sys/socket.h`. */
export const SOCK_DGRAM = 2;
/** `sys/socket.h`. */
export const SOCK_RAW = 3;
/** `sys/socket.h`. */
export const SOCK_SEQPACKET = 5;
/** `sys/socket.h`. */
export const SOCK_NONBLOCK = 0x800;
/** `sys/socket.h`. */
export const SOCK_CLOEXEC = 0x80000;
/** `sys/socket.h`. */
export const SOL_SOCKET = 1;
/** `sys/socket.h`. */
export const SOL_NETLINK = 270;
/** `sys/socket.h`. */
export const SOL_XDP = 283;
/** `sys/socket.h`. */
export const SCM_RIGHTS = 1;
/** `sys/socket.h`. */
export const MSG_CTRUNC = 0x8;
/** `sys/socket.h`. */
export const MSG_TRUNC = 0x20;
/** `sys/socket.h`. */
export const MSG_DONTWAIT = 0x40;
/** `sys/socket.h`. */
export const MSG_NOSIGNAL = 0x4000;
/** `sys/socket.h`. */
export const MSG_CMSG_CLOEXEC = 0x40000000;
/** `sys/socket.h`. */
export const SHUT_WR = 1;
/** `asm/socket.h`. */
export const SO_TYPE = 3;
/** `asm/socket.h`. */
export const SO_REUSEPORT = 15;
/** `asm/socket.h`. */
export const SO_PEERCRED = 17;
/** `asm/socket.h`. */
export const SO_ACCEPTCONN = 30;
/** `asm/socket.h`. */
export const SO_DOMAIN = 39;
/** `asm/socket.h`. */
export const SO_RCVTIMEO = 20;
/** `asm/socket.h`. */
export const SO_DETACH_FILTER = 27;
/** `asm/socket.h`. */
export const SO_ATTACH_BPF = 50;
/** `asm/socket.h`. */
export const SO_ATTACH_REUSEPORT_EBPF = 52;
/** `asm/socket.h`. */
export const SO_DETACH_REUSEPORT_BPF = 68;
/** `asm/socket.h`. */
export const SO_PEERPIDFD = 77;
/** `linux/if_xdp.h`. */
export const XDP_RX_RING = 2;
/** `linux/sockios.h`. */
export const SIOCGIFINDEX = 0x8933;
/** `linux/sockios.h`. */
export const SIOCSIFFLAGS = 0x8914;
/** `linux/if.h`. */
export const IFNAMSIZ = 16;
/** `linux/if.h`. */
export const IFF_UP = 1;
