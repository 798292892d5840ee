/**
 * Processes: clone(2), waitid wait4 clone3 exit_group fchown flock keyctl setsid(2), prctl(2), signals, capabilities, namespaces, pidfds.
 *
 * Names and numbers come from the headers of Linux and libc, and are the same on x86-64 and aarch64.
 *
 * Written by `deno task generate --headers FOLDER`. Do not edit.
 *
 * @module
 */

/** `linux/sched.h`. */
export const CLONE_INTO_CGROUP = 0x200000000;
/** `linux/sched.h`. */
export const CLONE_FILES = 0x400;
/** `linux/sched.h`. */
export const CLONE_PIDFD = 0x1000;
/** `linux/sched.h`. */
export const CLONE_CLEAR_SIGHAND = 0x100000000;
/** `linux/sched.h`. */
export const CLONE_NEWNS = 0x20000;
/** `linux/sched.h`. */
export const CLONE_NEWUSER = 0x10000000;
/** `linux/sched.h`. */
export const CLONE_NEWNET = 0x40000000;
/** `linux/sched.h`. */
export const CLONE_NEWPID = 0x20000000;
/** `asm/signal.h`. */
export const SIGKILL = 9;
/** `asm/signal.h`. */
export const SIGPIPE = 13;
/** `asm/signal.h`. */
export const SIGTERM = 15;
/** `asm/signal.h`. */
export const SIGCHLD = 17;
/** `asm/signal.h`. */
export const SIG_SETMASK = 2;
/** `linux/wait.h`. */
export const P_PIDFD = 3;
/** `linux/wait.h`. */
export const WNOHANG = 1;
/** `linux/wait.h`. */
export const WSTOPPED = 2;
/** `linux/wait.h`. */
export const WEXITED = 4;
/** `linux/wait.h`. */
export const WNOWAIT = 0x1000000;
/** `linux/wait.h`. */
export const __WALL = 0x40000000;
/** `asm/siginfo.h`. */
export const CLD_EXITED = 1;
/** `asm/siginfo.h`. */
export const CLD_STOPPED = 5;
/** `linux/prctl.h`. */
export const PR_SET_PDEATHSIG = 1;
/** `linux/prctl.h`. */
export const PR_SET_DUMPABLE = 4;
/** `linux/prctl.h`. */
export const PR_SET_KEEPCAPS = 8;
/** `linux/prctl.h`. */
export const PR_CAPBSET_DROP = 24;
/** `linux/prctl.h`. */
export const PR_SET_NO_NEW_PRIVS = 38;
/** `linux/prctl.h`. */
export const PR_CAP_AMBIENT = 47;
/** `linux/prctl.h`. */
export const PR_CAP_AMBIENT_CLEAR_ALL = 4;
/** `linux/capability.h`. */
export const _LINUX_CAPABILITY_VERSION_3 = 0x20080522;
/** `linux/capability.h`. */
export const CAP_DAC_OVERRIDE = 1;
/** `linux/capability.h`. */
export const CAP_NET_ADMIN = 12;
/** `linux/capability.h`. */
export const CAP_SYS_PTRACE = 19;
/** `linux/capability.h`. */
export const CAP_SYS_ADMIN = 21;
/** `linux/capability.h`. */
export const CAP_PERFMON = 38;
/** `linux/capability.h`. */
export const CAP_BPF = 39;
/** `linux/capability.h`. */
export const CAP_LAST_CAP = 40;
/** `linux/nsfs.h`. */
export const NS_GET_USERNS = 0xb701;
/** `linux/nsfs.h`. */
export const NS_GET_PARENT = 0xb702;
/** `linux/nsfs.h`. */
export const NS_GET_OWNER_UID = 0xb704;
/** `linux/nsfs.h`. */
export const NS_GET_ID = 0x8008b70d;
/** `linux/nsfs.h`. */
export const USER_NS_INIT_INO = 0xeffffffd;
/** `linux/pidfd.h`. */
export const PIDFD_GET_NET_NAMESPACE = 0xff04;
/** `linux/pidfd.h`. */
export const PIDFD_GET_USER_NAMESPACE = 0xff09;
/** `linux/auxvec.h`. */
export const AT_PAGESZ = 6;
/** `linux/keyctl.h`. */
export const KEYCTL_JOIN_SESSION_KEYRING = 1;
/** `sys/file.h`. */
export const LOCK_EX = 2;
/** `sys/file.h`. */
export const LOCK_NB = 4;
/** `linux/memfd.h`. */
export const MFD_CLOEXEC = 1;
