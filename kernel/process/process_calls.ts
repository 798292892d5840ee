/**
 * Numbers of the system calls with which processes are made and looked at, per architecture.
 *
 * The sources are `arch/x86/entry/syscalls/syscall_64.tbl` and
 * `include/uapi/asm-generic/unistd.h`, which aarch64 uses.
 *
 * @module
 */

/** System calls by name. */
export interface ProcessCalls {
  readonly accept4: number;
  readonly capset: number;
  readonly chdir: number;
  readonly connect: number;
  readonly close_range: number;
  readonly execve: number;
  readonly fchmodat: number;
  readonly getsockopt: number;
  readonly listen: number;
  readonly mount_setattr: number;
  readonly open_tree: number;
  readonly pidfd_getfd: number;
  readonly pipe2: number;
  readonly pidfd_open: number;
  readonly pidfd_send_signal: number;
  readonly prctl: number;
  readonly rt_sigaction: number;
  readonly rt_sigprocmask: number;
  readonly setgroups: number;
  readonly setresgid: number;
  readonly setresuid: number;
  readonly shutdown: number;
  readonly symlinkat: number;
  readonly umask: number;
  readonly waitid: number;
}

/** The same everywhere: calls of Linux 5.1 and later. */
const common = {
  close_range: 436,
  mount_setattr: 442,
  open_tree: 428,
  pidfd_getfd: 438,
  pidfd_open: 434,
  pidfd_send_signal: 424,
} as const;

const x86_64: ProcessCalls = {
  ...common,
  accept4: 288,
  capset: 126,
  chdir: 80,
  connect: 42,
  execve: 59,
  fchmodat: 268,
  getsockopt: 55,
  listen: 50,
  pipe2: 293,
  prctl: 157,
  rt_sigaction: 13,
  rt_sigprocmask: 14,
  setgroups: 116,
  setresgid: 119,
  setresuid: 117,
  shutdown: 48,
  symlinkat: 266,
  umask: 95,
  waitid: 247,
};

const aarch64: ProcessCalls = {
  ...common,
  accept4: 242,
  capset: 91,
  chdir: 49,
  connect: 203,
  execve: 221,
  fchmodat: 53,
  getsockopt: 209,
  listen: 201,
  pipe2: 59,
  prctl: 167,
  rt_sigaction: 134,
  rt_sigprocmask: 135,
  setgroups: 159,
  setresgid: 149,
  setresuid: 147,
  shutdown: 210,
  symlinkat: 36,
  umask: 166,
  waitid: 95,
};

/** The numbers by architecture. */
export const processCallTables: { readonly [arch in "x86_64" | "aarch64"]: ProcessCalls } = {
  x86_64,
  aarch64,
};

/** The numbers of the architecture that this process runs on. */
export const processCalls: ProcessCalls = processCallTables[Deno.build.arch];
