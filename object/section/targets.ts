/**
 * Parses the target in a SEC() name: `module:function`, `path:function+offset`, `category/name` …
 *
 * @module
 */

import type {
  AttachKind,
  AttachSpecOf,
  FreplaceAttachSpec,
  KprobeAttachSpec,
  KprobeMultiAttachSpec,
  KsyscallAttachSpec,
  PlainAttachSpec,
  RawTracepointAttachSpec,
  TracepointAttachSpec,
  UprobeAttachSpec,
  UprobeMultiAttachSpec,
  UsdtAttachSpec,
} from "./attach_spec.ts";

/** The part of a row that a target reader reads. */
export interface SectionEntry {
  /** Section name without the target. */
  readonly name: string;
}

/** Parses the target of a section name into an attach spec. */
export type TargetReader<Kind extends AttachKind> = (
  target: string | undefined,
  entry: SectionEntry,
) => AttachSpecOf<Kind>;

export const NONE: PlainAttachSpec = { kind: "none", attachable: "no" };

const NO_OFFSET = "return probes do not take an offset";

/** Returns `target-named` when there is a target, else `needs-target`. */
function named(target: string | undefined): "target-named" | "needs-target" {
  return target === undefined ? "needs-target" : "target-named";
}

export function kprobe(target: string | undefined, entry: SectionEntry): KprobeAttachSpec {
  const returns = entry.name.startsWith("kret");
  const plan = { kind: "kprobe", attachable: named(target), returns } as const;
  if (target === undefined) return { ...plan, offset: 0 };
  const match = /^([A-Za-z0-9_.]+)(?:\+(0[xX][0-9a-fA-F]+|[0-9]+))?$/.exec(target);
  if (match === null) {
    return {
      ...plan,
      offset: 0,
      problem: `"${target}" is not of the form function or function+offset`,
    };
  }
  const offset = Number(match[2] ?? 0);
  return {
    ...plan,
    function: match[1] as string,
    offset,
    problem: returns && offset !== 0 ? NO_OFFSET : undefined,
  };
}

export function kprobeMulti(
  target: string | undefined,
  entry: SectionEntry,
): KprobeMultiAttachSpec {
  const plan = {
    kind: "kprobe_multi",
    attachable: named(target),
    returns: entry.name.startsWith("kret"),
    session: entry.name.includes("session"),
  } as const;
  if (target === undefined) return plan;
  if (!/^[A-Za-z0-9_.*?]+$/.test(target)) {
    return { ...plan, problem: `"${target}" is not a function name or pattern` };
  }
  return { ...plan, pattern: target };
}

export function ksyscall(target: string | undefined, entry: SectionEntry): KsyscallAttachSpec {
  return {
    kind: "ksyscall",
    attachable: named(target),
    returns: entry.name.startsWith("kret"),
    syscall: target,
  };
}

export function uprobe(target: string | undefined, entry: SectionEntry): UprobeAttachSpec {
  const returns = entry.name.startsWith("uret");
  const plan = { kind: "uprobe", attachable: named(target), returns } as const;
  if (target === undefined) return { ...plan, offset: 0 };
  const colon = target.indexOf(":");
  const path = colon < 0 ? target : target.slice(0, colon);
  let symbol = colon < 0 ? "" : target.slice(colon + 1);
  if (path === "" || symbol === "") {
    return {
      ...plan,
      path,
      offset: 0,
      problem: `"${target}" lacks :function or :function+offset`,
    };
  }
  let offset = 0;
  const plus = /\+(0[xX][0-9a-fA-F]+|[0-9]+)$/.exec(symbol);
  if (plus !== null) {
    offset = Number(plus[1]);
    symbol = symbol.slice(0, plus.index);
  }
  const at = symbol.indexOf("@");
  const version = at < 0 ? undefined : symbol.slice(at).replace(/^@@?/, "");
  return {
    ...plan,
    path,
    function: at < 0 ? symbol : symbol.slice(0, at),
    version,
    offset,
    problem: returns && offset !== 0 ? NO_OFFSET : undefined,
  };
}

export function uprobeMulti(
  target: string | undefined,
  entry: SectionEntry,
): UprobeMultiAttachSpec {
  const plan = {
    kind: "uprobe_multi",
    attachable: named(target),
    returns: entry.name.startsWith("uret"),
    session: entry.name.includes("session"),
  } as const;
  if (target === undefined) return plan;
  const colon = target.indexOf(":");
  if (colon <= 0 || colon === target.length - 1) {
    return { ...plan, problem: `"${target}" is not of the form path:pattern` };
  }
  return { ...plan, path: target.slice(0, colon), pattern: target.slice(colon + 1) };
}

export function usdt(target: string | undefined): UsdtAttachSpec {
  const plan = { kind: "usdt", attachable: named(target) } as const;
  if (target === undefined) return plan;
  const match = /^([^:]+):([^:]+):([^:]+)$/.exec(target);
  if (match === null) {
    return { ...plan, problem: `"${target}" is not of the form path:provider:name` };
  }
  return {
    ...plan,
    path: match[1] as string,
    provider: match[2] as string,
    name: match[3] as string,
  };
}

export function tracepoint(target: string | undefined): TracepointAttachSpec {
  const plan = { kind: "tracepoint", attachable: named(target) } as const;
  if (target === undefined) return plan;
  const slash = target.indexOf("/");
  if (slash <= 0 || slash === target.length - 1) {
    return { ...plan, problem: `"${target}" is not of the form category/name` };
  }
  return { ...plan, category: target.slice(0, slash), name: target.slice(slash + 1) };
}

export function rawTracepoint(
  target: string | undefined,
  entry: SectionEntry,
): RawTracepointAttachSpec {
  return {
    kind: "raw_tracepoint",
    attachable: named(target),
    writable: entry.name.endsWith(".w"),
    name: target,
  };
}

/** A parsed target `[module:]name`. */
export interface NamedInModule {
  /** Whether a target is given. */
  readonly attachable: "target-named" | "needs-target";
  /** Name; undefined without a target. */
  readonly name: string | undefined;
  /** Module; undefined when not given. */
  readonly module: string | undefined;
}

/** Returns a reader of `[module:]name`. */
export function inModule<Kind extends AttachKind>(
  specOf: (named: NamedInModule) => AttachSpecOf<Kind>,
): TargetReader<Kind> {
  return (target) => {
    const attachable = named(target);
    const colon = target?.indexOf(":") ?? -1;
    return specOf({
      attachable,
      name: colon < 0 ? target : target?.slice(colon + 1),
      module: colon < 0 ? undefined : target?.slice(0, colon),
    });
  };
}

export function freplace(target: string | undefined): FreplaceAttachSpec {
  // The section names the function, but not the program that contains it.
  return {
    kind: "freplace",
    attachable: "needs-target",
    function: target,
  };
}

/** Returns a reader for sections without a target. */
export function fixed<Kind extends AttachKind>(spec: AttachSpecOf<Kind>): TargetReader<Kind> {
  return () => spec;
}
