/**
 * What the kernel's types say about its tracepoints.
 *
 * @module
 */

import type { Btf } from "../btf/btf.ts";

/** Whether the kernel has a tracepoint of the name in its own code (modules have types of their own). */
export function hasTracepoint(btf: Btf, name: string): boolean {
  return btf.find(`btf_trace_${name}`, "typedef") !== undefined;
}

/**
 * How a program for a tracepoint begins, with the tracepoint's own arguments:
 * `int BPF_PROG(count, bool preempt, struct task_struct *prev, …)`. Undefined when the types do not
 * tell.
 */
export function tracepointPrototype(btf: Btf, name: string, program: string): string | undefined {
  // The typedef's arguments have no names; those of the function that calls programs do.
  const id = btf.find(`__bpf_trace_${name}`, "func");
  const func = id === undefined ? undefined : btf.type(id);
  const proto = func?.kind === "func" ? btf.type(func.type) : undefined;
  if (proto?.kind !== "func_proto") return undefined;
  // The first is the kernel's own.
  const parameters = proto.parameters.slice(1)
    .map(({ name, type }) => declaration(btf, type, name));
  return `int BPF_PROG(${[program, ...parameters].join(", ")})`;
}

/** A type and a name as C has them, for the types that tracepoints take. */
function declaration(btf: Btf, id: number, name: string): string {
  let type = btf.type(id);
  let stars = "";
  let qualifier = "";
  // Pointers to pointers to const … end soon; a malformed circle too.
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
