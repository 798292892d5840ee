/**
 * The BTF types that programs are bound to when they are loaded, by kind of hook.
 *
 * @module
 */

import type { AttachKind, AttachSpecOf } from "./attach_spec.ts";

/** A type of the kernel's (or a program's) BTF that a program is bound to when it is loaded. */
export interface BtfTarget {
  /** The type's name. */
  readonly name: string;
  /** Its kind. */
  readonly kind: "typedef" | "func";
  /** The module to look in; `vmlinux` is the kernel itself; absent means the kernel, then modules. */
  readonly module?: string | undefined;
}

/** How the kernel names the BTF types behind the hooks of one kind. */
export interface BtfNaming {
  /** What the kernel puts before the hook's name. */
  readonly prefix: string;
  /** The kind of BTF type. */
  readonly kind: BtfTarget["kind"];
}

interface BtfHook<Kind extends AttachKind> extends BtfNaming {
  /** The hook's name as the section has it, and its module. */
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

/** For each kind of hook, the BTF type that `attach_btf_id` names; undefined for kinds without one. */
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
  // Its targets are given when it is attached.
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
  // Its target is the type of its map.
  struct_ops: undefined,
  syscall: undefined,
};

/** How the kernel names the BTF types of a kind of hook; undefined for kinds that have none. */
export function btfNaming(kind: AttachKind): BtfNaming | undefined {
  return hooks[kind];
}

/**
 * The BTF type that a program is bound to at load (`attach_btf_id`): undefined for kinds that have none,
 * `"unnamed"` where the section does not name it.
 */
export function btfTarget<Kind extends AttachKind>(
  spec: AttachSpecOf<Kind>,
): BtfTarget | "unnamed" | undefined {
  const hook: BtfHook<Kind> | undefined = hooks[spec.kind];
  if (hook === undefined) return undefined;
  const { name, module } = hook.of(spec);
  return name === undefined ? "unnamed" : { name: hook.prefix + name, kind: hook.kind, module };
}
