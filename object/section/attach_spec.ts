/**
 * Attach specs: how and where a program attaches, parsed from its SEC() name.
 *
 * @module
 */

/** Fields of every attach spec. */
export interface AttachSpecBase {
  /**
   * `target-named`: attach() needs no options. `needs-target`: the section names the kind of hook, and the
   * options must name the target. `no`: the program cannot be attached individually.
   */
  readonly attachable: "target-named" | "needs-target" | "no";
  /** Why the target in the section's name is invalid. attach() throws an error with this text. */
  readonly problem?: string | undefined;
}

/** A probe on a kernel function. */
export interface KprobeAttachSpec extends AttachSpecBase {
  /** Discriminant. */
  readonly kind: "kprobe";
  /** Name of the function. */
  readonly function?: string | undefined;
  /** Offset from its start in bytes. */
  readonly offset: number;
  /** Whether it attaches to the return instead of the entry. */
  readonly returns: boolean;
}

/** A probe on many kernel functions. */
export interface KprobeMultiAttachSpec extends AttachSpecBase {
  /** Discriminant. */
  readonly kind: "kprobe_multi";
  /** Glob over function names, with `*` and `?`. */
  readonly pattern?: string | undefined;
  /** Whether it attaches to the return instead of the entry. */
  readonly returns: boolean;
  /** Whether it runs on entry and on return; the entry run decides whether the return run happens. */
  readonly session: boolean;
}

/** A probe on a system call, by the architecture's name of its function. */
export interface KsyscallAttachSpec extends AttachSpecBase {
  /** Discriminant. */
  readonly kind: "ksyscall";
  /** Name without a prefix: `openat`. */
  readonly syscall?: string | undefined;
  /** Whether it attaches to the return instead of the entry. */
  readonly returns: boolean;
}

/** A probe on a function of an executable or library. */
export interface UprobeAttachSpec extends AttachSpecBase {
  /** Discriminant. */
  readonly kind: "uprobe";
  /** Path of the file, or the bare name of an executable or library. */
  readonly path?: string | undefined;
  /** Name of the function, without its version. */
  readonly function?: string | undefined;
  /** Symbol version, from `function@VERSION` or `function@@VERSION`. */
  readonly version?: string | undefined;
  /** Offset from the function's start in bytes. */
  readonly offset: number;
  /** Whether it attaches to the return instead of the entry. */
  readonly returns: boolean;
}

/** A probe on many functions of an executable or library. */
export interface UprobeMultiAttachSpec extends AttachSpecBase {
  /** Discriminant. */
  readonly kind: "uprobe_multi";
  /** See {@linkcode UprobeAttachSpec.path}. */
  readonly path?: string | undefined;
  /** Glob over function names, with `*` and `?`. */
  readonly pattern?: string | undefined;
  /** Whether it attaches to the return instead of the entry. */
  readonly returns: boolean;
  /** Whether it runs on entry and on return; the entry run decides whether the return run happens. */
  readonly session: boolean;
}

/** A statically defined tracepoint of a user-space file. */
export interface UsdtAttachSpec extends AttachSpecBase {
  /** Discriminant. */
  readonly kind: "usdt";
  /** See {@linkcode UprobeAttachSpec.path}. */
  readonly path?: string | undefined;
  /** Provider of the probe. */
  readonly provider?: string | undefined;
  /** Name of the probe. */
  readonly name?: string | undefined;
}

/** A kernel tracepoint, attached through a perf event. */
export interface TracepointAttachSpec extends AttachSpecBase {
  /** Discriminant. */
  readonly kind: "tracepoint";
  /** Category: `sched` of `sched/sched_switch`. */
  readonly category?: string | undefined;
  /** Name: `sched_switch`. */
  readonly name?: string | undefined;
}

/** A raw tracepoint: a kernel tracepoint with unformatted arguments. */
export interface RawTracepointAttachSpec extends AttachSpecBase {
  /** Discriminant. */
  readonly kind: "raw_tracepoint";
  /** Name: `sched_switch`. */
  readonly name?: string | undefined;
  /** Whether the program may write to memory that the arguments point to. */
  readonly writable: boolean;
}

/** A kernel tracepoint with BTF-typed arguments. */
export interface TracepointBtfAttachSpec extends AttachSpecBase {
  /** Discriminant. */
  readonly kind: "tp_btf";
  /** Name: `sched_switch`. Its type in the kernel's BTF is `btf_trace_sched_switch`. */
  readonly name?: string | undefined;
  /** Kernel module that defines it. */
  readonly module?: string | undefined;
}

/** Entry, exit or return value of a kernel function (or of a BPF program), through a trampoline. */
export interface TrampolineAttachSpec extends AttachSpecBase {
  /** Discriminant. */
  readonly kind: "fentry" | "fexit" | "fmod_ret" | "fsession";
  /** Name of the function. */
  readonly function?: string | undefined;
  /** Kernel module that defines it. */
  readonly module?: string | undefined;
}

/** Entry, exit or both of many kernel functions, through one tracing_multi link (Linux 7.2). */
export interface TracingMultiAttachSpec extends AttachSpecBase {
  /** Discriminant. */
  readonly kind: "tracing_multi";
  /** Where the program runs. */
  readonly at: "fentry" | "fexit" | "fsession";
  /** Glob over function names, with `*` and `?`. */
  readonly pattern?: string | undefined;
  /** Kernel module that defines them. */
  readonly module?: string | undefined;
}

/** A function of another BPF program that this one replaces. */
export interface FreplaceAttachSpec extends AttachSpecBase {
  /** Discriminant. */
  readonly kind: "freplace";
  /** Name of the function in the target program. */
  readonly function?: string | undefined;
}

/** A Linux Security Module hook. */
export interface LsmAttachSpec extends AttachSpecBase {
  /** Discriminant. */
  readonly kind: "lsm" | "lsm_cgroup";
  /** Name of the hook without `bpf_lsm_`. */
  readonly hook?: string | undefined;
  /** Kernel module that defines it. */
  readonly module?: string | undefined;
}

/** An iterator over kernel objects. */
export interface IteratorAttachSpec extends AttachSpecBase {
  /** Discriminant. */
  readonly kind: "iter";
  /** Name of the target without `bpf_iter_`: `task`, `bpf_map_elem` … */
  readonly target?: string | undefined;
  /** Kernel module that defines it. */
  readonly module?: string | undefined;
}

/** A tcx hook: traffic control with an ordered list of programs (Linux 6.6). */
export interface TcxAttachSpec extends AttachSpecBase {
  /** Discriminant. */
  readonly kind: "tcx";
  /** Direction of the packets. */
  readonly direction: "ingress" | "egress";
}

/** A netkit device. */
export interface NetkitAttachSpec extends AttachSpecBase {
  /** Discriminant. */
  readonly kind: "netkit";
  /** Whether it attaches to the peer's side. */
  readonly peer: boolean;
}

/** XDP on a network device, or from an element of a device or CPU map. */
export interface XdpAttachSpec extends AttachSpecBase {
  /** Discriminant. */
  readonly kind: "xdp";
  /** `device`: attaches to an interface. The others are stored in a map's value. */
  readonly at: "device" | "devmap" | "cpumap";
}

/** A cgroup hook, identified by the program's expected attach type. */
export interface CgroupAttachSpec extends AttachSpecBase {
  /** Discriminant. */
  readonly kind: "cgroup";
}

/** A network namespace hook. */
export interface NetnsAttachSpec extends AttachSpecBase {
  /** Discriminant. */
  readonly kind: "netns";
  /** Name of the hook. */
  readonly hook: "sk_lookup" | "flow_dissector";
}

/** A parser or verdict hook of a sockmap. */
export interface SockmapAttachSpec extends AttachSpecBase {
  /** Discriminant. */
  readonly kind: "sockmap";
  /** Name of the hook; undefined for a bare `sk_skb`. */
  readonly hook?: "stream_parser" | "stream_verdict" | "verdict" | undefined;
}

/** A lightweight tunnel hook, attached by a route. */
export interface TunnelAttachSpec extends AttachSpecBase {
  /** Discriminant. */
  readonly kind: "lwt";
  /** Name of the hook. */
  readonly hook: "in" | "out" | "xmit" | "seg6local";
}

/** Hooks without further fields. */
export interface PlainAttachSpec extends AttachSpecBase {
  /**
   * `none`: the section does not name a hook. `tc`: a classic classifier or action. `struct_ops`: attached
   * with its map. `syscall`: run by BPF_PROG_TEST_RUN.
   */
  readonly kind:
    | "none"
    | "tc"
    | "netfilter"
    | "sk_msg"
    | "socket"
    | "reuseport"
    | "perf_event"
    | "lirc"
    | "struct_ops"
    | "syscall";
}

/** How and where a program attaches, discriminated by `kind`. Targets not in the section's name are undefined. */
export type AttachSpec =
  | KprobeAttachSpec
  | KprobeMultiAttachSpec
  | KsyscallAttachSpec
  | UprobeAttachSpec
  | UprobeMultiAttachSpec
  | UsdtAttachSpec
  | TracepointAttachSpec
  | RawTracepointAttachSpec
  | TracepointBtfAttachSpec
  | TrampolineAttachSpec
  | TracingMultiAttachSpec
  | FreplaceAttachSpec
  | LsmAttachSpec
  | IteratorAttachSpec
  | TcxAttachSpec
  | NetkitAttachSpec
  | XdpAttachSpec
  | CgroupAttachSpec
  | NetnsAttachSpec
  | SockmapAttachSpec
  | TunnelAttachSpec
  | PlainAttachSpec;

/** Kind of hook. */
export type AttachKind = AttachSpec["kind"];

/** The attach spec of one kind. */
export type AttachSpecOf<Kind extends AttachKind> = AttachSpec & { readonly kind: Kind };
