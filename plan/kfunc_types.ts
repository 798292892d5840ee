/**
 * Reads the prototypes of kernel functions and global functions from the object's BTF.
 *
 * @module
 */

import type { Btf } from "../btf/btf.ts";
import type { BtfType } from "../btf/types.ts";
import type { ExternSpec } from "../object/spec/spec.ts";
import { ANY, CONTEXT, isConstant, MEMORY, OBJECT, type Value } from "./value.ts";
import { unknownNumber } from "./number_range.ts";

/** Struct names of program contexts. */
const CONTEXTS: ReadonlySet<string> = new Set([
  "__sk_buff",
  "xdp_md",
  "sk_msg_md",
  "sk_reuseport_md",
  "bpf_sock_ops",
  "bpf_sock_addr",
  "bpf_sockopt",
  "bpf_sk_lookup",
  "bpf_sock",
  "bpf_sysctl",
  "bpf_cgroup_dev_ctx",
  "bpf_nf_ctx",
]);

/** A pointer argument whose target has a known size. */
export interface PointerArgument {
  /** Number of the register that holds it. */
  readonly address: number;
  /** Size of the target in bytes. */
  readonly size: number;
}

/** Returns the result of a kernel function; `second` is its second argument. */
export function kfuncResult(
  btf: Btf | undefined,
  extern: ExternSpec | undefined,
  second: Value,
  id: number,
): Value {
  const name = extern?.essentialName ?? "";
  if (name === "bpf_cast_to_kern_ctx") return OBJECT;
  if (name === "bpf_rdonly_cast") return isConstant(second) && second.low === 0 ? MEMORY : OBJECT;
  const proto = prototypeOf(btf, extern);
  if (btf === undefined || proto === undefined) return ANY;
  const type = typeAt(btf, proto.returns);
  if (type?.kind !== "ptr") return unknownNumber();
  const to = typeAt(btf, type.type);
  if (to?.kind === "struct" || to?.kind === "union" || to?.kind === "fwd") {
    return { ...OBJECT, nullable: id };
  }
  // The prototypes of allocation functions return `void *`.
  if (name.startsWith("bpf_obj_new") || name.startsWith("bpf_percpu_obj_new")) {
    return { ...OBJECT, nullable: id };
  }
  return name.startsWith("bpf_arena_") ? ANY : { ...MEMORY, nullable: id };
}

/** Returns the pointer arguments of a kernel function. */
export function kfuncMemory(
  btf: Btf | undefined,
  extern: ExternSpec | undefined,
): PointerArgument[] {
  const proto = prototypeOf(btf, extern);
  return btf === undefined || proto === undefined
    ? []
    : pointerArguments(btf, proto.parameters.map(({ type }) => type));
}

/** Returns the arguments that the verifier assumes when it checks a global function separately. */
export function globalArguments(btf: Btf | undefined, name: string, id: number): Value[] {
  const proto = functionPrototype(btf, name);
  if (btf === undefined || proto === undefined) return [ANY, ANY, ANY, ANY, ANY];
  return proto.parameters.map(({ type }, index) => {
    const resolved = typeAt(btf, type);
    if (resolved?.kind !== "ptr") return unknownNumber();
    const to = typeAt(btf, resolved.type);
    if (index === 0 && to?.kind === "struct" && CONTEXTS.has(to.name)) return CONTEXT;
    if (to?.kind === "int" || to?.kind === "struct") return { ...MEMORY, nullable: id + index };
    return ANY;
  });
}

/** Returns the pointer arguments of a global function. */
export function globalMemory(btf: Btf | undefined, name: string): PointerArgument[] {
  const proto = functionPrototype(btf, name);
  if (btf === undefined || proto === undefined) return [];
  return pointerArguments(btf, proto.parameters.map(({ type }) => type));
}

type Prototype = BtfType & { readonly kind: "func_proto" };

function prototypeOf(btf: Btf | undefined, extern: ExternSpec | undefined): Prototype | undefined {
  if (btf === undefined || extern === undefined || extern.typeId === 0) return undefined;
  const type = typeAt(btf, extern.typeId);
  return type?.kind === "func_proto" ? type : undefined;
}

function functionPrototype(btf: Btf | undefined, name: string): Prototype | undefined {
  const id = btf?.findOwn(name, "func");
  if (btf === undefined || id === undefined) return undefined;
  const type = btf.type(id);
  const proto = type.kind === "func" ? btf.type(type.type) : undefined;
  return proto?.kind === "func_proto" ? proto : undefined;
}

function pointerArguments(btf: Btf, types: readonly number[]): PointerArgument[] {
  return types.flatMap((id, index) => {
    const type = typeAt(btf, id);
    if (type?.kind !== "ptr" || index >= 5) return [];
    const to = typeAt(btf, type.type);
    if (to === undefined || (to.kind !== "struct" && to.kind !== "int" && to.kind !== "array")) {
      return [];
    }
    try {
      return [{ address: index + 1, size: btf.size(type.type) }];
    } catch {
      return [];
    }
  });
}

/** Returns a type without qualifiers and typedefs; undefined when it cannot be resolved. */
function typeAt(btf: Btf, id: number): BtfType | undefined {
  try {
    return btf.type(btf.resolve(id));
  } catch {
    return undefined;
  }
}
