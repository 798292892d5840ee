/**
 * Numbers of the system calls that skep makes, per architecture.
 *
 * The sources are `arch/x86/entry/syscalls/syscall_64.tbl` and
 * `include/uapi/asm-generic/unistd.h`, which aarch64 uses.
 *
 * @module
 */

/** System calls by name, the same names on every architecture. */
export interface SystemCalls {
  readonly bpf: number;
  readonly clone: number;
  readonly close: number;
  readonly dup3: number;
  readonly epoll_create1: number;
  readonly epoll_ctl: number;
  readonly epoll_pwait: number;
  readonly eventfd2: number;
  readonly fcntl: number;
  readonly fsconfig: number;
  readonly fsmount: number;
  readonly fsopen: number;
  readonly getdents64: number;
  readonly getpid: number;
  readonly getsockname: number;
  readonly bind: number;
  readonly ioctl: number;
  readonly kill: number;
  readonly memfd_create: number;
  readonly mkdirat: number;
  readonly mmap: number;
  readonly mount: number;
  readonly move_mount: number;
  readonly munmap: number;
  readonly openat: number;
  readonly perf_event_open: number;
  readonly pidfd_open: number;
  readonly ppoll: number;
  readonly read: number;
  readonly readlinkat: number;
  readonly recvfrom: number;
  readonly recvmsg: number;
  readonly sendmsg: number;
  readonly sendto: number;
  readonly setns: number;
  readonly setsockopt: number;
  readonly socket: number;
  readonly socketpair: number;
  readonly statfs: number;
  readonly fstatfs: number;
  readonly statx: number;
  readonly umount2: number;
  readonly uname: number;
  readonly unlinkat: number;
  readonly unshare: number;
  readonly wait4: number;
  readonly write: number;
}

const x86_64: SystemCalls = {
  bpf: 321,
  clone: 56,
  close: 3,
  dup3: 292,
  epoll_create1: 291,
  epoll_ctl: 233,
  epoll_pwait: 281,
  eventfd2: 290,
  fcntl: 72,
  fsconfig: 431,
  fsmount: 432,
  fsopen: 430,
  getdents64: 217,
  getpid: 39,
  getsockname: 51,
  bind: 49,
  ioctl: 16,
  kill: 62,
  memfd_create: 319,
  mkdirat: 258,
  mmap: 9,
  mount: 165,
  move_mount: 429,
  munmap: 11,
  openat: 257,
  perf_event_open: 298,
  pidfd_open: 434,
  ppoll: 271,
  read: 0,
  readlinkat: 267,
  recvfrom: 45,
  recvmsg: 47,
  sendmsg: 46,
  sendto: 44,
  setns: 308,
  setsockopt: 54,
  socket: 41,
  socketpair: 53,
  statfs: 137,
  fstatfs: 138,
  statx: 332,
  umount2: 166,
  uname: 63,
  unlinkat: 263,
  unshare: 272,
  wait4: 61,
  write: 1,
};

const aarch64: SystemCalls = {
  bpf: 280,
  clone: 220,
  close: 57,
  dup3: 24,
  epoll_create1: 20,
  epoll_ctl: 21,
  epoll_pwait: 22,
  eventfd2: 19,
  fcntl: 25,
  fsconfig: 431,
  fsmount: 432,
  fsopen: 430,
  getdents64: 61,
  getpid: 172,
  getsockname: 204,
  bind: 200,
  ioctl: 29,
  kill: 129,
  memfd_create: 279,
  mkdirat: 34,
  mmap: 222,
  mount: 40,
  move_mount: 429,
  munmap: 215,
  openat: 56,
  perf_event_open: 241,
  pidfd_open: 434,
  ppoll: 73,
  read: 63,
  readlinkat: 78,
  recvfrom: 207,
  recvmsg: 212,
  sendmsg: 211,
  sendto: 206,
  setns: 268,
  setsockopt: 208,
  socket: 198,
  socketpair: 199,
  statfs: 43,
  fstatfs: 44,
  statx: 291,
  umount2: 39,
  uname: 160,
  unlinkat: 35,
  unshare: 97,
  wait4: 260,
  write: 64,
};

/** The numbers by architecture. */
export const systemCallTables: { readonly [arch in "x86_64" | "aarch64"]: SystemCalls } = {
  x86_64,
  aarch64,
};

/** The numbers of the architecture that this process runs on. */
export const systemCalls: SystemCalls = systemCallTables[Deno.build.arch];
