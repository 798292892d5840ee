/**
 * Reads the kernel's tracepoints from its BTF.
 *
 * @module
 */

import type { Btf } from "../btf/btf.ts";

/** Returns whether vmlinux has a tracepoint of the name; modules have BTF of their own. */
export function hasTracepoint(btf: Btf, name: string): boolean {
  return btf.find(`btf_trace_${name}`, "typedef") !== undefined;
}

/**
 * Returns the first line of a program for a tracepoint: `int BPF_PROG(count, bool preempt, struct
 * task_struct *prev, …)`; undefined when BTF has no prototype.
 */
export function tracepointPrototype(btf: Btf, name: string, program: string): string | undefined {
  // The typedef's parameters are unnamed; those of the function that runs programs have names.
  const id = btf.find(`__bpf_trace_${name}`, "func");
  const func = id === undefined ? undefined : btf.type(id);
  const proto = func?.kind === "func" ? btf.type(func.type) : undefined;
  if (proto?.kind !== "func_proto") return undefined;
  // The first parameter is the kernel's `__data`.
  const parameters = proto.parameters.slice(1)
    .map(({ name, type }) => declaration(btf, type, name));
  return `int BPF_PROG(${[program, ...parameters].join(", ")})`;
}

/** Formats a C declaration, for the types that tracepoints take. */
function declaration(btf: Btf, id: number, name: string): string {
  let type = btf.type(id);
  let stars = "";
  let qualifier = "";
  // Bounded, since malformed BTF can be circular.
  for (let depth = 0; depth < 16; depth++) {
    if (type.kind === "ptr") stars += "*";
    else if (type.kind === "const") qualifier = "const ";
    else if (type.kind !== "volatile" && type.kind !== "restrict" && type.kind !== "type_tag") {
      break;
    }
    type = btf.type(type.type);
  }
  const tag = type.kind === "struct" || type.kind === "union" || type.kind === "enum"
    ? `${type.kind} `
    : type.kind === "enum64"
    ? "enum "
    : "";
  const base = "name" in type && type.name !== "" ? type.name : "void";
  return `${qualifier}${tag}${base} ${stars}${name}`;
}
