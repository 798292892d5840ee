/**
 * Least privilege from an object: which words must be delegated before it can be loaded.
 *
 * It is pure: no kernel, no permission, and the same answer in a browser tab.
 *
 * @module
 */

import type { MapSpec, ProgramSpec } from "../object/spec/spec.ts";
import { AttachType, Command, MapType, ProgramType } from "../uapi/enums.ts";
import type { Btf } from "../btf/btf.ts";
import type { JsonValue } from "../errors/skep_error.ts";
import type { Delegation, DelegationWord } from "./delegation.ts";
import { comparedAttachType, programTypeFacts } from "./program_types.ts";
import { type BpfCapability, mapTypeCapabilities } from "./bpf_capability.ts";
import { addCode } from "./code_needs.ts";
import { btfNeeds } from "./btf_needs.ts";
import { type StructOpsMember, structOpsMembers } from "./struct_ops.ts";
import { attachNotes, maybeNote, type PlanNote, programNotes, setNotes } from "./notes.ts";
import { type HolderAccess, holderAccess, holderJson } from "./holder.ts";
import { toIncus, toLxd, toSystemd } from "./grant_formats.ts";
import { attachmentJson } from "./attachment_text.ts";
import type { AttachDecision, Rewrite } from "./attach_decision.ts";
import { applyAttachment, planAttachment } from "./attachments.ts";
import { LAST_BIT, type MaybeCapability, PlanBuilder, type PlanReason } from "./builder.ts";
import { addLibbpf } from "./libbpf.ts";
import type { Plannable } from "./plannable.ts";

/** Who will load the object. `skep` needs exactly what the kernel checks; `libbpf` (up to 1.7) needs its probes to pass as well. */
export type PlanProfile = "skep" | "libbpf";

/** How to plan. */
export interface PlanOptions {
  /** Who will load; default `"skep"`. */
  readonly profile?: PlanProfile | undefined;
  /**
   * The types of the kernel that it will be loaded into. The attach word of struct_ops programs is the
   * number of a member of the kernel's struct: without it, the object's own struct is taken. And it
   * tells which forms of attaching the kernel is built with.
   */
  readonly kernelBtf?: Btf | undefined;
  /**
   * Whether programs are planned as they are loaded with a token (the default), where a kprobe becomes a
   * kprobe.multi, or as written. The profile `libbpf` is always as written.
   */
  readonly rewrite?: Rewrite | undefined;
}

/** What a {@linkcode Plan} is made of. */
export interface PlanFacts {
  /** Who will load. */
  readonly profile: PlanProfile;
  /** The words. */
  readonly delegation: Delegation;
  /** Words that the objects load without. */
  readonly optional: readonly DelegationWord[];
  /** Capabilities inside the user namespace. */
  readonly capabilities: readonly BpfCapability[];
  /** Capabilities that may be needed too: the instructions alone do not decide it. */
  readonly maybe: readonly MaybeCapability[];
  /** What its holder can read, and where it can attach. */
  readonly holder: HolderAccess;
  /** Who asks for what. */
  readonly reasons: readonly PlanReason[];
  /** What a person should know. */
  readonly notes: readonly PlanNote[];
  /** How each program that is loaded will be attached; empty when planned as written. */
  readonly attachDecisions: readonly AttachDecision[];
}

/** A delegation that some objects need, with reasons, and in every form in which it can be granted. */
export class Plan implements PlanFacts {
  /** Who will load. */
  readonly profile: PlanProfile;
  /** The four sets of words. */
  readonly delegation: Delegation;
  /** Those of the words that the objects load without, losing something that the notes name. */
  readonly optional: readonly DelegationWord[];
  /** Capabilities that the loading process needs *inside* its user namespace (`CAP_` left out, lower case). */
  readonly capabilities: readonly BpfCapability[];
  /**
   * Capabilities that the loading process may need beside those. Only the kernel's verifier decides it: what it finds
   * on the paths of speculation depends on its version, and the effort of following a program here is bounded.
   * Linux 6.12, but not 6.18, also refuses without CAP_PERFMON a program with invalid code behind a branch that is
   * never taken: compilers remove such code, and it is not looked for here.
   */
  readonly maybe: readonly MaybeCapability[];
  /**
   * What whoever holds this delegation can read, and where it can attach: not what these programs do, but
   * what any program of their types could.
   */
  readonly holder: HolderAccess;
  /** Who asks for what. */
  readonly reasons: readonly PlanReason[];
  /** What a person should know before granting it. */
  readonly notes: readonly PlanNote[];
  /** How each program that is loaded will be attached; empty when planned as written. */
  readonly attachDecisions: readonly AttachDecision[];

  /**
   * Takes over the facts.
   *
   * @internal
   */
  constructor(facts: PlanFacts) {
    this.profile = facts.profile;
    this.delegation = facts.delegation;
    this.optional = facts.optional;
    this.capabilities = facts.capabilities;
    this.maybe = facts.maybe;
    this.holder = facts.holder;
    this.reasons = facts.reasons;
    this.notes = facts.notes;
    this.attachDecisions = facts.attachDecisions;
  }

  /** Commands of bpf(2) by name. */
  get commands(): string[] {
    return this.delegation.names("commands");
  }

  /** Map types by name. */
  get maps(): string[] {
    return this.delegation.names("maps");
  }

  /** Program types by name. */
  get programs(): string[] {
    return this.delegation.names("programs");
  }

  /** Attach types by name. */
  get attachments(): string[] {
    return this.delegation.names("attachments");
  }

  /** Mount options with names: `delegate_cmds=map_create:prog_load,delegate_maps=…`. */
  toMountOptions(): string {
    return this.delegation.toMountOptions();
  }

  /** Mount options with numbers, which every kernel reads alike. */
  toHex(): string {
    return this.delegation.toHex();
  }

  /** The fsconfig(2) calls. */
  toFsconfig(): { readonly key: string; readonly value: string }[] {
    return this.delegation.toFsconfig();
  }

  /** A drop-in for a systemd service (systemd 258). */
  toSystemd(): string {
    return toSystemd(this);
  }

  /** Incus instance keys, one `key=value` a line. */
  toIncus(): string {
    return toIncus(this.delegation);
  }

  /** LXD instance keys, one `key=value` a line. */
  toLxd(): string {
    return toLxd(this.delegation);
  }

  /** Everything, stable from run to run. */
  toJSON(): { readonly [key: string]: JsonValue } {
    return {
      profile: this.profile,
      ...this.delegation.toJSON(),
      masks: Object.fromEntries(this.toFsconfig().map(({ key, value }) => [key, value])),
      optional: this.optional.map(({ option, word }) => `${option}=${word}`),
      capabilities: [...this.capabilities],
      maybe: this.maybe.map(({ capability, because }) => ({ capability, because: [...because] })),
      holder: holderJson(this.holder),
      reasons: this.reasons.map(({ word, because }) => ({ word, because: [...because] })),
      notes: this.notes.map((note) => ({ ...note })),
      attach: this.attachDecisions.filter(({ outcome }) => outcome !== "as-is").map(attachmentJson),
    };
  }
}

/**
 * The delegation that one or several objects need, exactly.
 *
 * Maps that are not created (`autocreate`) and programs that are not loaded (`autoload`) do not count:
 * decide about them first.
 *
 * @example
 * ```ts ignore
 * import { openObject, plan } from "@skep/skep";
 *
 * const need = plan(await openObject("execsnoop.bpf.o"));
 * console.log(need.toMountOptions(), need.holder.reads.memory);
 * ```
 */
export function plan(objects: Plannable | Iterable<Plannable>, options?: PlanOptions): Plan {
  const profile = options?.profile ?? "skep";
  const builder = new PlanBuilder();
  const notes: PlanNote[] = [];
  const mandatory = new Set<string>();
  const attachDecisions: AttachDecision[] = [];
  const forToken = profile === "skep" && options?.rewrite !== "never";
  for (const object of Symbol.iterator in objects ? objects : [objects]) {
    const maps = [...object.maps].filter((map) => map.autocreate);
    const written = [...object.programs].filter((program) => program.autoload);
    const decisions = forToken
      ? written.map((program) => planAttachment(program, { kernelBtf: options?.kernelBtf }))
      : [];
    attachDecisions.push(...decisions);
    notes.push(...decisions.flatMap(attachNotes));
    const programs = written.map((program, index) => {
      const decision = decisions[index];
      return decision === undefined ? program : applyAttachment(program, decision);
    });
    for (const map of maps) addMap(builder, map, notes);
    addJumpTables(builder, object, written, notes, profile);
    const helpers = new Map<number, string>();
    const members = structOpsMembers(object, maps, options?.kernelBtf);
    for (const program of programs) {
      addProgram(builder, program, members.get(program.name), notes, forToken);
    }
    addCode(builder, object, programs, helpers, notes);
    const btf = btfNeeds(object, maps, programs, helpers);
    if (btf.load) builder.add("commands", Command.btf_load, `BTF of ${object.name}`);
    for (const reason of btf.required) {
      builder.add("commands", Command.btf_load, reason);
      mandatory.add("btf_load");
    }
    for (const reason of btf.byId) {
      builder.add("commands", Command.btf_get_fd_by_id, reason);
      builder.need("sys_admin", reason);
      mandatory.add("btf_get_fd_by_id");
    }
    if (profile === "libbpf") addLibbpf(builder, object, maps, programs, helpers);
  }
  const delegation = builder.delegation;
  const optional = delegation.words().filter(({ set, word }) =>
    set === "commands" && word === "btf_load" && !mandatory.has(word)
  );
  const holder = holderAccess(delegation, { kernelBtf: options?.kernelBtf });
  notes.push(...setNotes(delegation, holder, optional), ...builder.maybe.map(maybeNote));
  return new Plan({
    profile,
    delegation,
    optional,
    capabilities: builder.capabilities,
    maybe: builder.maybe,
    holder,
    reasons: builder.reasons,
    notes: unique(notes),
    attachDecisions,
  });
}

function addMap(builder: PlanBuilder, map: MapSpec, notes: PlanNote[]): void {
  const because = `map ${map.name}`;
  builder.add("commands", Command.map_create, because);
  builder.need("bpf", because);
  for (const [type, reason] of mapTypes(map)) {
    const number = typeof type === "number" ? type : MapType[type];
    builder.add("maps", number, reason);
    if (number > LAST_BIT) {
      notes.push({
        level: "warning",
        subject: map.name,
        text: `no kernel has a map type ${number}: it cannot be delegated`,
      });
    }
    for (const capability of mapTypeCapabilities(type)) builder.need(capability, reason);
  }
  if (map.pinning === "by-name") {
    notes.push({
      level: "note",
      subject: map.name,
      text: "the map is pinned by name: where the pin exists, map_create is not needed for it",
    });
  }
}

/** Jump tables become maps when their programs are linked: the object's own maps do not show them. */
function addJumpTables(
  builder: PlanBuilder,
  object: Plannable,
  programs: readonly ProgramSpec[],
  notes: PlanNote[],
  profile: PlanProfile,
): void {
  if (programs.length === 0) return;
  const loaded = new Set(programs.map(({ name }) => name));
  const others = new Set([...object.programs].map(({ name }) => name));
  for (const { function: name, kind } of object.relocations ?? []) {
    if (kind !== "jumptable" || others.has(name) && !loaded.has(name)) continue;
    const because = `jump table of ${name}`;
    builder.add("commands", Command.map_create, because);
    builder.add("maps", MapType.insn_array, because);
    for (const capability of ["bpf", ...mapTypeCapabilities("insn_array")] as const) {
      builder.need(capability, because);
    }
    if (profile === "libbpf") {
      const text = "libbpf up to 1.7 creates jump tables without the token: it cannot load them";
      notes.push({ level: "warning", subject: name, text });
    }
  }
}

/** The types of a map and of the maps within it, to any depth, with who asks. */
function* mapTypes(map: MapSpec): Generator<[MapSpec["type"], string]> {
  let reason = `map ${map.name}`;
  for (let current: MapSpec | undefined = map; current !== undefined; current = current.inner) {
    yield [current.type, reason];
    reason = `inner map of ${map.name}`;
  }
}

function addProgram(
  builder: PlanBuilder,
  program: ProgramSpec,
  member: StructOpsMember | undefined,
  notes: PlanNote[],
  forToken: boolean,
): void {
  const because = `program ${program.name}`;
  if (program.type === "unspec") {
    notes.push({
      level: "warning",
      subject: program.name,
      text:
        `the section "${program.section}" tells no program type, so no delegation can be planned for it`,
    });
    return;
  }
  const { capabilities, attachCapabilities, attachWord } = programTypeFacts(program.type);
  builder.add("commands", Command.prog_load, because);
  builder.add("programs", ProgramType[program.type], because);
  // Where there are tokens there is uprobe.multi, and libbpf too loads USDT probes for it.
  const attachType = program.attach.kind === "usdt"
    ? AttachType.trace_uprobe_multi
    : attachWord === "member"
    ? member?.index ?? 0
    : comparedAttachType(program.type, program.expectedAttachType);
  const reason = attachWord === "member"
    ? `${because} (member ${member?.index ?? 0} of struct ${member?.struct ?? "?"})`
    : attachType === AttachType.cgroup_inet_ingress && program.expectedAttachType === undefined
    ? `${because} (attach type 0)`
    : because;
  builder.add("attachments", attachType, reason);
  builder.need("bpf", because);
  for (const capability of capabilities) builder.need(capability, because);
  if (member !== undefined && !member.certain) {
    notes.push({
      level: "warning",
      subject: program.name,
      text:
        `its attach word is the number of ${member.name} in the kernel's struct ${member.struct}, and ` +
        "was planned by the object's own: plan on the machine that it is for",
    });
  }
  for (const capability of attachCapabilities) {
    builder.need(capability, `${because}, to attach it`);
  }
  notes.push(...programNotes(program, forToken));
}

function unique(notes: readonly PlanNote[]): PlanNote[] {
  const seen = new Set<string>();
  return notes.filter((note) => {
    const key = JSON.stringify(note);
    return seen.has(key) ? false : (seen.add(key), true);
  });
}
