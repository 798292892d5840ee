/**
 * For each kind of attach target, the form that can be attached with a BPF token.
 *
 * @module
 */

import type { Btf } from "../btf/btf.ts";
import type { AttachKind, AttachSpecOf } from "../object/section/attach_spec.ts";
import type { AttachTypeName, ProgramTypeName } from "../uapi/enums.ts";
import type {
  AttachablePart,
  AttachAsIs,
  AttachDecision,
  AttachDecisionBase,
  AttachRefused,
  AttachRewritten,
  RewriteOptions,
} from "./attach_decision.ts";
import { contextUse } from "./context_use.ts";
import { hasTracepoint, tracepointPrototype } from "./tracepoint_types.ts";

/** Input of one decision. */
interface Asked<Kind extends AttachKind> {
  readonly base: AttachDecisionBase;
  readonly program: AttachablePart;
  readonly spec: AttachSpecOf<Kind>;
  readonly options: RewriteOptions;
}

/** How programs of one kind are attached with a token. */
interface TokenForm<Kind extends AttachKind> {
  /** Returns the section names that do with a token what this kind does through a perf event. */
  sections(spec: AttachSpecOf<Kind>): readonly string[];
  /** Decides about one program; undefined means attached as written. */
  decide(asked: Asked<Kind>): AttachDecision | undefined;
}

/** Attached through bpf_link, or by a command that takes no token: no rewrite needed. */
const AS_IS = undefined;

const forms: { readonly [Kind in AttachKind]: TokenForm<Kind> | undefined } = {
  none: AS_IS,
  kprobe: {
    sections: ({ returns, function: name }) => [
      target(returns ? "kretprobe.multi" : "kprobe.multi", name),
    ],
    decide: (asked) => asWritten(asked) ?? kprobe(asked),
  },
  kprobe_multi: AS_IS,
  ksyscall: {
    sections: ({ returns, syscall }) => {
      const form = returns ? "kretprobe.multi" : "kprobe.multi";
      const place = syscall === undefined ? undefined : functionOf(syscall, {});
      return [target(form, place), `tp_btf/sys_${returns ? "exit" : "enter"}`];
    },
    decide: (asked) => asWritten(asked) ?? ksyscall(asked),
  },
  uprobe: {
    sections: ({ returns }) => [returns ? "uretprobe.multi" : "uprobe.multi"],
    decide: (asked) => asWritten(asked) ?? uprobe(asked),
  },
  uprobe_multi: AS_IS,
  usdt: {
    sections: () => ["uprobe.multi"],
    decide: (asked) => asWritten(asked) ?? uprobe(asked),
  },
  tracepoint: {
    sections: ({ category, name }) =>
      category !== undefined && MADE_EVENTS.has(category)
        ? madeInstead(category, name, {})
        : [target("tp_btf", name), target("raw_tp", name)],
    decide: (asked) => asked.program.type === "tracepoint" ? tracepoint(asked) : undefined,
  },
  raw_tracepoint: AS_IS,
  tp_btf: AS_IS,
  fentry: AS_IS,
  fexit: AS_IS,
  fmod_ret: AS_IS,
  fsession: AS_IS,
  tracing_multi: AS_IS,
  freplace: AS_IS,
  lsm: AS_IS,
  lsm_cgroup: AS_IS,
  iter: AS_IS,
  tcx: AS_IS,
  tc: AS_IS,
  netkit: AS_IS,
  xdp: AS_IS,
  cgroup: AS_IS,
  netns: AS_IS,
  netfilter: AS_IS,
  sockmap: AS_IS,
  sk_msg: AS_IS,
  lwt: AS_IS,
  socket: AS_IS,
  reuseport: AS_IS,
  perf_event: {
    sections: () => [],
    decide: ({ base }) => ({ ...base, outcome: "as-is", notes: [OWN_EVENTS] }),
  },
  lirc: AS_IS,
  struct_ops: AS_IS,
  syscall: AS_IS,
};

/**
 * Returns the section names that do with a token what a section does through a perf event; empty
 * when no perf event is involved.
 */
export function sectionsForToken<Kind extends AttachKind>(
  spec: AttachSpecOf<Kind>,
): readonly string[] {
  const form: TokenForm<Kind> | undefined = forms[spec.kind];
  return form?.sections(spec) ?? [];
}

/** Decides how one program is attached with a token. */
export function decideForToken<Kind extends AttachKind>(
  program: AttachablePart,
  spec: AttachSpecOf<Kind>,
  options: RewriteOptions,
): AttachDecision {
  const base: AttachDecisionBase = { program: program.name, section: program.section, notes: [] };
  const form: TokenForm<Kind> | undefined = forms[spec.kind];
  return form?.decide({ base, program, spec, options }) ?? { ...base, outcome: "as-is" };
}

/** Keeps a probe whose expected attach type the user has set. */
function asWritten({ base, program }: Asked<AttachKind>): AttachAsIs | undefined {
  return program.expectedAttachType === undefined ? undefined : { ...base, outcome: "as-is" };
}

/**
 * The kernel struct of each multi link type; present in BTF only when the kernel is built with it.
 */
const KPROBE_MULTI = { struct: "bpf_kprobe_multi_link", built: "CONFIG_FPROBE" };
const UPROBE_MULTI = { struct: "bpf_uprobe_multi_link", built: "CONFIG_UPROBES" };

/** Event categories without a BPF-attachable tracepoint. */
const MADE_EVENTS: ReadonlySet<string> = new Set([
  "syscalls",
  "kprobes",
  "uprobes",
  "eprobes",
  "fprobes",
  "synthetic",
  "ftrace",
]);

const OWN_EVENTS =
  "with a token it attaches only to perf events that this process may open itself: events of its " +
  "own processes, without kernel mode, and only where perf_event_paranoid is 2 or less";

function kernelTypes({ kernelBtf }: RewriteOptions): Btf | undefined {
  return typeof kernelBtf === "function" ? kernelBtf() : kernelBtf;
}

/**
 * Returns the refusal when the kernel lacks a form; undefined when it has it, or without kernel
 * BTF.
 */
function notBuilt(
  base: AttachDecisionBase,
  btf: Btf | undefined,
  { struct, built }: typeof KPROBE_MULTI,
  form: string,
  instead: readonly string[],
): AttachRefused | undefined {
  if (btf === undefined || btf.find(struct, "struct") !== undefined) return undefined;
  return {
    ...base,
    outcome: "refused",
    reason: "not-built",
    why: `with a token it must attach as ${form}, and this kernel is built without ${built}`,
    instead,
  };
}

function kprobe({ base, program: { type }, spec, options }: Asked<"kprobe">): AttachDecision {
  const { function: name, offset, returns } = spec;
  const form = `${returns ? "kretprobe" : "kprobe"}.multi`;
  if (offset !== 0) {
    return {
      ...base,
      outcome: "refused",
      reason: "offset",
      why: `it probes ${name ?? "a function"} at byte ${offset}, and kprobe.multi, which ` +
        "needs no perf event, attaches to function entries only",
      instead: [target(form, name)],
    };
  }
  const trampoline = target(returns ? "fexit" : "fentry", name);
  return notBuilt(base, kernelTypes(options), KPROBE_MULTI, form, [trampoline]) ??
    rewritten(base, type, target(form, name), "trace_kprobe_multi", []);
}

function ksyscall({ base, program: { type }, spec, options }: Asked<"ksyscall">): AttachDecision {
  const { syscall, returns } = spec;
  const form = `${returns ? "kretprobe" : "kprobe"}.multi`;
  const place = target(form, syscall === undefined ? undefined : functionOf(syscall, options));
  const instead = [`tp_btf/sys_${returns ? "exit" : "enter"}`];
  return notBuilt(base, kernelTypes(options), KPROBE_MULTI, form, instead) ??
    rewritten(base, type, place, "trace_kprobe_multi", []);
}

/** Returns the name of the kernel function that implements a system call. */
function functionOf(syscall: string, { machine }: RewriteOptions): string {
  return `${machine === "aarch64" ? "__arm64" : "__x64"}_sys_${syscall}`;
}

function uprobe({ base, program, spec, options }: Asked<"uprobe" | "usdt">): AttachDecision {
  const form = spec.kind === "uprobe" && spec.returns ? "uretprobe.multi" : "uprobe.multi";
  const place = spec.path === undefined
    ? undefined
    : spec.kind === "usdt"
    ? `${spec.path}:(${spec.provider}:${spec.name})`
    : `${spec.path}:${spec.function ?? ""}${spec.offset === 0 ? "" : `+${spec.offset}`}`;
  return notBuilt(base, kernelTypes(options), UPROBE_MULTI, form, []) ??
    rewritten(base, program.type, target(form, place), "trace_uprobe_multi", []);
}

function tracepoint({ base, program, spec, options }: Asked<"tracepoint">): AttachDecision {
  const { category, name } = spec;
  if (category !== undefined && MADE_EVENTS.has(category)) {
    return madeEvent(base, category, name, options);
  }
  const btf = kernelTypes(options);
  const use = contextUse(program.instructions);
  if (use !== undefined) {
    const prototype = name === undefined || btf === undefined
      ? undefined
      : tracepointPrototype(btf, name, program.name);
    return {
      ...base,
      outcome: "refused",
      reason: "reads-context",
      why: `it ${use.text} (instruction ${use.instruction}), and only a perf ` +
        "event provides the context that it expects",
      instead: [target("tp_btf", name), target("raw_tp", name)],
      prototype,
    };
  }
  const unknown = name !== undefined && btf !== undefined && !hasTracepoint(btf, name);
  return rewritten(
    base,
    "raw_tracepoint",
    target("raw_tp", name),
    undefined,
    unknown
      ? [`the kernel BTF has no tracepoint ${name}; attaching works only if a module defines it`]
      : [],
  );
}

function madeEvent(
  base: AttachDecisionBase,
  category: string,
  name: string | undefined,
  options: RewriteOptions,
): AttachRefused {
  return {
    ...base,
    outcome: "refused",
    reason: "no-kernel-tracepoint",
    why: `${category}/${name ?? "…"} exists in perf and tracefs only: it has no ` +
      "tracepoint that BPF can attach to",
    instead: madeInstead(category, name, options),
  };
}

/**
 * Suggests replacements for an event without a tracepoint: the function of the system call, or the
 * tracepoints of all system calls.
 */
function madeInstead(
  category: string,
  name: string | undefined,
  options: RewriteOptions,
): readonly string[] {
  if (category !== "syscalls") return [];
  const [, side, syscall = ""] = /^sys_(enter|exit)_(.+)$/.exec(name ?? "") ?? [];
  if (side === undefined) return ["tp_btf/sys_enter", "tp_btf/sys_exit"];
  const form = side === "exit" ? "kretprobe.multi" : "kprobe.multi";
  return [`tp_btf/sys_${side}`, `${form}/${functionOf(syscall, options)}`];
}

function rewritten(
  base: AttachDecisionBase,
  type: ProgramTypeName,
  form: string,
  expectedAttachType: AttachTypeName | undefined,
  notes: readonly string[],
): AttachRewritten {
  return { ...base, outcome: "rewritten", form, type, expectedAttachType, notes };
}

function target(form: string, place: string | undefined): string {
  return place === undefined ? form : `${form}/${place}`;
}
