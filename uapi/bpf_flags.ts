/**
 * Flags and constants of bpf(2).
 *
 * Names and numbers come from the headers of Linux and libc, and are the same on x86-64 and aarch64.
 *
 * Written by `deno task generate --headers FOLDER`. Do not edit.
 *
 * @module
 */

/** `linux/bpf.h`. */
export const BPF_F_ALLOW_OVERRIDE = 1;
/** `linux/bpf.h`. */
export const BPF_F_ALLOW_MULTI = 2;
/** `linux/bpf.h`. */
export const BPF_F_REPLACE = 4;
/** `linux/bpf.h`. */
export const BPF_F_BEFORE = 0x8;
/** `linux/bpf.h`. */
export const BPF_F_AFTER = 0x10;
/** `linux/bpf.h`. */
export const BPF_F_ID = 0x20;
/** `linux/bpf.h`. */
export const BPF_F_PREORDER = 0x40;
/** `linux/bpf.h`. */
export const BPF_F_LINK = 0x2000;
/** `linux/bpf.h`. */
export const BPF_F_STRICT_ALIGNMENT = 1;
/** `linux/bpf.h`. */
export const BPF_F_ANY_ALIGNMENT = 2;
/** `linux/bpf.h`. */
export const BPF_F_TEST_RND_HI32 = 4;
/** `linux/bpf.h`. */
export const BPF_F_TEST_STATE_FREQ = 0x8;
/** `linux/bpf.h`. */
export const BPF_F_SLEEPABLE = 0x10;
/** `linux/bpf.h`. */
export const BPF_F_XDP_HAS_FRAGS = 0x20;
/** `linux/bpf.h`. */
export const BPF_F_XDP_DEV_BOUND_ONLY = 0x40;
/** `linux/bpf.h`. */
export const BPF_F_TEST_REG_INVARIANTS = 0x80;
/** `linux/bpf.h`. */
export const BPF_F_KPROBE_MULTI_RETURN = 1;
/** `linux/bpf.h`. */
export const BPF_F_UPROBE_MULTI_RETURN = 1;
/** `linux/bpf.h`. */
export const BPF_F_UPROBE_MULTI_PATH_FD = 2;
/** `linux/bpf.h`. */
export const BPF_F_NETFILTER_IP_DEFRAG = 1;
/** `linux/bpf.h`. */
export const BPF_F_LOCK = 4;
/** `linux/bpf.h`. */
export const BPF_F_CPU = 0x8;
/** `linux/bpf.h`. */
export const BPF_F_ALL_CPUS = 0x10;
/** `linux/bpf.h`. */
export const BPF_F_NO_PREALLOC = 1;
/** `linux/bpf.h`. */
export const BPF_F_NO_COMMON_LRU = 2;
/** `linux/bpf.h`. */
export const BPF_F_NUMA_NODE = 4;
/** `linux/bpf.h`. */
export const BPF_F_RDONLY = 0x8;
/** `linux/bpf.h`. */
export const BPF_F_WRONLY = 0x10;
/** `linux/bpf.h`. */
export const BPF_F_STACK_BUILD_ID = 0x20;
/** `linux/bpf.h`. */
export const BPF_F_ZERO_SEED = 0x40;
/** `linux/bpf.h`. */
export const BPF_F_RDONLY_PROG = 0x80;
/** `linux/bpf.h`. */
export const BPF_F_WRONLY_PROG = 0x100;
/** `linux/bpf.h`. */
export const BPF_F_CLONE = 0x200;
/** `linux/bpf.h`. */
export const BPF_F_MMAPABLE = 0x400;
/** `linux/bpf.h`. */
export const BPF_F_PRESERVE_ELEMS = 0x800;
/** `linux/bpf.h`. */
export const BPF_F_INNER_MAP = 0x1000;
/** `linux/bpf.h`. */
export const BPF_F_PATH_FD = 0x4000;
/** `linux/bpf.h`. */
export const BPF_F_VTYPE_BTF_OBJ_FD = 0x8000;
/** `linux/bpf.h`. */
export const BPF_F_TOKEN_FD = 0x10000;
/** `linux/bpf.h`. */
export const BPF_F_SEGV_ON_FAULT = 0x20000;
/** `linux/bpf.h`. */
export const BPF_F_NO_USER_CONV = 0x40000;
/** `linux/bpf.h`. */
export const BPF_F_RB_OVERWRITE = 0x80000;
/** `linux/bpf.h`. */
export const BPF_F_QUERY_EFFECTIVE = 1;
/** `linux/bpf.h`. */
export const BPF_F_TEST_RUN_ON_CPU = 1;
/** `linux/bpf.h`. */
export const BPF_F_TEST_XDP_LIVE_FRAMES = 2;
/** `linux/bpf.h`. */
export const BPF_F_TEST_SKB_CHECKSUM_COMPLETE = 4;
/** `linux/bpf.h`. */
export const BPF_F_RECOMPUTE_CSUM = 1;
/** `linux/bpf.h`. */
export const BPF_F_INVALIDATE_HASH = 2;
/** `linux/bpf.h`. */
export const BPF_F_HDR_FIELD_MASK = 0xf;
/** `linux/bpf.h`. */
export const BPF_F_PSEUDO_HDR = 0x10;
/** `linux/bpf.h`. */
export const BPF_F_MARK_MANGLED_0 = 0x20;
/** `linux/bpf.h`. */
export const BPF_F_MARK_ENFORCE = 0x40;
/** `linux/bpf.h`. */
export const BPF_F_IPV6 = 0x80;
/** `linux/bpf.h`. */
export const BPF_F_TUNINFO_IPV6 = 1;
/** `linux/bpf.h`. */
export const BPF_F_SKIP_FIELD_MASK = 0xff;
/** `linux/bpf.h`. */
export const BPF_F_USER_STACK = 0x100;
/** `linux/bpf.h`. */
export const BPF_F_FAST_STACK_CMP = 0x200;
/** `linux/bpf.h`. */
export const BPF_F_REUSE_STACKID = 0x400;
/** `linux/bpf.h`. */
export const BPF_F_USER_BUILD_ID = 0x800;
/** `linux/bpf.h`. */
export const BPF_F_ZERO_CSUM_TX = 2;
/** `linux/bpf.h`. */
export const BPF_F_DONT_FRAGMENT = 4;
/** `linux/bpf.h`. */
export const BPF_F_SEQ_NUMBER = 0x8;
/** `linux/bpf.h`. */
export const BPF_F_NO_TUNNEL_KEY = 0x10;
/** `linux/bpf.h`. */
export const BPF_F_TUNINFO_FLAGS = 0x10;
/** `linux/bpf.h`. */
export const BPF_F_INDEX_MASK = 0xffffffff;
/** `linux/bpf.h`. */
export const BPF_F_CURRENT_CPU = 0xffffffff;
/** `linux/bpf.h`. */
export const BPF_F_CTXLEN_MASK = 0xfffff00000000;
/** `linux/bpf.h`. */
export const BPF_F_CURRENT_NETNS: number = -1;
/** `linux/bpf.h`. */
export const BPF_F_ADJ_ROOM_FIXED_GSO = 1;
/** `linux/bpf.h`. */
export const BPF_F_ADJ_ROOM_ENCAP_L3_IPV4 = 2;
/** `linux/bpf.h`. */
export const BPF_F_ADJ_ROOM_ENCAP_L3_IPV6 = 4;
/** `linux/bpf.h`. */
export const BPF_F_ADJ_ROOM_ENCAP_L4_GRE = 0x8;
/** `linux/bpf.h`. */
export const BPF_F_ADJ_ROOM_ENCAP_L4_UDP = 0x10;
/** `linux/bpf.h`. */
export const BPF_F_ADJ_ROOM_NO_CSUM_RESET = 0x20;
/** `linux/bpf.h`. */
export const BPF_F_ADJ_ROOM_ENCAP_L2_ETH = 0x40;
/** `linux/bpf.h`. */
export const BPF_F_ADJ_ROOM_DECAP_L3_IPV4 = 0x80;
/** `linux/bpf.h`. */
export const BPF_F_ADJ_ROOM_DECAP_L3_IPV6 = 0x100;
/** `linux/bpf.h`. */
export const BPF_F_SYSCTL_BASE_NAME = 1;
/** `linux/bpf.h`. */
export const BPF_F_GET_BRANCH_RECORDS_SIZE = 1;
/** `linux/bpf.h`. */
export const BPF_F_BPRM_SECUREEXEC = 1;
/** `linux/bpf.h`. */
export const BPF_F_INGRESS = 1;
/** `linux/bpf.h`. */
export const BPF_F_BROADCAST = 0x8;
/** `linux/bpf.h`. */
export const BPF_F_EXCLUDE_INGRESS = 0x10;
/** `linux/bpf.h`. */
export const BPF_F_REDIRECT_FLAGS = 0x19;
/** `linux/bpf.h`. */
export const BPF_F_TIMER_ABS = 1;
/** `linux/bpf.h`. */
export const BPF_F_TIMER_CPU_PIN = 2;
/** `linux/bpf.h`. */
export const BPF_F_PAD_ZEROS = 1;
/** `linux/bpf.h`. */
export const BPF_ANY = 0;
/** `linux/bpf.h`. */
export const BPF_NOEXIST = 1;
/** `linux/bpf.h`. */
export const BPF_EXIST = 2;
/** `linux/bpf.h`. */
export const BPF_OBJ_NAME_LEN = 16;
/** `linux/bpf.h`. */
export const BPF_TAG_SIZE = 8;
/** `linux/bpf.h`. */
export const BPF_BUILD_ID_SIZE = 20;
/** `linux/bpf.h`. */
export const BPF_RB_NO_WAKEUP = 1;
/** `linux/bpf.h`. */
export const BPF_RB_FORCE_WAKEUP = 2;
/** `linux/bpf.h`. */
export const BPF_RB_AVAIL_DATA = 0;
/** `linux/bpf.h`. */
export const BPF_RB_RING_SIZE = 1;
/** `linux/bpf.h`. */
export const BPF_RB_CONS_POS = 2;
/** `linux/bpf.h`. */
export const BPF_RB_PROD_POS = 3;
/** `linux/bpf.h`. */
export const BPF_RB_OVERWRITE_POS = 4;
/** `linux/bpf.h`. */
export const BPF_RINGBUF_BUSY_BIT = 0x80000000;
/** `linux/bpf.h`. */
export const BPF_RINGBUF_DISCARD_BIT = 0x40000000;
/** `linux/bpf.h`. */
export const BPF_RINGBUF_HDR_SZ = 8;
/** `linux/bpf.h`. */
export const BPF_STACK_BUILD_ID_EMPTY = 0;
/** `linux/bpf.h`. */
export const BPF_STACK_BUILD_ID_VALID = 1;
/** `linux/bpf.h`. */
export const BPF_STACK_BUILD_ID_IP = 2;
/** `linux/bpf.h`. */
export const BPF_STATS_RUN_TIME = 0;
/** `linux/bpf.h`. */
export const BPF_STREAM_STDOUT = 1;
/** `linux/bpf.h`. */
export const BPF_STREAM_STDERR = 2;
/** `linux/bpf.h`. */
export const BPF_PERF_EVENT_UNSPEC = 0;
/** `linux/bpf.h`. */
export const BPF_PERF_EVENT_UPROBE = 1;
/** `linux/bpf.h`. */
export const BPF_PERF_EVENT_URETPROBE = 2;
/** `linux/bpf.h`. */
export const BPF_PERF_EVENT_KPROBE = 3;
/** `linux/bpf.h`. */
export const BPF_PERF_EVENT_KRETPROBE = 4;
/** `linux/bpf.h`. */
export const BPF_PERF_EVENT_TRACEPOINT = 5;
/** `linux/bpf.h`. */
export const BPF_PERF_EVENT_EVENT = 6;
/** `linux/bpf.h`. */
export const XDP_ABORTED = 0;
/** `linux/bpf.h`. */
export const XDP_DROP = 1;
/** `linux/bpf.h`. */
export const XDP_PASS = 2;
/** `linux/bpf.h`. */
export const XDP_TX = 3;
/** `linux/bpf.h`. */
export const XDP_REDIRECT = 4;
/** `linux/bpf.h`. */
export const TCX_NEXT: number = -1;
/** `linux/bpf.h`. */
export const TCX_PASS = 0;
/** `linux/bpf.h`. */
export const TCX_DROP = 2;
/** `linux/bpf.h`. */
export const TCX_REDIRECT = 7;
