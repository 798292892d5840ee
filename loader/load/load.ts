/**
 * Loads an object spec in libbpf's order: externs, struct_ops layout, relocation, BTF, maps, programs.
 *
 * @module
 */

import type { CoreDecision } from "../../btf/core/mod.ts";
import { SkepError } from "../../errors/skep_error.ts";
import type { AttachDecision } from "../../plan/attach_decision.ts";
import {
  type AddedTypes,
  argumentContexts,
  hasArgumentContexts,
} from "../../object/relocate/argument_contexts.ts";
import { relocate } from "../../object/relocate/relocate.ts";
import type { ProgramSpec, RelocatedProgram } from "../../object/spec/spec.ts";
import { arenaOffset } from "./arena.ts";
import { planProgram, refusedAttachment } from "./token_forms.ts";
import { findAttachTarget } from "./attach_target.ts";
import { loadBtf } from "./load_btf.ts";
import type { Descriptor } from "../../kernel/descriptor.ts";
import { btfForms } from "./btf_forms.ts";
import { ReferenceResolver, resolveObjectExterns } from "./resolve_externs.ts";
import { features } from "../features/features.ts";
import { JumpTables } from "./jump_tables.ts";
import { kernelTypes } from "../features/kernel_btf.ts";
import { type Cleanup, createMaps, fillProgramSlots, type MapStepOptions } from "./create_maps.ts";
import { ModuleDescriptors } from "./module_descriptors.ts";
import type { ProgramOutcome } from "./outcome.ts";
import { poisonReader } from "../../explain/verifier/poison.ts";
import { runPool } from "./pool.ts";
import {
  checkProgram,
  expectedAttachType,
  loadProgram,
  type ProgramLoaded,
} from "./load_program.ts";
import { resolveReferences } from "./references.ts";
import type { CreatedMap, LoadContext } from "./load_context.ts";
import {
  type KernelStructOps,
  layOutStructOps,
  structOpsTargets,
  writeStructOpsPrograms,
} from "./struct_ops_layout.ts";
import { coreTargets } from "./core_targets.ts";

/** Options of one {@linkcode LoadRun}. */
export interface RunOptions {
  /** Whether the first refused program ends the load, or its error is recorded in its outcome. */
  readonly onError: "throw" | "collect";
  /** Returns whether a program is to be loaded. struct_ops programs that a map names follow their map instead. */
  readonly wanted: (program: ProgramSpec) => boolean;
  /**
   * How many programs are loaded concurrently.
   *
   * @default the number of online CPUs, at most 8
   */
  readonly jobs?: number | undefined;
  /** Whether programs are rewritten to a form that a token can attach, and refused when there is none. */
  readonly forToken?: boolean | undefined;
  /** Aborts the load before its next step or program; a running verification completes. */
  readonly signal?: AbortSignal | undefined;
}

/** A loaded program. */
export interface LoadedProgram {
  /** The relocated program. */
  readonly linked: RelocatedProgram;
  /** The program's descriptor. */
  readonly descriptor: Descriptor;
  /** The expected attach type's number; for a struct_ops program not the member index, which BPF_PROG_LOAD got. */
  readonly attachType: number;
  /** The verifier's log; empty when none was requested. */
  readonly log: string;
}

/** Result of a load. */
export interface Loaded {
  /** Maps by name, in the object's order. */
  readonly maps: ReadonlyMap<string, CreatedMap>;
  /** Programs by name. */
  readonly programs: ReadonlyMap<string, LoadedProgram>;
  /** One outcome for each program of the object, in its order. */
  readonly outcomes: readonly ProgramOutcome[];
  /** Outcome of each CO-RE relocation. */
  readonly decisions: readonly CoreDecision[];
  /** How each program can be attached with a token; empty when programs are loaded as written. */
  readonly attachDecisions: readonly AttachDecision[];
}

/** A relocated program that is not loaded yet. */
interface Pending {
  /** The program as the object defines it. */
  readonly written: ProgramSpec;
  /** The program as it is loaded: `written`, or its rewrite for a token. */
  readonly program: ProgramSpec;
  /** Its relocated code; `linked.program` is `program`. */
  readonly linked: RelocatedProgram;
}

/**
 * Runs one load. Disposing it closes the descriptors that only the load needed (BTF, modules' BTF).
 *
 * Maps, programs and pins go to `cleanup`: when {@linkcode LoadRun.all} throws, the caller disposes both stacks.
 */
export class LoadRun implements Disposable {
  readonly #state: LoadContext;
  readonly #options: RunOptions;
  readonly #cleanup: Cleanup;
  readonly #transient = new DisposableStack();
  readonly #modules: ModuleDescriptors;
  readonly #outcomes = new Map<ProgramSpec, ProgramOutcome>();
  readonly #programs = new Map<string, LoadedProgram>();
  readonly #attachDecisions: AttachDecision[] = [];
  #btfError: SkepError | undefined;

  /** Creates a load without starting it. */
  constructor(state: LoadContext, options: RunOptions, cleanup: Cleanup) {
    this.#state = state;
    this.#options = options;
    this.#cleanup = cleanup;
    this.#modules = this.#transient.use(new ModuleDescriptors(state.kernel, state.tokenFd));
  }

  /** Returns the error of a program that was refused, also after {@linkcode LoadRun.all} threw. */
  errorOf(program: ProgramSpec): SkepError | undefined {
    return this.#outcomes.get(program)?.error;
  }

  /** Closes the object's BTF and the modules' BTF. */
  [Symbol.dispose](): void {
    this.#transient[Symbol.dispose]();
  }

  /**
   * Runs all steps.
   *
   * @throws {SkepError} when a step fails, or a program is refused with `onError: "throw"`.
   */
  async all(): Promise<Loaded> {
    const { spec } = this.#state;
    this.#abortable();
    if (!spec.littleEndian) throw foreignOrder(spec.name);
    const externs = resolveObjectExterns(this.#state);
    const structOps = this.#layOutStructOps();
    const targets = structOpsTargets(
      [...structOps].map(([name, structOps]) => ({ name, structOps })),
    );
    const planned = this.#planAttachments(this.#wantedPrograms(structOps));
    const { pending, decisions } = this.#relocate(planned);
    this.#abortable();
    const added = this.#tagContexts(pending);
    const btfFd = this.#loadBtf(added);
    const maps = this.#createMaps({ btfFd, kconfig: externs.kconfig, structOps });
    this.#abortable();
    const resolver = new ReferenceResolver(this.#state, externs, maps, this.#modules);
    const tables = new JumpTables(this.#state, this.#cleanup.owned);
    await this.#loadPrograms(pending, async ({ program, linked }) => {
      const member = targets.get(program.name);
      checkProgram(program, member);
      const instructions = resolveReferences(linked, {
        map: (name) => resolver.map(name),
        extern: (name) => resolver.extern(name),
        jumpTable: (reference) => tables.open(linked, reference),
      });
      const target = findAttachTarget(this.#state, program, (name) => this.#modules.open(name));
      const loaded = await loadProgram(this.#state, {
        linked,
        instructions,
        btfFd,
        target,
        structOps: member,
        descriptors: this.#modules.array,
        poison: poisonReader(this.#state.spec, linked),
      }, (attributes) => this.#state.kernel.programLoad(attributes));
      this.#bindData(linked, loaded.descriptor.fd, maps);
      return loaded;
    });
    this.#abortable();
    const programFd = (name: string): number | undefined => this.#programs.get(name)?.descriptor.fd;
    fillProgramSlots(this.#state, maps.values(), programFd);
    for (const map of maps.values()) {
      if (map.structOps !== undefined) writeStructOpsPrograms(map.structOps, programFd);
    }
    return {
      maps,
      programs: this.#programs,
      outcomes: [...spec.programs].map((program) => this.#outcome(program)),
      decisions,
      attachDecisions: this.#attachDecisions,
    };
  }

  #abortable(): void {
    this.#options.signal?.throwIfAborted();
  }

  #layOutStructOps(): Map<string, KernelStructOps> {
    const laidOut = new Map<string, KernelStructOps>();
    const { spec, kernel } = this.#state;
    for (const map of spec.maps) {
      if (map.origin !== "struct_ops" || !map.autocreate || spec.btf === undefined) continue;
      const layout = layOutStructOps(
        map,
        spec.btf,
        kernelTypes(kernel),
        (name) => this.#modules.open(name),
      );
      laidOut.set(map.name, layout);
    }
    return laidOut;
  }

  /**
   * Returns the programs to load. As in libbpf, a struct_ops program that a map names is loaded if and only if
   * a map that is created names it.
   */
  #wantedPrograms(structOps: ReadonlyMap<string, KernelStructOps>): ProgramSpec[] {
    const named = new Set<string>();
    for (const map of this.#state.spec.maps) {
      for (const { program } of map.structOps?.programs() ?? []) named.add(program);
    }
    const used = new Set<string>();
    for (const { slots } of structOps.values()) for (const { program } of slots) used.add(program);
    return [...this.#state.spec.programs].filter((program) =>
      program.type === "struct_ops" && named.has(program.name)
        ? used.has(program.name)
        : this.#options.wanted(program)
    );
  }

  /** Maps each program to the form in which it is loaded, leaving out those that are refused. */
  #planAttachments(wanted: readonly ProgramSpec[]): Map<ProgramSpec, ProgramSpec> {
    const planned = new Map<ProgramSpec, ProgramSpec>();
    for (const written of wanted) {
      if (this.#options.forToken !== true) {
        planned.set(written, written);
        continue;
      }
      const { program, decision } = planProgram(this.#state.kernel, written);
      this.#attachDecisions.push(decision);
      if (decision.outcome !== "refused") {
        planned.set(written, program);
        continue;
      }
      const error = refusedAttachment(decision);
      if (this.#options.onError === "throw") throw error;
      this.#refuse(written, error);
    }
    return planned;
  }

  #relocate(
    planned: ReadonlyMap<ProgramSpec, ProgramSpec>,
  ): { pending: Pending[]; decisions: readonly CoreDecision[] } {
    const { spec } = this.#state;
    const { programs, decisions } = relocate(spec, [...planned.keys()], {
      core: coreTargets(this.#state),
      arenaOffset: arenaOffset(this.#state.kernel, spec),
    });
    const pending: Pending[] = [];
    for (const linked of programs) {
      const written = linked.program;
      const program = planned.get(written) ?? written;
      if (!("error" in linked)) pending.push({ written, program, linked: { ...linked, program } });
      else if (this.#options.onError === "throw") throw linked.error;
      else this.#refuse(linked.program, linked.error);
    }
    return { pending, decisions };
  }

  /**
   * Emulates `__arg_ctx` on kernels before Linux 6.8: redirects the programs' func info to clones of the tagged
   * functions, and returns the types to append to the object's BTF.
   */
  #tagContexts(pending: Pending[]): AddedTypes {
    const { spec, kernel } = this.#state;
    if (!hasArgumentContexts(spec) || features(kernel).contextTags) return [];
    const { programs, types } = argumentContexts(spec, pending.map(({ linked }) => linked));
    for (const [index, linked] of programs.entries()) {
      pending[index] = { ...(pending[index] as Pending), linked };
    }
    return types;
  }

  /**
   * Loads the object's BTF and returns its descriptor. A refusal ends the load only for objects with struct_ops
   * maps.
   */
  #loadBtf(added: AddedTypes): number | undefined {
    const { spec } = this.#state;
    if (spec.btf === undefined) return undefined;
    const outcome = loadBtf(this.#state, btfForms(spec, added));
    if (outcome.ok) return this.#transient.use(outcome.descriptor).fd;
    this.#btfError = outcome.error;
    const mandatory = [...spec.maps].some((map) => map.origin === "struct_ops");
    if (mandatory) throw outcome.error;
    return undefined;
  }

  #createMaps(options: MapStepOptions): Map<string, CreatedMap> {
    try {
      return createMaps(this.#state, options, this.#cleanup);
    } catch (error) {
      throw error instanceof SkepError ? this.#blame(error) : error;
    }
  }

  /**
   * Returns the error to report: the BTF's EPERM in place of a later EINVAL, which a command that needs the BTF
   * gets without it. The later error becomes the cause.
   */
  #blame(error: SkepError): SkepError {
    const first = this.#btfError;
    if (first?.errno !== "EPERM" || error.errno !== "EINVAL") return error;
    first.cause = error;
    return first;
  }

  async #loadPrograms(
    pending: readonly Pending[],
    load: (pending: Pending) => Promise<ProgramLoaded>,
  ): Promise<void> {
    const failed: { index: number; error: SkepError }[] = [];
    const loaded: (ProgramLoaded & { index: number; item: Pending })[] = [];
    const { kernel } = this.#state;
    const jobs = this.#options.jobs ??
      (pending.length < 2 ? 1 : Math.min(8, kernel.machine.onlineCpus.length));
    await runPool(pending, jobs, async (item, index) => {
      this.#abortable();
      try {
        const { descriptor, log } = await load(item);
        this.#cleanup.owned.use(descriptor);
        loaded.push({ index, item, descriptor, log });
        return true;
      } catch (cause) {
        if (!(cause instanceof SkepError)) throw cause;
        const error = this.#blame(cause);
        failed.push({ index, error });
        this.#refuse(item.written, error);
        return this.#options.onError === "collect";
      }
    });
    // Programs finish in any order; results are reported in the object's order.
    loaded.sort((a, b) => a.index - b.index);
    for (const { item: { written, linked }, descriptor, log } of loaded) {
      const attachType = expectedAttachType(this.#state, linked.program, undefined);
      this.#programs.set(linked.program.name, { linked, descriptor, attachType, log });
      this.#outcomes.set(written, { program: written, ok: true });
    }
    failed.sort((a, b) => a.index - b.index);
    if (failed[0] !== undefined && this.#options.onError === "throw") throw failed[0].error;
  }

  /**
   * Binds `.rodata` to a program that does not reference it (BPF_PROG_BIND_MAP, Linux 5.10), as libbpf does:
   * bpftool reads metadata from it.
   */
  #bindData(
    linked: RelocatedProgram,
    programFd: number,
    maps: ReadonlyMap<string, CreatedMap>,
  ): void {
    for (const { spec, descriptor } of maps.values()) {
      if (spec.origin !== "rodata") continue;
      const uses = linked.references.some((reference) =>
        "map" in reference && reference.map === spec.name
      );
      // The kernel binds referenced maps itself. A refusal is ignored: it affects only what tools display.
      if (!uses) this.#state.kernel.programBindMap(programFd, descriptor.fd);
    }
  }

  #refuse(program: ProgramSpec, error: SkepError): void {
    this.#outcomes.set(program, { program, ok: false, error });
  }

  #outcome(program: ProgramSpec): ProgramOutcome {
    return this.#outcomes.get(program) ??
      {
        program,
        ok: false,
        skipped: program.autoload ? "it was not selected" : "its autoload is off",
      };
  }
}

function foreignOrder(name: string): SkepError {
  return new SkepError({
    doing: "load",
    subject: name,
    errno: "EINVAL",
    stage: "open",
    why: "it is compiled for a big-endian machine",
    fix: "compile it with -target bpfel",
  });
}
