/**
 * Names the BTF types that programs are bound to at load (`attach_btf_id`), by kind of hook.
 *
 * @module
 */

import type { AttachKind, AttachSpecOf } from "./attach_spec.ts";

/** A type in the BTF of the kernel or a program that a program is bound to at load. */
export interface BtfTarget {
  /** Name of the type. */
  readonly name: string;
  /** Kind of the type. */
  readonly kind: "typedef" | "func";
  /** Module to search; `vmlinux` is the kernel image. @default {the kernel image, then all modules} */
  readonly module?: string | undefined;
}

/** Naming scheme of the BTF types of one kind of hook. */
export interface BtfNaming {
  /** Prefix of the hook's name. */
  readonly prefix: string;
  /** Kind of the BTF types. */
  readonly kind: BtfTarget["kind"];
}

interface BtfHook<Kind extends AttachKind> extends BtfNaming {
  /** Returns the hook's name as in the section, and its module. */
  of(spec: AttachSpecOf<Kind>): {
    readonly name: string | undefined;
    readonly module?: string | undefined;
  };
}

type FunctionKind = "fentry" | "fexit" | "fmod_ret" | "fsession";

const FUNCTION: BtfHook<FunctionKind> = {
  prefix: "",
  kind: "func",
  of: ({ function: name, module }) => ({ name, module }),
};
const LSM: BtfHook<"lsm" | "lsm_cgroup"> = {
  prefix: "bpf_lsm_",
  kind: "func",
  of: ({ hook: name, module }) => ({ name, module }),
};

/** BTF type that `attach_btf_id` names, by kind of hook; undefined for kinds without one. */
const hooks: { readonly [Kind in AttachKind]: BtfHook<Kind> | undefined } = {
  none: undefined,
  kprobe: undefined,
  kprobe_multi: undefined,
  ksyscall: undefined,
  uprobe: undefined,
  uprobe_multi: undefined,
  usdt: undefined,
  tracepoint: undefined,
  raw_tracepoint: undefined,
  tp_btf: {
    prefix: "btf_trace_",
    kind: "typedef",
    of: ({ name, module }) => ({ name, module }),
  },
  fentry: FUNCTION,
  fexit: FUNCTION,
  fmod_ret: FUNCTION,
  fsession: FUNCTION,
  // The targets are given at attach.
  tracing_multi: undefined,
  freplace: { prefix: "", kind: "func", of: ({ function: name }) => ({ name }) },
  lsm: LSM,
  lsm_cgroup: LSM,
  iter: {
    prefix: "bpf_iter_",
    kind: "func",
    of: ({ target: name, module }) => ({ name, module }),
  },
  tcx: undefined,
  tc: undefined,
  netkit: undefined,
  xdp: undefined,
  cgroup: undefined,
  netns: undefined,
  netfilter: undefined,
  sockmap: undefined,
  sk_msg: undefined,
  lwt: undefined,
  socket: undefined,
  reuseport: undefined,
  perf_event: undefined,
  lirc: undefined,
  // The target is the type of its map.
  struct_ops: undefined,
  syscall: undefined,
};

/** Returns the naming scheme of a kind of hook; undefined for kinds without BTF types. */
export function btfNaming(kind: AttachKind): BtfNaming | undefined {
  return hooks[kind];
}

/**
 * Returns the BTF type that a program is bound to at load (`attach_btf_id`): undefined for kinds without
 * one, `"unnamed"` when the section does not name it.
 */
export function btfTarget<Kind extends AttachKind>(
  spec: AttachSpecOf<Kind>,
): BtfTarget | "unnamed" | undefined {
  const hook: BtfHook<Kind> | undefined = hooks[spec.kind];
  if (hook === undefined) return undefined;
  const { name, module } = hook.of(spec);
  return name === undefined ? "unnamed" : { name: hook.prefix + name, kind: hook.kind, module };
}
