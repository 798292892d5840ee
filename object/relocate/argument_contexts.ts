/**
 * Implements `__arg_ctx` for kernels before 6.8: clones the BTF of global functions with a parameter tagged
 * as the program's context, once per type of calling program, with the parameter type that these kernels
 * recognize as that program's context. libbpf does the same (`probe_kern_arg_ctx_tag()` and after).
 *
 * @module
 */

import type { Btf } from "../../btf/btf.ts";
import type { TypeDefinition } from "../../btf/build/encode.ts";
import type { FuncProtoType, FuncType } from "../../btf/types.ts";
import type { ProgramTypeName } from "../../uapi/enums.ts";
import { type ObjectSpec, parsedObject } from "../object_spec.ts";
import type { RelocatedProgram } from "../spec/spec.ts";

/** The declaration tag that `__arg_ctx` expands to. */
const TAG = "arg:ctx";

/**
 * Name of the struct by which kernels before 6.8 recognize the context of a program type; undefined for
 * types whose context is not a named struct.
 */
const CONTEXTS: { readonly [type in ProgramTypeName]: string | undefined } = {
  unspec: undefined,
  socket_filter: "__sk_buff",
  kprobe: "bpf_user_pt_regs_t",
  sched_cls: "__sk_buff",
  sched_act: "__sk_buff",
  tracepoint: undefined,
  xdp: "xdp_md",
  perf_event: "bpf_perf_event_data",
  cgroup_skb: "__sk_buff",
  cgroup_sock: "bpf_sock",
  lwt_in: "__sk_buff",
  lwt_out: "__sk_buff",
  lwt_xmit: "__sk_buff",
  sock_ops: "bpf_sock_ops",
  sk_skb: "__sk_buff",
  cgroup_device: "bpf_cgroup_dev_ctx",
  sk_msg: "sk_msg_md",
  raw_tracepoint: "bpf_raw_tracepoint_args",
  cgroup_sock_addr: "bpf_sock_addr",
  lwt_seg6local: "__sk_buff",
  lirc_mode2: undefined,
  sk_reuseport: "sk_reuseport_md",
  flow_dissector: "__sk_buff",
  cgroup_sysctl: "bpf_sysctl",
  raw_tracepoint_writable: "bpf_raw_tracepoint_args",
  cgroup_sockopt: "bpf_sockopt",
  tracing: undefined,
  struct_ops: undefined,
  ext: undefined,
  lsm: undefined,
  sk_lookup: "bpf_sk_lookup",
  syscall: undefined,
  netfilter: "bpf_nf_ctx",
};

/**
 * Register structs that newer kernels accept in place of a context. For perf events it is what
 * `bpf_user_pt_regs_t` is defined as: on x86, on arm64 and s390, and on riscv.
 */
const REGISTERS: { readonly [context: string]: readonly string[] } = {
  bpf_user_pt_regs_t: ["pt_regs"],
  bpf_perf_event_data: ["pt_regs", "user_pt_regs", "user_regs_struct"],
};

/** Types to append to an object's BTF, in order: the first gets the id after the object's last. */
export type AddedTypes = readonly TypeDefinition[];

/** Programs whose func_info refers to clones, and the types of the clones. */
export interface ArgumentContexts {
  /** The programs, in the order given. Programs that need no clone are returned unchanged. */
  readonly programs: readonly RelocatedProgram[];
  /** The types that {@linkcode btfToLoad} must append. */
  readonly types: AddedTypes;
}

/** Returns whether the object has any tagged parameter. Most objects have none and need no clones. */
export function hasArgumentContexts(spec: ObjectSpec): boolean {
  return spec.btf !== undefined && spec.btf.findAll(TAG, ["decl_tag"]).length > 0;
}

/**
 * Creates the clones, as libbpf does, and points each program's func_info to them.
 *
 * Static and hidden functions need no clone, because the verifier checks them at each call. A parameter that
 * already has a context type, or is not a pointer that can stand for a context, is not changed.
 */
export function argumentContexts(
  spec: ObjectSpec,
  programs: readonly RelocatedProgram[],
): ArgumentContexts {
  const { btf } = spec;
  const tagged = btf === undefined ? new Map() : taggedFunctions(spec, btf);
  if (btf === undefined || tagged.size === 0) return { programs, types: [] };
  const clones = new Clones(btf, tagged);
  return {
    programs: programs.map((linked) => withContexts(linked, clones)),
    types: clones.types,
  };
}

function withContexts(linked: RelocatedProgram, clones: Clones): RelocatedProgram {
  const { funcInfo, program } = linked;
  const context = CONTEXTS[program.type];
  if (funcInfo === undefined || context === undefined) return linked;
  const records = funcInfo.records.slice();
  const view = new DataView(records.buffer);
  let changed = false;
  for (let at = 4; at < records.length; at += funcInfo.recordSize) {
    const id = view.getUint32(at, true);
    const clone = clones.of(id, context);
    if (clone === id) continue;
    view.setUint32(at, clone, true);
    changed = true;
  }
  return changed ? { ...linked, funcInfo: { ...funcInfo, records } } : linked;
}

/** Limit of parameters: the kernel passes five in registers; the rest allows for stack arguments. */
const MOST_PARAMETERS = 12;

/** Returns the indices of the tagged parameters of each global function. */
function taggedFunctions(spec: ObjectSpec, btf: Btf): Map<number, Set<number>> {
  const { units } = parsedObject(spec);
  const hidden = new Set(units.all.filter(({ hidden }) => hidden).map(({ name }) => name));
  const tagged = new Map<number, Set<number>>();
  for (const id of btf.findAll(TAG, ["decl_tag"])) {
    const tag = btf.type(id);
    if (tag.kind !== "decl_tag") continue;
    const func = btf.type(tag.type);
    if (func.kind !== "func" || func.linkage !== "global" || hidden.has(func.name)) continue;
    const prototype = btf.type(func.type);
    // The verifier refuses functions with more parameters.
    if (prototype.kind !== "func_proto" || prototype.parameters.length > MOST_PARAMETERS) continue;
    const parameter = tag.componentIndex;
    if (parameter < 0 || parameter >= prototype.parameters.length) continue;
    const parameters = tagged.get(tag.type);
    if (parameters === undefined) tagged.set(tag.type, new Set([parameter]));
    else parameters.add(parameter);
  }
  return tagged;
}

/** Clones made so far, one per function and context. */
class Clones {
  readonly types: TypeDefinition[] = [];
  readonly #btf: Btf;
  readonly #tagged: ReadonlyMap<number, ReadonlySet<number>>;
  readonly #made = new Map<string, number>();
  readonly #pointers = new Map<string, number>();

  constructor(btf: Btf, tagged: ReadonlyMap<number, ReadonlySet<number>>) {
    this.#btf = btf;
    this.#tagged = tagged;
  }

  /** Returns the function's clone for a context, or the function when it needs none. */
  of(id: number, context: string): number {
    const tagged = this.#tagged.get(id);
    if (tagged === undefined) return id;
    const key = `${id} ${context}`;
    let clone = this.#made.get(key);
    if (clone === undefined) this.#made.set(key, clone = this.#make(id, tagged, context));
    return clone;
  }

  #make(id: number, tagged: ReadonlySet<number>, context: string): number {
    const btf = this.#btf;
    const func = btf.type(id) as FuncType;
    const prototype = btf.type(func.type) as FuncProtoType;
    const wanted = [...tagged].filter((index) =>
      needsContext(btf, prototype.parameters[index]?.type ?? 0, context)
    );
    if (wanted.length === 0) return id;
    const pointer = this.#pointer(context);
    const type = this.#add({
      ...prototype,
      parameters: prototype.parameters.map((parameter, index) =>
        wanted.includes(index) ? { ...parameter, type: pointer } : parameter
      ),
    });
    const clone = this.#add({ ...func, type });
    for (const componentIndex of wanted) {
      this.#add({ kind: "decl_tag", name: TAG, type: clone, componentIndex });
    }
    return clone;
  }

  /** Returns a pointer to an empty struct, of which these kernels compare only the name. */
  #pointer(context: string): number {
    let pointer = this.#pointers.get(context);
    if (pointer === undefined) {
      const struct = this.#add({ kind: "struct", name: context, size: 0, members: [] });
      pointer = this.#add({ kind: "ptr", name: "", type: struct });
      this.#pointers.set(context, pointer);
    }
    return pointer;
  }

  #add(type: TypeDefinition): number {
    this.types.push(type);
    return this.#btf.endId + this.types.length - 1;
  }
}

/** Returns whether a parameter can be the context, but not as a type that kernels before 6.8 recognize. */
function needsContext(btf: Btf, parameter: number, context: string): boolean {
  const pointer = btf.type(btf.resolve(parameter));
  if (pointer.kind !== "ptr") return false;
  const named = withoutModifiers(btf, pointer.type);
  // The only context type that is a typedef.
  if (
    context in REGISTERS && named.kind === "typedef" && named.name === "bpf_user_pt_regs_t"
  ) return false;
  const target = btf.type(btf.resolve(pointer.type));
  if (target.kind === "void") return true;
  if (target.kind === "struct") return REGISTERS[context]?.includes(target.name) ?? false;
  // The context of raw tracepoints is an array of 64-bit values.
  return context === "bpf_raw_tracepoint_args" && target.kind === "int" && target.size === 8;
}

/** Returns the type behind const, volatile, restrict and type tags; typedefs are kept. */
function withoutModifiers(btf: Btf, id: number): ReturnType<Btf["type"]> {
  let type = btf.type(id);
  while (
    type.kind === "const" || type.kind === "volatile" || type.kind === "restrict" ||
    type.kind === "type_tag"
  ) type = btf.type(type.type);
  return type;
}
