/**
 * Computes the least delegation that loads an object.
 *
 * Pure: no kernel access, no permission, and the same result in a browser.
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

/**
 * The loader to plan for. `skep` needs exactly what the kernel checks; `libbpf` (up to 1.7) also
 * needs its feature probes to succeed.
 */
export type PlanProfile = "skep" | "libbpf";

/** Options of {@linkcode plan}. */
export interface PlanOptions {
  /**
   * The loader to plan for.
   *
   * @default {"skep"}
   */
  readonly profile?: PlanProfile | undefined;
  /**
   * BTF of the kernel that will load the object.
   *
   * The attach type bit of a struct_ops program is the index of a member of the kernel's struct;
   * without this BTF, the object's own struct is used. It also shows which link types the kernel is
   * built with.
   */
  readonly kernelBtf?: Btf | undefined;
  /**
   * Whether to plan for programs rewritten to token forms, such as a kprobe as kprobe.multi, or as
   * written. The profile `libbpf` always plans as written.
   *
   * @default {"for-token"}
   */
  readonly rewrite?: Rewrite | undefined;
}

/** The facts of a {@linkcode Plan}. */
export interface PlanFacts {
  /** The loader that the plan is for. */
  readonly profile: PlanProfile;
  /** The delegated commands and types. */
  readonly delegation: Delegation;
  /** Delegated values that the objects can load without. */
  readonly optional: readonly DelegationWord[];
  /** Capabilities needed in the user namespace. */
  readonly capabilities: readonly BpfCapability[];
  /** Capabilities that the verifier may require, which the instructions alone do not decide. */
  readonly maybe: readonly MaybeCapability[];
  /** What the holder can read, and where it can attach. */
  readonly holder: HolderAccess;
  /** What needs each value and capability. */
  readonly reasons: readonly PlanReason[];
  /** Remarks for the granter. */
  readonly notes: readonly PlanNote[];
  /** How each loaded program will be attached; empty when planned as written. */
  readonly attachDecisions: readonly AttachDecision[];
}

/**
 * The delegation that some objects need, with reasons, in every format in which it can be granted.
 */
export class Plan implements PlanFacts {
  /** The loader that the plan is for. */
  readonly profile: PlanProfile;
  /** The delegated commands and types. */
  readonly delegation: Delegation;
  /** Delegated values that the objects can load without, at the loss that a note describes. */
  readonly optional: readonly DelegationWord[];
  /**
   * Capabilities that the loading process needs *in* its user namespace, in lower case without
   * `CAP_`.
   */
  readonly capabilities: readonly BpfCapability[];
  /**
   * Capabilities that the loading process may need beside those. Only the kernel's verifier decides it: what it finds
   * on the paths of speculation depends on its version, and the effort of following a program here is bounded.
   * Linux 6.12, but not 6.18, also refuses without CAP_PERFMON a program with invalid code behind a branch that is
   * never taken: compilers remove such code, and it is not looked for here.
   */
  readonly maybe: readonly MaybeCapability[];
  /**
   * What the holder of this delegation can read, and where it can attach: not what these programs
   * do, but what any program of their types could.
   */
  readonly holder: HolderAccess;
  /** What needs each value and capability. */
  readonly reasons: readonly PlanReason[];
  /** Remarks to read before granting it. */
  readonly notes: readonly PlanNote[];
  /** How each loaded program will be attached; empty when planned as written. */
  readonly attachDecisions: readonly AttachDecision[];

  /**
   * Copies the facts.
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

  /** Names of the delegated commands of bpf(2). */
  get commands(): string[] {
    return this.delegation.names("commands");
  }

  /** Names of the delegated map types. */
  get maps(): string[] {
    return this.delegation.names("maps");
  }

  /** Names of the delegated program types. */
  get programs(): string[] {
    return this.delegation.names("programs");
  }

  /** Names of the delegated attach types. */
  get attachments(): string[] {
    return this.delegation.names("attachments");
  }

  /** Formats as mount options with names: `delegate_cmds=map_create:prog_load,delegate_maps=…`. */
  toMountOptions(): string {
    return this.delegation.toMountOptions();
  }

  /** Formats as mount options with numbers, which every kernel parses alike. */
  toHex(): string {
    return this.delegation.toHex();
  }

  /** Returns the arguments of the fsconfig(2) calls. */
  toFsconfig(): { readonly key: string; readonly value: string }[] {
    return this.delegation.toFsconfig();
  }

  /** Formats a drop-in for a systemd service (systemd 258). */
  toSystemd(): string {
    return toSystemd(this);
  }

  /** Formats Incus instance keys, one `key=value` per line. */
  toIncus(): string {
    return toIncus(this.delegation);
  }

  /** Formats LXD instance keys, one `key=value` per line. */
  toLxd(): string {
    return toLxd(this.delegation);
  }

  /** Converts to plain JSON, in a stable order. */
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
 * Computes exactly the delegation that one or several objects need.
 *
 * Maps with `autocreate` off and programs with `autoload` off do not count: set these first.
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
        text: `map type ${number} has no bit in delegate_maps: it cannot be delegated`,
      });
    }
    for (const capability of mapTypeCapabilities(type)) builder.need(capability, reason);
  }
  if (map.pinning === "by-name") {
    notes.push({
      level: "note",
      subject: map.name,
      text: "the map is pinned by name: if the pin exists, map_create is not needed for it",
    });
  }
}

/**
 * Adds the maps of jump tables, which are created when programs are linked and are not in the
 * object's maps.
 */
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
      const text = "libbpf up to 1.7 creates jump tables without a token, so it cannot load them";
      notes.push({ level: "warning", subject: name, text });
    }
  }
}

/** Yields the types of a map and its inner maps, to any depth, each with its reason. */
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
        `the section "${program.section}" implies no program type, so no delegation can be planned for it`,
    });
    return;
  }
  const { capabilities, attachCapabilities, attachWord } = programTypeFacts(program.type);
  builder.add("commands", Command.prog_load, because);
  builder.add("programs", ProgramType[program.type], because);
  // Every kernel with tokens has uprobe.multi, and libbpf loads USDT programs for it too.
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
        `its attach type is the index of ${member.name} in the kernel's struct ${member.struct}, and ` +
        "was planned from the object's struct: pass the BTF of the target kernel",
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
