/**
 * The attach planner: how each program is attached when a token is all that there is.
 *
 * Probes and tracepoints of the old kind attach through perf_event_open(2), which asks for CAP_PERFMON
 * in the initial user namespace and knows no tokens. Most of them can be attached in another form, by
 * a link of the kernel's own; some cannot, and then it is better to hear so before loading.
 *
 * @module
 */

import type { Btf } from "../btf/btf.ts";
import type { AttachSpec } from "../object/section/attach_spec.ts";
import type { AttachTypeName, ProgramTypeName } from "../uapi/enums.ts";
import { sectionPlan } from "../object/section/table.ts";
import type { ProgramSpec } from "../object/spec/spec.ts";
import { contextUse } from "./context_use.ts";
import { hasTracepoint, tracepointPrototype } from "./tracepoint_types.ts";

/**
 * Whether programs are changed to what can be attached with a token (`token-safe`), or left as their
 * sections say (`"never"`): for programs that somebody with more privileges attaches.
 */
export type Rewrite = "for-token" | "never";

/** Why a program cannot be attached with a token, one word per cause. */
export type AttachRefusalCause =
  /** The probe is not at the beginning of a function. */
  | "offset"
  /** The program looks at the tracepoint's fields, which only a perf event lays out. */
  | "reads-context"
  /** The event is no tracepoint of the kernel's code: it exists for perf and tracefs alone. */
  | "no-kernel-tracepoint"
  /** The kernel is built without the form that would do. */
  | "not-built";

/** What every decision says. */
export interface AttachDecisionBase {
  /** The program. */
  readonly program: string;
  /** Its section as written. */
  readonly section: string;
  /** What to know about it. */
  readonly notes: readonly string[];
}

/** It is attached as its section says. */
export interface AttachAsIs extends AttachDecisionBase {
  /** Tells the decision. */
  readonly outcome: "as-is";
}

/** It is loaded and attached in another form. */
export interface AttachRewritten extends AttachDecisionBase {
  /** Tells the decision. */
  readonly outcome: "rewritten";
  /** The form, as a section's name would say it: `kprobe.multi/do_unlinkat`. */
  readonly form: string;
  /** The program type that it is loaded as. */
  readonly type: ProgramTypeName;
  /** The expected attach type that it is loaded with; undefined is 0. */
  readonly expectedAttachType: AttachTypeName | undefined;
}

/** It cannot be attached with a token. */
export interface AttachRefused extends AttachDecisionBase {
  /** Tells the decision. */
  readonly outcome: "refused";
  /** The cause, for programs. */
  readonly reason: AttachRefusalCause;
  /** The cause in the words of a person. */
  readonly why: string;
  /** Names of sections that do the same with a token. */
  readonly instead: readonly string[];
  /** The first line of a program for the first of them, where the kernel's types are known. */
  readonly prototype?: string;
}

/** What becomes of one program, told apart by `outcome`. */
export type AttachDecision = AttachAsIs | AttachRewritten | AttachRefused;

/**
 * Names of sections that do with a token what a section does by a perf event: those that the planner
 * rewrites to, or that the program has to be written for. Empty for sections that need no perf event.
 */
export function tokenSections(section: string): readonly string[] {
  const { attach } = sectionPlan(section);
  switch (attach.kind) {
    case "kprobe":
      return [target(attach.returns ? "kretprobe.multi" : "kprobe.multi", attach.function)];
    case "ksyscall": {
      const side = attach.returns ? "exit" : "enter";
      const form = attach.returns ? "kretprobe.multi" : "kprobe.multi";
      const place = attach.syscall === undefined ? undefined : functionOf(attach.syscall, {});
      return [target(form, place), `tp_btf/sys_${side}`];
    }
    case "uprobe":
      return [attach.returns ? "uretprobe.multi" : "uprobe.multi"];
    case "usdt":
      return ["uprobe.multi"];
    case "tracepoint":
      return attach.category !== undefined && MADE_EVENTS.has(attach.category)
        ? madeInstead(attach.category, attach.name, {})
        : [target("tp_btf", attach.name), target("raw_tp", attach.name)];
    default:
      return [];
  }
}

/** What is known of where programs will be attached. */
export interface RewriteOptions {
  /** Whether they are loaded with a token; without one everything stays as it is. Default: true. */
  readonly token?: boolean;
  /**
   * The types of the kernel, or how to get them: asked for only when a decision hangs on them. They
   * tell which forms the kernel is built with. Without them, all that Linux 6.9 can have is there.
   */
  readonly kernelBtf?: Btf | (() => Btf | undefined) | undefined;
  /** The machine as uname(2) calls it, for the names of system calls' functions. Default: `x86_64`. */
  readonly machine?: string;
}

/** The part of a program that a decision looks at. */
export type AttachablePart = Pick<
  ProgramSpec,
  "name" | "section" | "type" | "expectedAttachType" | "attach" | "instructions"
>;

/** The kernel's struct behind each kind of link: only there when the kernel is built with it. */
const KPROBE_MULTI = { struct: "bpf_kprobe_multi_link", built: "CONFIG_FPROBE" };
const UPROBE_MULTI = { struct: "bpf_uprobe_multi_link", built: "CONFIG_UPROBES" };

/** Categories of events that are no tracepoints in the kernel's code. */
const MADE_EVENTS: ReadonlySet<string> = new Set([
  "syscalls",
  "kprobes",
  "uprobes",
  "eprobes",
  "fprobes",
  "synthetic",
  "ftrace",
]);

/**
 * Decides about one program.
 *
 * kprobe and ksyscall become kprobe.multi; uprobe and USDT become uprobe.multi; a tracepoint program
 * that does not look at its context becomes raw_tp. Cookies are kept in every form.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { planAttachment } from "@skep/skep";
 *
 * const decision = planAttachment({
 *   name: "unlink",
 *   section: "kprobe/do_unlinkat",
 *   type: "kprobe",
 *   attach: {
 *     kind: "kprobe",
 *     attachable: "target-named",
 *     function: "do_unlinkat",
 *     offset: 0,
 *     returns: false,
 *   },
 *   instructions: new Uint8Array(),
 * });
 * assertEquals(decision.outcome === "rewritten" && decision.form, "kprobe.multi/do_unlinkat");
 * ```
 */
export function planAttachment(
  program: AttachablePart,
  options: RewriteOptions = {},
): AttachDecision {
  const { name, section, attach } = program;
  const base = { program: name, section, notes: [] };
  const asIs: AttachAsIs = { ...base, outcome: "as-is" };
  // What is wrong with the target's text, attach() says with or without a token.
  if (options.token === false || attach.problem !== undefined) return asIs;
  switch (attach.kind) {
    case "kprobe":
      return program.expectedAttachType === undefined
        ? kprobe(base, program.type, attach, kernelTypes(options))
        : asIs;
    case "ksyscall":
      return program.expectedAttachType === undefined
        ? ksyscall(base, program.type, attach, options)
        : asIs;
    case "uprobe":
    case "usdt":
      return program.expectedAttachType === undefined
        ? uprobe(base, program.type, attach, kernelTypes(options))
        : asIs;
    case "tracepoint":
      return program.type === "tracepoint" ? tracepoint(base, program, attach, options) : asIs;
    case "perf_event":
      return { ...asIs, notes: [OWN_EVENTS] };
    default:
      return asIs;
  }
}

const OWN_EVENTS =
  "with a token it attaches only to events that the process may open itself: of its own " +
  "processes, without what the kernel does for them, and where perf_event_paranoid is 2 at most";

function kernelTypes({ kernelBtf }: RewriteOptions): Btf | undefined {
  return typeof kernelBtf === "function" ? kernelBtf() : kernelBtf;
}

/** The refusal when the kernel lacks a form; undefined when it has it, or when nothing is known. */
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
    why: `a token needs ${form} for it, and this kernel is built without (${built})`,
    instead,
  };
}

type PlanOf<Kind extends AttachSpec["kind"]> = Extract<AttachSpec, { readonly kind: Kind }>;

function kprobe(
  base: AttachDecisionBase,
  type: ProgramTypeName,
  plan: PlanOf<"kprobe">,
  btf: Btf | undefined,
): AttachDecision {
  const { function: name, offset, returns } = plan;
  const form = `${returns ? "kretprobe" : "kprobe"}.multi`;
  if (offset !== 0) {
    return {
      ...base,
      outcome: "refused",
      reason: "offset",
      why: `it probes ${name ?? "a function"} at byte ${offset}, and kprobe.multi, the form that ` +
        "needs no perf event, probes the beginning of functions only",
      instead: [target(form, name)],
    };
  }
  const trampoline = target(returns ? "fexit" : "fentry", name);
  return notBuilt(base, btf, KPROBE_MULTI, form, [trampoline]) ??
    rewritten(base, type, target(form, name), "trace_kprobe_multi", []);
}

function ksyscall(
  base: AttachDecisionBase,
  type: ProgramTypeName,
  plan: PlanOf<"ksyscall">,
  options: RewriteOptions,
): AttachDecision {
  const { syscall, returns } = plan;
  const form = `${returns ? "kretprobe" : "kprobe"}.multi`;
  const place = target(form, syscall === undefined ? undefined : functionOf(syscall, options));
  const instead = [`tp_btf/sys_${returns ? "exit" : "enter"}`];
  return notBuilt(base, kernelTypes(options), KPROBE_MULTI, form, instead) ??
    rewritten(base, type, place, "trace_kprobe_multi", []);
}

/** The kernel's function for a system call. */
function functionOf(syscall: string, { machine }: RewriteOptions): string {
  return `${machine === "aarch64" ? "__arm64" : "__x64"}_sys_${syscall}`;
}

function uprobe(
  base: AttachDecisionBase,
  type: ProgramTypeName,
  plan: PlanOf<"uprobe" | "usdt">,
  btf: Btf | undefined,
): AttachDecision {
  const form = plan.kind === "uprobe" && plan.returns ? "uretprobe.multi" : "uprobe.multi";
  const place = plan.path === undefined
    ? undefined
    : plan.kind === "usdt"
    ? `${plan.path}:(${plan.provider}:${plan.name})`
    : `${plan.path}:${plan.function ?? ""}${plan.offset === 0 ? "" : `+${plan.offset}`}`;
  return notBuilt(base, btf, UPROBE_MULTI, form, []) ??
    rewritten(base, type, target(form, place), "trace_uprobe_multi", []);
}

function tracepoint(
  base: AttachDecisionBase,
  program: AttachablePart,
  { category, name }: PlanOf<"tracepoint">,
  options: RewriteOptions,
): AttachDecision {
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
      why: `it ${use.text} (instruction ${use.instruction}), and only perf_event_open gives it ` +
        "the one that it expects",
      instead: [target("tp_btf", name), target("raw_tp", name)],
      ...(prototype === undefined ? {} : { prototype }),
    };
  }
  const unknown = name !== undefined && btf !== undefined && !hasTracepoint(btf, name);
  return rewritten(
    base,
    "raw_tracepoint",
    target("raw_tp", name),
    undefined,
    unknown ? [`the kernel's types have no tracepoint ${name}: unless a module has it`] : [],
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
    why:
      `${category}/${name ?? "…"} is an event that the kernel makes up for perf and tracefs: no ` +
      "other way leads to it",
    instead: madeInstead(category, name, options),
  };
}

/** What comes near an event that the kernel makes up: a system call's own function, or all of them. */
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

/** A program as it is loaded after a decision: the same object, unless it is rewritten. */
export function applyAttachment(program: ProgramSpec, decision: AttachDecision): ProgramSpec {
  if (decision.outcome !== "rewritten") return program;
  const { expectedAttachType: _written, ...rest } = program;
  const { type, expectedAttachType } = decision;
  return {
    ...rest,
    type,
    ...(expectedAttachType === undefined ? {} : { expectedAttachType }),
  };
}
