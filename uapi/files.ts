/**
 * Files, memory mappings and waiting: open(2), stat(2), fcntl(2), mmap(2), epoll(7).
 *
 * Names and numbers come from the headers of Linux and libc, and are the same on x86-64 and aarch64.
 *
 * Written by `deno task generate --headers FOLDER`. Do not edit.
 *
 * @module
 */

/** `linux/fcntl.h`. */
export const O_RDONLY = 0;
/** `linux/fcntl.h`. */
export const O_WRONLY = 1;
/** `linux/fcntl.h`. */
export const O_RDWR = 2;
/** `linux/fcntl.h`. */
export const O_CREAT = 0o100;
/** `linux/fcntl.h`. */
export const O_APPEND = 0o2000;
/** `linux/fcntl.h`. */
export const O_NOCTTY = 0o400;
/** `linux/fcntl.h`. */
export const O_NONBLOCK = 0o4000;
/** `linux/fcntl.h`. */
export const O_CLOEXEC = 0o2000000;
/** `linux/fcntl.h`. */
export const O_PATH = 0o10000000;
/** `linux/fcntl.h`. */
export const F_SETFD = 2;
/** `linux/fcntl.h`. */
export const F_GETFL = 3;
/** `linux/fcntl.h`. */
export const F_SETFL = 4;
/** `linux/fcntl.h`. */
export const FD_CLOEXEC = 1;
/** `linux/fcntl.h`. */
export const F_DUPFD_CLOEXEC = 0x406;
/** `linux/fcntl.h`. */
export const AT_FDCWD: number = -100;
/** `linux/fcntl.h`. */
export const AT_EMPTY_PATH = 0x1000;
/** `linux/fcntl.h`. */
export const AT_REMOVEDIR = 0x200;
/** `linux/fcntl.h`. */
export const AT_RECURSIVE = 0x8000;
/** `linux/fs.h`. */
export const SEEK_END = 2;
/** `linux/stat.h`. */
export const S_IFMT = 0o170000;
/** `linux/stat.h`. */
export const S_IFREG = 0o100000;
/** `linux/stat.h`. */
export const S_IFDIR = 0o40000;
/** `linux/stat.h`. */
export const S_IFSOCK = 0o140000;
/** `linux/stat.h`. */
export const S_IFIFO = 0o10000;
/** `linux/stat.h`. */
export const S_IFCHR = 0o20000;
/** `linux/stat.h`. */
export const STATX_BASIC_STATS = 2047;
/** `linux/magic.h`. */
export const BPF_FS_MAGIC = 0xcafe4a11;
/** `linux/magic.h`. */
export const TMPFS_MAGIC = 0x1021994;
/** `linux/limits.h`. */
export const PATH_MAX = 4096;
/** `linux/close_range.h`. */
export const CLOSE_RANGE_CLOEXEC = 4;
/** `linux/eventpoll.h`. */
export const EPOLLIN = 1;
/** `linux/eventpoll.h`. */
export const EPOLLOUT = 4;
/** `linux/eventpoll.h`. */
export const EPOLLERR = 0x8;
/** `linux/eventpoll.h`. */
export const EPOLLHUP = 0x10;
/** `linux/eventpoll.h`. */
export const EPOLLRDHUP = 0x2000;
/** `linux/eventpoll.h`. */
export const EPOLLONESHOT = 0x40000000;
/** `linux/eventpoll.h`. */
export const EPOLL_CTL_ADD = 1;
/** `linux/eventpoll.h`. */
export const EPOLL_CTL_DEL = 2;
/** `linux/eventpoll.h`. */
export const EPOLL_CTL_MOD = 3;
/** `linux/eventpoll.h`. */
export const EPOLL_CLOEXEC = 0x80000;
/** `linux/poll.h`. */
export const POLLIN = 1;
/** `linux/poll.h`. */
export const POLLOUT = 4;
/** `sys/eventfd.h`. */
export const EFD_CLOEXEC = 0x80000;
/** `sys/eventfd.h`. */
export const EFD_NONBLOCK = 0x800;
/** `linux/mman.h`. */
export const PROT_READ = 1;
/** `linux/mman.h`. */
export const PROT_WRITE = 2;
/** `linux/mman.h`. */
export const PROT_EXEC = 4;
/** `linux/mman.h`. */
export const MAP_SHARED = 1;
/** `linux/mman.h`. */
export const MAP_PRIVATE = 2;
/** `linux/mman.h`. */
export const MAP_ANONYMOUS = 0x20;
/** `linux/mman.h`. */
export const MAP_FIXED = 0x10;
/** `linux/mman.h`. */
export const MAP_FIXED_NOREPLACE = 0x100000;
/** `linux/mman.h`. */
export const MAP_NORESERVE = 0x4000;
