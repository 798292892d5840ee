/**
 * The rows of the hook table in `docs/kernels.md`: which test shows that a hook sees its event.
 *
 * @module
 */

import type { HookName } from "../../loader/features/requirements.ts";

/** A way to attach. */
export interface HookRow {
  /** Title: the section prefix, and the form where there are several. */
  readonly title: string;
  /** Kind of the hook. */
  readonly hook: HookName;
  /** Name of the test that covers it. */
  readonly test: string;
}

function row(hook: HookName, title: string, test: string): HookRow {
  return { hook, title, test };
}

/** Every way to attach, in the order of the page. */
export const hookRows: readonly HookRow[] = [
  row("kprobe", "kprobe", "kprobe sees a system call and its cookie"),
  row("kprobe", "kretprobe", "kretprobe sees a system call and its cookie"),
  row(
    "kprobe",
    "kprobe by tracefs",
    "kprobe by tracefs sees a system call, and its probe goes with the link",
  ),
  row("ksyscall", "ksyscall", "ksyscall sees a system call and its cookie"),
  row(
    "kprobe_multi",
    "kprobe.multi",
    "kprobe.multi sees the calls of all functions that its pattern names",
  ),
  row("kprobe_multi", "kretprobe.multi", "kretprobe.multi sees a system call return"),
  row("kprobe_multi", "kprobe.session", "kprobe.session sees entry and return"),
  row("tracepoint", "tracepoint", "tracepoint sees a system call and its cookie"),
  row("raw_tracepoint", "raw_tp", "raw_tp sees a system call"),
  row("tp_btf", "tp_btf", "tp_btf sees a system call"),
  row("fentry", "fentry", "fentry sees a system call and its cookie"),
  row("fexit", "fexit", "fexit sees a system call and its cookie"),
  row("fmod_ret", "fmod_ret", "fmod_ret answers in the function's place"),
  row("fsession", "fsession", "fsession sees entry and return"),
  row("lsm", "lsm", "lsm enforces its verdict"),
  row("lsm_cgroup", "lsm_cgroup", "lsm_cgroup refuses sockets to its cgroup alone"),
  row("freplace", "freplace", "freplace answers in the place of another program's function"),
  row("iter", "iter/task", "iter/task gives records with this process among them"),
  row("iter", "iter/bpf_map_elem", "iter/bpf_map_elem gives the elements of a map"),
  row("uprobe", "uprobe", "uprobe sees a function of another program, and its cookie"),
  row("uprobe", "uretprobe", "uretprobe sees a function of another program, and its cookie"),
  row("uprobe_multi", "uprobe.multi", "uprobe.multi sees all functions that its pattern names"),
  row("uprobe_multi", "uretprobe.multi", "uretprobe.multi sees functions return"),
  row("uprobe_multi", "uprobe.session", "uprobe.session sees entry and return"),
  row(
    "usdt",
    "usdt by uprobe",
    "usdt by uprobe reads arguments, holds the semaphore and passes its cookie",
  ),
  row(
    "usdt",
    "usdt by uprobe.multi",
    "usdt by uprobe.multi reads arguments, holds the semaphore and passes its cookie",
  ),
  row("perf_event", "perf_event", "perf_event runs by the clock, in this process"),
  row("xdp", "xdp by link", "xdp by link counts packets, drops them, and changes its program"),
  row(
    "xdp",
    "xdp by netlink",
    "xdp by netlink counts packets, drops them, and changes its program",
  ),
  row("tcx", "tcx", "tcx counts packets both ways and drops them"),
  row("tc", "tc (clsact)", "tc counts packets, drops them, changes its program and goes"),
  row("netkit", "netkit", "netkit counts what goes through a pair"),
  row("netfilter", "netfilter", "netfilter counts packets and drops them"),
  row("netns", "sk_lookup", "sk_lookup sees connections and refuses them"),
  row("netns", "flow_dissector", "flow_dissector sees the packets of its network namespace"),
  row(
    "cgroup",
    "cgroup/connect4 by link",
    "cgroup/connect4 by link sees connections and refuses them",
  ),
  row(
    "cgroup",
    "cgroup/connect4 by command",
    "cgroup/connect4 by command sees connections and refuses them",
  ),
  row("cgroup", "cgroup_skb", "cgroup_skb counts packets of its cgroup and drops them"),
  row(
    "cgroup",
    "cgroup/bind, sock_create, sysctl, dev, setsockopt",
    "cgroup hooks on sockets, options, sysctls and devices see the event",
  ),
  row("cgroup", "sockops", "sockops sees connections of its cgroup"),
  row("socket", "socket", "socket filter sees what comes to its socket, and drops it"),
  row("reuseport", "sk_reuseport", "sk_reuseport sees connections to its group, and refuses them"),
  row("sk_msg", "sk_msg by link", "sk_msg by link sees what a socket sends, and drops it"),
  row("sk_msg", "sk_msg by command", "sk_msg by command sees what a socket sends, and drops it"),
  row("sockmap", "sk_skb/verdict", "sk_skb/verdict sees what a socket receives, and drops it"),
  row(
    "struct_ops",
    "struct_ops by link",
    "struct_ops by link gives a congestion control that connections use",
  ),
  row(
    "struct_ops",
    "struct_ops by update",
    "struct_ops by update gives a congestion control that connections use",
  ),
  row("lirc", "lirc_mode2", "lirc_mode2 sees the pulses of its receiver"),
  row("syscall", "syscall (run by hand)", "a syscall program is run by hand and not attached"),
];

/** Kinds without a row, with the reason. */
export const hooksWithoutRow: { readonly [hook in HookName]?: string } = {
  tracing_multi: "one link to many trampolines (Linux 7.2) is not made yet: use kprobe.multi",
  lwt: "is set up by a route, not by a program's loader",
};
