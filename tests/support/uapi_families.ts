/**
 * The constants of `uapi/`: the file of each, and the C header that defines it.
 *
 * To add one, put its name under its header and run `deno task generate --headers FOLDER`.
 *
 * @module
 */

/** Constants of one C header. */
export interface HeaderNames {
  /** The header, as in `#include <...>`. */
  readonly header: string;
  /**
   * Names as in C, separated by white space. A name that ends with `*` selects all names with that prefix.
   */
  readonly names: string;
  /** Numbers without a name in the header: our name, and the expression. */
  readonly expressions?: { readonly [name: string]: string };
}

/** One generated file of constants. */
export interface Family {
  /** The file's name in `uapi/`, without `.ts`. */
  readonly file: string;
  /** The first sentence of the file. */
  readonly title: string;
  readonly headers: readonly HeaderNames[];
}

/** All generated files of constants. */
export const families: readonly Family[] = [
  {
    file: "bpf_flags",
    title: "Flags and constants of bpf(2).",
    headers: [{
      header: "linux/bpf.h",
      names: `BPF_F_* BPF_ANY BPF_NOEXIST BPF_EXIST BPF_OBJ_NAME_LEN BPF_TAG_SIZE BPF_BUILD_ID_SIZE
        BPF_RB_* BPF_RINGBUF_* BPF_STACK_BUILD_ID_* BPF_STATS_* BPF_STREAM_* BPF_PERF_EVENT_*
        XDP_ABORTED XDP_DROP XDP_PASS XDP_TX XDP_REDIRECT TCX_*`,
    }],
  },
  {
    file: "perf",
    title: "perf_event_open(2): event types, samples, records and ioctls.",
    headers: [{
      header: "linux/perf_event.h",
      names: `PERF_TYPE_SOFTWARE PERF_TYPE_TRACEPOINT PERF_COUNT_SW_BPF_OUTPUT PERF_SAMPLE_RAW
        PERF_RECORD_LOST PERF_RECORD_SAMPLE PERF_EVENT_IOC_ENABLE PERF_EVENT_IOC_DISABLE
        PERF_EVENT_IOC_SET_BPF PERF_FLAG_FD_CLOEXEC PERF_ATTR_SIZE_VER5`,
    }],
  },
  {
    file: "files",
    title: "Files, memory mappings and waiting: open(2), stat(2), fcntl(2), mmap(2), epoll(7).",
    headers: [
      {
        header: "linux/fcntl.h",
        names:
          `O_RDONLY O_WRONLY O_RDWR O_CREAT O_APPEND O_NOCTTY O_NONBLOCK O_CLOEXEC O_PATH O_DIRECTORY
          F_SETFD F_GETFL F_SETFL FD_CLOEXEC F_DUPFD_CLOEXEC AT_FDCWD AT_EMPTY_PATH AT_REMOVEDIR AT_RECURSIVE`,
      },
      { header: "linux/fs.h", names: "SEEK_END" },
      {
        header: "linux/stat.h",
        names: "S_IFMT S_IFREG S_IFDIR S_IFSOCK S_IFIFO S_IFCHR STATX_BASIC_STATS",
      },
      { header: "linux/magic.h", names: "BPF_FS_MAGIC TMPFS_MAGIC" },
      { header: "linux/limits.h", names: "PATH_MAX" },
      { header: "linux/close_range.h", names: "CLOSE_RANGE_CLOEXEC" },
      {
        header: "linux/eventpoll.h",
        names: `EPOLLIN EPOLLOUT EPOLLERR EPOLLHUP EPOLLRDHUP EPOLLONESHOT
          EPOLL_CTL_ADD EPOLL_CTL_DEL EPOLL_CTL_MOD EPOLL_CLOEXEC`,
        expressions: {
          EPOLL_EVENT_SIZE: "sizeof(struct epoll_event)",
          EPOLL_EVENT_DATA: "offsetof(struct epoll_event, data)",
        },
      },
      { header: "linux/poll.h", names: "POLLIN POLLOUT" },
      { header: "sys/eventfd.h", names: "EFD_CLOEXEC EFD_NONBLOCK" },
      {
        header: "linux/mman.h",
        names: `PROT_READ PROT_WRITE PROT_EXEC MAP_SHARED MAP_PRIVATE MAP_ANONYMOUS
          MAP_FIXED MAP_FIXED_NOREPLACE MAP_NORESERVE`,
      },
    ],
  },
  {
    file: "processes",
    title:
      "Processes: clone(2), waitid wait4 clone3 exit_group fchown flock keyctl setsid(2), prctl(2), signals, capabilities, namespaces, pidfds.",
    headers: [
      {
        header: "linux/sched.h",
        names:
          `CLONE_INTO_CGROUP CLONE_FILES CLONE_PIDFD CLONE_CLEAR_SIGHAND CLONE_NEWNS CLONE_NEWUSER CLONE_NEWNET
          CLONE_NEWPID`,
      },
      { header: "asm/signal.h", names: "SIGKILL SIGPIPE SIGTERM SIGCHLD SIG_SETMASK" },
      { header: "linux/wait.h", names: "P_PIDFD WNOHANG WSTOPPED WEXITED WNOWAIT __WALL" },
      { header: "asm/siginfo.h", names: "CLD_EXITED CLD_STOPPED" },
      {
        header: "linux/prctl.h",
        names:
          `PR_SET_PDEATHSIG PR_SET_DUMPABLE PR_SET_KEEPCAPS PR_CAPBSET_DROP PR_SET_NO_NEW_PRIVS PR_CAP_AMBIENT
          PR_CAP_AMBIENT_CLEAR_ALL`,
      },
      {
        header: "linux/capability.h",
        names:
          `_LINUX_CAPABILITY_VERSION_3 CAP_DAC_OVERRIDE CAP_NET_ADMIN CAP_SYS_PTRACE CAP_SYS_ADMIN CAP_PERFMON CAP_BPF
          CAP_LAST_CAP`,
      },
      {
        header: "linux/nsfs.h",
        names: "NS_GET_USERNS NS_GET_PARENT NS_GET_OWNER_UID NS_GET_ID USER_NS_INIT_INO",
      },
      { header: "linux/pidfd.h", names: "PIDFD_GET_NET_NAMESPACE PIDFD_GET_USER_NAMESPACE" },
      { header: "linux/auxvec.h", names: "AT_PAGESZ" },
      { header: "linux/keyctl.h", names: "KEYCTL_JOIN_SESSION_KEYRING" },
      { header: "sys/file.h", names: "LOCK_EX LOCK_NB" },
      { header: "linux/memfd.h", names: "MFD_CLOEXEC" },
    ],
  },
  {
    file: "terminals",
    title: "Terminals: ioctl_tty(2) and the flags of struct termios.",
    headers: [
      {
        header: "asm/ioctls.h",
        names: `TCGETS TCSETS TIOCSCTTY TIOCGWINSZ TIOCSWINSZ TIOCGPTPEER TIOCSPTLCK`,
      },
      {
        header: "asm/termbits.h",
        names:
          `IGNBRK BRKINT PARMRK ISTRIP INLCR IGNCR ICRNL IXON OPOST ECHO ECHONL ICANON ISIG IEXTEN
          CSIZE PARENB CS8 VMIN VTIME`,
      },
    ],
  },
  {
    file: "mounts",
    title: "Mounting: mount(2), fsopen(2), fsconfig(2), open_tree(2), mount_setattr(2).",
    headers: [{
      header: "linux/mount.h",
      names:
        `MS_RDONLY MS_NOSUID MS_NODEV MS_NOEXEC MS_REC MS_PRIVATE OPEN_TREE_CLONE OPEN_TREE_CLOEXEC
        FSPICK_CLOEXEC FSPICK_EMPTY_PATH FSOPEN_CLOEXEC FSMOUNT_CLOEXEC MOVE_MOUNT_F_EMPTY_PATH
        FSCONFIG_SET_FLAG FSCONFIG_SET_STRING FSCONFIG_CMD_CREATE FSCONFIG_CMD_RECONFIGURE
        MOUNT_ATTR_RDONLY MOUNT_ATTR_NOSUID MOUNT_ATTR_NODEV MOUNT_ATTR_IDMAP MOUNT_ATTR_SIZE_VER0`,
    }, { header: "sys/mount.h", names: "MNT_DETACH" }],
  },
  {
    file: "sockets",
    title: "Sockets: families, types, options, message flags.",
    headers: [
      {
        header: "sys/socket.h",
        names: `AF_UNIX AF_INET AF_NETLINK AF_XDP SOCK_STREAM SOCK_DGRAM SOCK_RAW SOCK_SEQPACKET
          SOCK_NONBLOCK SOCK_CLOEXEC SOL_SOCKET SOL_NETLINK SOL_XDP SCM_RIGHTS MSG_CTRUNC MSG_TRUNC
          MSG_DONTWAIT MSG_NOSIGNAL MSG_CMSG_CLOEXEC SHUT_WR`,
      },
      {
        header: "asm/socket.h",
        names:
          `SO_TYPE SO_REUSEPORT SO_PEERCRED SO_ACCEPTCONN SO_DOMAIN SO_RCVTIMEO SO_DETACH_FILTER SO_ATTACH_BPF
          SO_ATTACH_REUSEPORT_EBPF SO_DETACH_REUSEPORT_BPF SO_PEERPIDFD`,
      },
      { header: "linux/if_xdp.h", names: "XDP_RX_RING" },
      { header: "linux/sockios.h", names: "SIOCGIFINDEX SIOCSIFFLAGS" },
      { header: "linux/if.h", names: "IFNAMSIZ IFF_UP" },
    ],
  },
  {
    file: "netlink",
    title: "Netlink: messages, links, XDP, traffic control, netfilter.",
    headers: [
      {
        header: "linux/netlink.h",
        names: `NETLINK_ROUTE NETLINK_EXT_ACK NLM_F_REQUEST NLM_F_ACK NLM_F_ECHO NLM_F_DUMP
          NLM_F_REPLACE NLM_F_EXCL NLM_F_CREATE NLM_F_ACK_TLVS NLM_F_CAPPED NLMSG_ERROR NLMSG_DONE
          NLA_F_NESTED NLA_TYPE_MASK NLMSGERR_ATTR_MSG`,
      },
      {
        header: "linux/rtnetlink.h",
        names: `RTM_NEWLINK RTM_DELLINK RTM_GETLINK RTM_SETLINK RTM_NEWQDISC RTM_DELQDISC
          RTM_NEWTFILTER RTM_DELTFILTER RTM_GETTFILTER TCA_KIND TCA_OPTIONS`,
      },
      {
        header: "linux/if_link.h",
        names: `IFLA_IFNAME IFLA_MTU IFLA_LINKINFO IFLA_NUM_TX_QUEUES IFLA_XDP IFLA_INFO_KIND
          IFLA_INFO_DATA IFLA_XDP_FD IFLA_XDP_ATTACHED IFLA_XDP_FLAGS IFLA_XDP_PROG_ID
          IFLA_XDP_EXPECTED_FD XDP_FLAGS_UPDATE_IF_NOEXIST XDP_FLAGS_SKB_MODE XDP_FLAGS_DRV_MODE
          XDP_FLAGS_HW_MODE XDP_FLAGS_REPLACE`,
      },
      { header: "linux/veth.h", names: "VETH_INFO_PEER" },
      { header: "linux/pkt_sched.h", names: "TC_H_CLSACT TC_H_MIN_INGRESS TC_H_MIN_EGRESS" },
      {
        header: "linux/pkt_cls.h",
        names: `TCA_BPF_FD TCA_BPF_NAME TCA_BPF_FLAGS TCA_BPF_ID TCA_BPF_FLAG_ACT_DIRECT TC_ACT_OK
          TC_ACT_SHOT TC_ACT_UNSPEC`,
      },
      { header: "linux/if_ether.h", names: "ETH_P_ALL" },
      {
        header: "linux/netfilter.h",
        names: `NFPROTO_IPV4 NFPROTO_IPV6 NF_INET_PRE_ROUTING NF_INET_LOCAL_IN NF_INET_FORWARD
          NF_INET_LOCAL_OUT NF_INET_POST_ROUTING NF_ACCEPT NF_DROP`,
      },
    ],
  },
];

/** The system calls that skep and its tests use: `__NR_…` of `asm/unistd.h`. */
export const systemCallNames: readonly string[] =
  `accept4 bind bpf capset chdir clone3 close close_range connect dup3 epoll_create1 epoll_ctl
  epoll_pwait eventfd2 execve exit_group fchdir fchmodat fchown fchownat fcntl flock fsconfig
  fsmount fsopen fspick fstatfs ftruncate getdents64 getpgid getpid getsockopt gettid ioctl
  keyctl listen lseek memfd_create mkdirat mmap mount mount_setattr move_mount mprotect munmap
  open_tree openat perf_event_open pidfd_open pidfd_send_signal pipe2 pivot_root ppoll prctl
  pread64 read readlinkat recvfrom recvmsg rt_sigaction rt_sigprocmask sendmsg sendto setgroups
  setns setresgid setresuid setsid setsockopt socket socketpair statfs statx symlinkat umount2
  uname unlinkat unshare wait4 waitid write`
    .split(
      /\s+/,
    );

/** Errnos of the kernel's internal `include/linux/errno.h`, which is not a header for user space. */
export const kernelErrnos: readonly string[] = [
  "ERESTARTSYS",
  "EPROBE_DEFER",
  "EBADHANDLE",
  "ENOTSUPP",
];
