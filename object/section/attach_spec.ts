/**
 * Attach plans: how and where a program attaches, as its section's name says.
 *
 * @module
 */

/** What every attach plan has. */
export interface AttachSpecBase {
  /**
   * `target-named`: attach() needs nothing more. `needs-target`: the section names the kind of hook,
   * the user names the hook. `no`: such a program is never attached by itself.
   */
  readonly attachable: "target-named" | "needs-target" | "no";
  /** Why the target's text cannot be used; attach() says this. */
  readonly problem?: string | undefined;
}

/** A probe on a kernel function. */
export interface KprobeAttachSpec extends AttachSpecBase {
  /** Tells the kind. */
  readonly kind: "kprobe";
  /** The function. */
  readonly function?: string | undefined;
  /** Bytes from its start. */
  readonly offset: number;
  /** On return instead of entry. */
  readonly returns: boolean;
}

/** A probe on many kernel functions. */
export interface KprobeMultiAttachSpec extends AttachSpecBase {
  /** Tells the kind. */
  readonly kind: "kprobe_multi";
  /** A name with `*` and `?`. */
  readonly pattern?: string | undefined;
  /** On return instead of entry. */
  readonly returns: boolean;
  /** On both, the entry deciding about the return. */
  readonly session: boolean;
}

/** A probe on a system call, whatever this machine calls its function. */
export interface KsyscallAttachSpec extends AttachSpecBase {
  /** Tells the kind. */
  readonly kind: "ksyscall";
  /** The bare name: `openat`. */
  readonly syscall?: string | undefined;
  /** On return instead of entry. */
  readonly returns: boolean;
}

/** A probe on a function of an executable or library. */
export interface UprobeAttachSpec extends AttachSpecBase {
  /** Tells the kind. */
  readonly kind: "uprobe";
  /** The file, a bare library name, or `archive.zip!/member`. */
  readonly path?: string | undefined;
  /** The function, without its version. */
  readonly function?: string | undefined;
  /** The symbol's version, from `function@VERSION` or `function@@VERSION`. */
  readonly version?: string | undefined;
  /** Bytes from the function's start. */
  readonly offset: number;
  /** On return instead of entry. */
  readonly returns: boolean;
}

/** A probe on many functions of an executable or library. */
export interface UprobeMultiAttachSpec extends AttachSpecBase {
  /** Tells the kind. */
  readonly kind: "uprobe_multi";
  /** As for {@linkcode UprobeAttachSpec}. */
  readonly path?: string | undefined;
  /** A name with `*` and `?`. */
  readonly pattern?: string | undefined;
  /** On return instead of entry. */
  readonly returns: boolean;
  /** On both, the entry deciding about the return. */
  readonly session: boolean;
}

/** A statically defined tracepoint of a user-space file. */
export interface UsdtAttachSpec extends AttachSpecBase {
  /** Tells the kind. */
  readonly kind: "usdt";
  /** As for {@linkcode UprobeAttachSpec}. */
  readonly path?: string | undefined;
  /** The provider. */
  readonly provider?: string | undefined;
  /** The probe's name. */
  readonly name?: string | undefined;
}

/** A kernel tracepoint, by way of a perf event. */
export interface TracepointAttachSpec extends AttachSpecBase {
  /** Tells the kind. */
  readonly kind: "tracepoint";
  /** `sched` of `sched/sched_switch`. */
  readonly category?: string | undefined;
  /** `sched_switch`. */
  readonly name?: string | undefined;
}

/** A kernel tracepoint with its raw arguments. */
export interface RawTracepointAttachSpec extends AttachSpecBase {
  /** Tells the kind. */
  readonly kind: "raw_tracepoint";
  /** `sched_switch`. */
  readonly name?: string | undefined;
  /** Whether the program may write to the arguments. */
  readonly writable: boolean;
}

/** A kernel tracepoint with typed arguments. */
export interface TracepointBtfAttachSpec extends AttachSpecBase {
  /** Tells the kind. */
  readonly kind: "tp_btf";
  /** `sched_switch`; its type in the kernel's BTF is `btf_trace_sched_switch`. */
  readonly name?: string | undefined;
  /** The module that has it. */
  readonly module?: string | undefined;
}

/** Entry, exit or return value of a kernel function (or of a BPF program), through a trampoline. */
export interface TrampolineAttachSpec extends AttachSpecBase {
  /** Tells the kind. */
  readonly kind: "fentry" | "fexit" | "fmod_ret" | "fsession";
  /** The function. */
  readonly function?: string | undefined;
  /** The module that has it. */
  readonly module?: string | undefined;
}

/** Entry and/or exit of many kernel functions, through one trampoline link (Linux 7.x). */
export interface TracingMultiAttachSpec extends AttachSpecBase {
  /** Tells the kind. */
  readonly kind: "tracing_multi";
  /** Which side. */
  readonly at: "fentry" | "fexit" | "fsession";
  /** A name with `*` and `?`. */
  readonly pattern?: string | undefined;
  /** The module that has them. */
  readonly module?: string | undefined;
}

/** A function of another BPF program that this one takes the place of. */
export interface FreplaceAttachSpec extends AttachSpecBase {
  /** Tells the kind. */
  readonly kind: "freplace";
  /** The function in the target program. */
  readonly function?: string | undefined;
}

/** A Linux Security Module hook. */
export interface LsmAttachSpec extends AttachSpecBase {
  /** Tells the kind. */
  readonly kind: "lsm" | "lsm_cgroup";
  /** The hook without `bpf_lsm_`. */
  readonly hook?: string | undefined;
  /** The module that has it. */
  readonly module?: string | undefined;
}

/** An iterator over kernel objects. */
export interface IteratorAttachSpec extends AttachSpecBase {
  /** Tells the kind. */
  readonly kind: "iter";
  /** `task`, `bpf_map_elem` … without `bpf_iter_`. */
  readonly target?: string | undefined;
  /** The module that has it. */
  readonly module?: string | undefined;
}

/** Traffic control with a place among others (Linux 6.6). */
export interface TcxAttachSpec extends AttachSpecBase {
  /** Tells the kind. */
  readonly kind: "tcx";
  /** Packets coming in or going out. */
  readonly direction: "ingress" | "egress";
}

/** A netkit device. */
export interface NetkitAttachSpec extends AttachSpecBase {
  /** Tells the kind. */
  readonly kind: "netkit";
  /** Whether on the peer's side. */
  readonly peer: boolean;
}

/** XDP: the earliest hook of a network device, or of a device or CPU map. */
export interface XdpAttachSpec extends AttachSpecBase {
  /** Tells the kind. */
  readonly kind: "xdp";
  /** `device`: attach to an interface. The others are put into a map's value. */
  readonly at: "device" | "devmap" | "cpumap";
}

/** A cgroup hook; which one is the program's expected attach type. */
export interface CgroupAttachSpec extends AttachSpecBase {
  /** Tells the kind. */
  readonly kind: "cgroup";
}

/** A network namespace hook. */
export interface NetnsAttachSpec extends AttachSpecBase {
  /** Tells the kind. */
  readonly kind: "netns";
  /** Which one. */
  readonly hook: "sk_lookup" | "flow_dissector";
}

/** A socket map's verdict or parser. */
export interface SockmapAttachSpec extends AttachSpecBase {
  /** Tells the kind. */
  readonly kind: "sockmap";
  /** Which one; undefined for a bare `sk_skb`. */
  readonly hook?: "stream_parser" | "stream_verdict" | "verdict" | undefined;
}

/** A lightweight tunnel's hook, set up through routes. */
export interface TunnelAttachSpec extends AttachSpecBase {
  /** Tells the kind. */
  readonly kind: "lwt";
  /** Which one. */
  readonly hook: "in" | "out" | "xmit" | "seg6local";
}

/** Hooks that have nothing more to say. */
export interface PlainAttachSpec extends AttachSpecBase {
  /**
   * `none`: the section says nothing. `tc`: the classic classifier or action. `struct_ops`: through
   * its map. `syscall`: run by BPF_PROG_TEST_RUN.
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

/** How a program attaches, told apart by `kind`. Targets that the section leaves out are absent. */
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

/** The kinds of hooks: how a program is attached. */
export type AttachKind = AttachSpec["kind"];

/** The attach spec of one kind. */
export type AttachSpecOf<Kind extends AttachKind> = AttachSpec & { readonly kind: Kind };
