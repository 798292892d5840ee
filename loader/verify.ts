/**
 * Loads objects and unloads them again, program by program: the library side of `skep verify`.
 *
 * @module
 */

import type { Btf } from "../btf/btf.ts";
import { SkepError } from "../errors/skep_error.ts";
import type { Kernel } from "../kernel/kernel.ts";
import { linuxKernel } from "../kernel/linux/linux.ts";
import { mapTypeName } from "../uapi/enums.ts";
import { ObjectSpec } from "../object/object_spec.ts";
import { mapTypeTraits } from "../object/spec/map_traits.ts";
import type { MapSpec, ProgramSpec } from "../object/spec/spec.ts";
import { resolveToken, type TokenOption } from "../token/resolve.ts";
import { decodeProgramInfo } from "./program/info.ts";
import { type Loaded, LoadRun } from "./load/load.ts";
import { prepareSpec } from "./load/prepare.ts";
import { readUserFile } from "./load/user_file.ts";
import type { LoadContext } from "./load/load_context.ts";

/** The steps that a verdict names. */
export type VerdictStage = "open" | "btf" | "map" | "relocate" | "program";

/** Whether something went well, and why not. */
export interface Verdict {
  /** Whether it did. */
  readonly ok: boolean;
  /** The kernel's errno by name, or the nearest that libbpf would give. */
  readonly errno?: string | undefined;
  /** The step that went wrong. */
  readonly stage?: VerdictStage | undefined;
  /** One line. */
  readonly error?: string | undefined;
}

/** One map of a verified object. */
export interface VerifiedMap {
  /** The name in the object. */
  readonly name: string;
  /** The kernel's name of the type, or its number. */
  readonly type: string | number;
}

/** One program of a verified object, tried alone. */
export interface VerifiedProgram extends Verdict {
  /** The function's name. */
  readonly name: string;
  /** The section as written, without a leading `?`. */
  readonly section: string;
  /** The kernel's name of the type. */
  readonly type: string;
  /** The hash that the kernel shows. */
  readonly tag?: string | undefined;
  /** How many instructions were handed to the kernel. */
  readonly instructions?: number | undefined;
  /** How many instructions the verifier walked. */
  readonly verified?: number | undefined;
}

/** What {@linkcode verifyFile} found: one line of `skep verify --json`. */
export interface VerifyReport {
  /** The path as it was given. */
  readonly object: string;
  /** Whether it could be parsed. */
  readonly open: Verdict;
  /** Whether a plain load with the default autoload goes through. */
  readonly load: Verdict;
  /** Its maps. */
  readonly maps: readonly VerifiedMap[];
  /** Its entry programs, each tried alone. */
  readonly programs: readonly VerifiedProgram[];
}

/** How objects are verified. */
export interface VerifyOptions {
  /** The kernel; default is the one that this process runs on. */
  readonly kernel?: Kernel | undefined;
  /** The token, as for `BpfObject.load`. */
  readonly token?: TokenOption | undefined;
  /** How many files, and programs within one, are worked on at once; default is the number of CPUs, at most eight. */
  readonly jobs?: number | undefined;
  /** BTF that CO-RE is resolved against instead of the kernel's. */
  readonly kernelBtf?: Btf | undefined;
  /** Options of the kernel's configuration. */
  readonly kconfig?: string | undefined;
  /** Where maps that pin by name are pinned; default `/sys/fs/bpf`. */
  readonly pinRoot?: string | undefined;
  /** Ends it between two loads. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Verifies files, several at a time, and gives the reports in the order of the files.
 *
 * Nothing stays loaded. Throws only for what concerns all files, such as a token that cannot be had.
 *
 * @example
 * ```ts ignore
 * import { verifyFiles } from "@skep/skep";
 *
 * for await (const report of verifyFiles(["x.bpf.o", "y.bpf.o"])) console.log(JSON.stringify(report));
 * ```
 */
export async function* verifyFiles(
  paths: Iterable<string>,
  options: VerifyOptions = {},
): AsyncGenerator<VerifyReport, void, undefined> {
  const kernel = options.kernel ?? linuxKernel();
  const width = Math.max(1, options.jobs ?? Math.min(8, kernel.machine.onlineCpus.length));
  const running: Promise<VerifyReport>[] = [];
  // One token for all files.
  const { token, owned } = resolveToken(kernel, options.token);
  using _token = owned ? token : undefined;
  try {
    for (const path of paths) {
      options.signal?.throwIfAborted();
      const job = verifyFile(path, { ...options, kernel, token: token ?? false });
      // It may fail while an earlier one is waited for: that is told when its turn comes.
      job.catch(() => {});
      running.push(job);
      const first = running.length >= width ? running.shift() : undefined;
      if (first !== undefined) yield await first;
    }
    for (let next = running.shift(); next !== undefined; next = running.shift()) yield await next;
  } finally {
    await Promise.allSettled(running);
  }
}

/** Verifies one file. */
export async function verifyFile(
  path: string,
  options: VerifyOptions = {},
): Promise<VerifyReport> {
  let spec: ObjectSpec;
  try {
    spec = ObjectSpec.parse(await readUserFile(path), { name: path });
  } catch (error) {
    if (!(error instanceof SkepError)) throw error;
    const open = refusal(error, "open");
    return { object: path, open, load: open, maps: [], programs: [] };
  }
  return await verifyObject(path, spec, options);
}

/** Verifies an object that is parsed already; the spec's edits count. */
export async function verifyObject(
  object: string,
  spec: ObjectSpec,
  options: VerifyOptions = {},
): Promise<VerifyReport> {
  using token = new DisposableStack();
  const { kernelBtf, ...load } = options;
  // One line of the log is told: its end is enough.
  const state = { ...prepareSpec(spec, kernelBtf, load, token).state, wholeLog: false };
  // Arenas that want the same addresses cannot be there at once.
  using _turn = fixedArena(spec) ? await arenaTurn(state.kernel) : undefined;
  const trial = new Trial(state, options);
  const { load: verdict, programs } = canShareMaps(spec)
    ? await trial.together()
    : await trial.apart();
  return {
    object,
    open: { ok: true },
    load: verdict,
    maps: [...spec.maps].map(verifiedMap),
    programs,
  };
}

/** Whether the object has an arena that must lie at a given address. */
function fixedArena(spec: ObjectSpec): boolean {
  for (const map of spec.maps) if (map.type === "arena" && map.mapExtra !== 0n) return true;
  return false;
}

/** The last turn that was asked for. */
const arenas = new WeakMap<Kernel, Promise<void>>();

/** Waits until all others that asked before are through; the turn ends with its disposal. */
async function arenaTurn(kernel: Kernel): Promise<Disposable> {
  const before = arenas.get(kernel);
  const { promise, resolve } = Promise.withResolvers<void>();
  arenas.set(kernel, promise);
  await before;
  return {
    [Symbol.dispose]: () => {
      if (arenas.get(kernel) === promise) arenas.delete(kernel);
      resolve();
    },
  };
}

function verifiedMap({ name, type }: MapSpec): VerifiedMap {
  return { name, type: typeof type === "number" ? mapTypeName(type) ?? type : type };
}

/** Both halves of a report that need the kernel. */
interface Findings {
  readonly load: Verdict;
  readonly programs: readonly VerifiedProgram[];
}

/** Loads one object in the ways that a report needs. */
class Trial {
  readonly #state: LoadContext;
  readonly #options: Pick<VerifyOptions, "jobs" | "signal">;

  constructor(state: LoadContext, options: Pick<VerifyOptions, "jobs" | "signal">) {
    this.#state = state;
    this.#options = options;
  }

  /** One load of all programs, whose outcomes do not depend on one another: each counts as tried alone. */
  async together(): Promise<Findings> {
    const all = [...this.#state.spec.programs];
    return await this.#run(() => true, (run, loaded, error) => {
      const verdicts = all.map((program) => {
        const own = run.errorOf(program) ?? error;
        return own === undefined
          ? this.#loadedVerdict(program, loaded)
          : this.#refusedVerdict(program, own);
      });
      return { load: firstRefusal(all, run, error), programs: verdicts };
    });
  }

  /** A plain load, then one load for each program with all others off. */
  async apart(): Promise<Findings> {
    const all = [...this.#state.spec.programs];
    const load = await this.#run(
      (program) => program.autoload,
      (run, _loaded, error) => firstRefusal(all, run, error),
    );
    const programs: VerifiedProgram[] = [];
    for (const program of all) {
      using _others = onlyMember(this.#state.spec, program);
      programs.push(
        await this.#run((other) => other === program, (run, loaded, error) => {
          // A struct_ops program brings its map's other programs with it: one refusal is all of theirs.
          const own = run.errorOf(program) ?? firstError(all, run) ?? error;
          return own === undefined
            ? this.#loadedVerdict(program, loaded)
            : this.#refusedVerdict(program, own);
        }),
      );
    }
    return { load, programs };
  }

  /** Loads, looks, unloads. */
  async #run<T>(
    wanted: (program: ProgramSpec) => boolean,
    look: (run: LoadRun, loaded: Loaded | undefined, error: SkepError | undefined) => T,
  ): Promise<T> {
    const { jobs, signal } = this.#options;
    signal?.throwIfAborted();
    using owned = new DisposableStack();
    using undo = new DisposableStack();
    using run = new LoadRun(
      this.#state,
      { onError: "collect", wanted, jobs, signal },
      { owned, undo },
    );
    try {
      return look(run, await run.all(), undefined);
    } catch (error) {
      if (!(error instanceof SkepError)) throw error;
      return look(run, undefined, error);
    }
  }

  #loadedVerdict(program: ProgramSpec, loaded: Loaded | undefined): VerifiedProgram {
    const one = loaded?.programs.get(program.name);
    const entry = programEntry(program);
    if (one === undefined) {
      // Its struct_ops map does not call for it: there is nothing that could be refused.
      return { ...entry, ok: true };
    }
    const info = decodeProgramInfo(this.#state.kernel.programInfo(one.descriptor.fd));
    return {
      ...entry,
      ok: true,
      tag: info.tag,
      instructions: one.linked.instructions.length / 8,
      verified: info.verifiedInstructions,
    };
  }

  #refusedVerdict(program: ProgramSpec, error: SkepError): VerifiedProgram {
    return { ...programEntry(program), ...refusal(error, "program") };
  }
}

function programEntry({ name, section, type }: ProgramSpec): Omit<VerifiedProgram, "ok"> {
  return { name, section, type };
}

/** Why a plain load would end: the first program that cannot be linked, the first that was refused, or what went wrong for all. */
function firstRefusal(
  programs: readonly ProgramSpec[],
  run: LoadRun,
  error: SkepError | undefined,
): Verdict {
  const own = programs.filter((program) => program.autoload)
    .map((program) => run.errorOf(program)).filter((one) => one !== undefined);
  // Programs are only refused when nothing was wrong before them.
  const first = own.find((one) => one.stage === "relocate") ?? own[0] ?? error;
  return first === undefined ? { ok: true } : refusal(first, "program");
}

function firstError(programs: readonly ProgramSpec[], run: LoadRun): SkepError | undefined {
  for (const program of programs) {
    const error = run.errorOf(program);
    if (error !== undefined) return error;
  }
  return undefined;
}

/**
 * Takes all programs but one out of the object's struct_ops maps until it is disposed of: a map brings its
 * programs with it, and each is to be tried alone (as veristat does).
 */
function onlyMember(spec: ObjectSpec, program: ProgramSpec): Disposable {
  const restore = new DisposableStack();
  for (const { structOps } of spec.maps) {
    if (structOps === undefined) continue;
    for (const { member, program: name } of structOps.programs()) {
      if (name === program.name) continue;
      structOps.setProgram(member, undefined);
      restore.defer(() => structOps.setProgram(member, name));
    }
  }
  return restore;
}

const STAGES: ReadonlySet<string> = new Set(["open", "btf", "map", "relocate", "program"]);

function refusal(error: SkepError, otherwise: VerdictStage): Verdict {
  const stage = STAGES.has(error.stage ?? "") ? error.stage as VerdictStage : otherwise;
  return { ok: false, errno: error.errno ?? "EINVAL", stage, error: error.message };
}

/** Whether all programs of an object can be tried in one load and none can change another's verdict. */
function canShareMaps(spec: ObjectSpec): boolean {
  for (const map of spec.maps) {
    // A map that remembers the first program that uses it cannot be shared by two that are tried.
    if (mapTypeTraits(map.type).bindsProgram === true) return false;
    if (map.inner !== undefined && mapTypeTraits(map.inner.type).bindsProgram === true) {
      return false;
    }
  }
  return true;
}
