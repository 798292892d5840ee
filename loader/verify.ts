/**
 * Verifies objects by loading and unloading them, program by program; the library side of `skep verify`.
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

/** Step of a load at which a verdict failed. */
export type VerdictStage = "open" | "btf" | "map" | "relocate" | "program";

/** Result of one attempt. */
export interface Verdict {
  /** Whether the attempt succeeded. */
  readonly ok: boolean;
  /** The errno by name: the kernel's, or the one that libbpf returns; EINVAL for an error without one. */
  readonly errno?: string | undefined;
  /** The step that failed. */
  readonly stage?: VerdictStage | undefined;
  /** The error in one line. */
  readonly error?: string | undefined;
}

/** One map of a verified object. */
export interface VerifiedMap {
  /** The map's name in the object. */
  readonly name: string;
  /** The map type's name in the kernel, or its number when it has none. */
  readonly type: string | number;
}

/** One program of a verified object, with the verdict of loading it alone. */
export interface VerifiedProgram extends Verdict {
  /** The function's name. */
  readonly name: string;
  /** The section as written, without a leading `?`. */
  readonly section: string;
  /** The program type's name in the kernel. */
  readonly type: string;
  /** The program's tag: a hash of its instructions by the kernel. */
  readonly tag?: string | undefined;
  /** Number of instructions that were passed to the kernel. */
  readonly instructions?: number | undefined;
  /** Number of instructions that the verifier processed (Linux 5.16). */
  readonly verified?: number | undefined;
}

/** Report on one object; one line of `skep verify --json`. */
export interface VerifyReport {
  /** The path as passed by the caller. */
  readonly object: string;
  /** Verdict of reading and parsing the file. */
  readonly open: Verdict;
  /** Verdict of loading all programs with autoload together. */
  readonly load: Verdict;
  /** The object's maps; empty when it cannot be parsed. */
  readonly maps: readonly VerifiedMap[];
  /** The object's entry programs, each loaded alone; empty when it cannot be parsed. */
  readonly programs: readonly VerifiedProgram[];
}

/** Options of verifying objects. */
export interface VerifyOptions {
  /**
   * The kernel that verifies them.
   *
   * @default the kernel that this process runs on
   */
  readonly kernel?: Kernel | undefined;
  /**
   * The token, as for `BpfObject.load`.
   *
   * @default "auto"
   */
  readonly token?: TokenOption | undefined;
  /**
   * How many files, and how many programs of one file, are loaded concurrently.
   *
   * @default the number of online CPUs, at most 8
   */
  readonly jobs?: number | undefined;
  /** BTF that CO-RE relocations are resolved against instead of the kernel's. */
  readonly kernelBtf?: Btf | undefined;
  /** Kernel configuration for `.kconfig` externs, one option per line (`CONFIG_HZ=250`); overrides the system's. */
  readonly kconfig?: string | undefined;
  /**
   * Directory that holds the pins of maps that pin by name.
   *
   * @default "/sys/fs/bpf"
   */
  readonly pinRoot?: string | undefined;
  /** Aborts before the next load, or before the next step or program of a running one. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Verifies files, several concurrently, and yields their reports in the order of the files.
 *
 * Everything that it loads is unloaded. A file that cannot be read or loaded is reported, not thrown.
 *
 * @throws {DelegationError} when a requested token cannot be opened.
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
  // One token for all files: opening one per file would repeat the mount lookup.
  const { token, owned } = resolveToken(kernel, options.token);
  using _token = owned ? token : undefined;
  try {
    for (const path of paths) {
      options.signal?.throwIfAborted();
      const job = verifyFile(path, { ...options, kernel, token: token ?? false });
      // Its rejection is handled when it is awaited in turn; until then it must not count as unhandled.
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

/**
 * Verifies one file. Everything that it loads is unloaded.
 *
 * @throws {DelegationError} when a requested token cannot be opened.
 */
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

/**
 * Verifies a parsed object, with the edits made to its spec. `object` is its name in the report.
 *
 * @throws {DelegationError} when a requested token cannot be opened.
 * @throws {SkepError} EINVAL when a map pins by a name that is not a path component.
 */
export async function verifyObject(
  object: string,
  spec: ObjectSpec,
  options: VerifyOptions = {},
): Promise<VerifyReport> {
  using token = new DisposableStack();
  const { kernelBtf, ...load } = options;
  // The report has one line of the log, so its end suffices.
  const state = { ...prepareSpec(spec, kernelBtf, load, token).state, wholeLog: false };
  // Arenas at fixed addresses can overlap, so objects that have one are verified one at a time.
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

/** Returns whether the object has an arena at a fixed address (`map_extra`). */
function fixedArena(spec: ObjectSpec): boolean {
  for (const map of spec.maps) if (map.type === "arena" && map.mapExtra !== 0n) return true;
  return false;
}

/** The last turn that was requested, per kernel. */
const arenas = new WeakMap<Kernel, Promise<void>>();

/** Waits for all turns requested before. Disposing the returned turn ends it. */
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

/** The parts of a report that need the kernel. */
interface Findings {
  readonly load: Verdict;
  readonly programs: readonly VerifiedProgram[];
}

/** Loads one object as often as its report needs. */
class Trial {
  readonly #state: LoadContext;
  readonly #options: Pick<VerifyOptions, "jobs" | "signal">;

  constructor(state: LoadContext, options: Pick<VerifyOptions, "jobs" | "signal">) {
    this.#state = state;
    this.#options = options;
  }

  /** Loads all programs at once. Their outcomes are independent, so each counts as loaded alone. */
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

  /** Loads all programs with autoload, then each program alone. */
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
          // Loading a struct_ops program loads its map's other programs too; a refusal of any of them counts.
          const own = run.errorOf(program) ?? firstError(all, run) ?? error;
          return own === undefined
            ? this.#loadedVerdict(program, loaded)
            : this.#refusedVerdict(program, own);
        }),
      );
    }
    return { load, programs };
  }

  /** Loads the wanted programs, passes the result to `look`, and unloads everything. */
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
      // No struct_ops map that is created names it, so it is not loaded and nothing can refuse it.
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

/**
 * Returns the verdict of a plain load: the first program that cannot be relocated, else the first that was refused,
 * else the error of the whole load.
 */
function firstRefusal(
  programs: readonly ProgramSpec[],
  run: LoadRun,
  error: SkepError | undefined,
): Verdict {
  const own = programs.filter((program) => program.autoload)
    .map((program) => run.errorOf(program)).filter((one) => one !== undefined);
  // Relocation precedes the loading of programs, so its errors come first.
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
 * Removes all programs but one from the object's struct_ops maps, and restores them when disposed. Each program is
 * loaded alone, as in veristat, while a struct_ops map would load all of its programs.
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

/** Returns whether all programs of an object can share one load without affecting each other's verdicts. */
function canShareMaps(spec: ObjectSpec): boolean {
  for (const map of spec.maps) {
    // Such a map is bound to the first program that uses it; the kernel refuses other kinds of programs.
    if (mapTypeTraits(map.type).bindsProgram === true) return false;
    if (map.inner !== undefined && mapTypeTraits(map.inner.type).bindsProgram === true) {
      return false;
    }
  }
  return true;
}
