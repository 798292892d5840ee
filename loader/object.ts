/**
 * A loaded object, with its programs, maps and variables.
 *
 * @module
 */

import type { BtfValue } from "../btf/codec/mod.ts";
import type { CoreDecision } from "../btf/core/mod.ts";
import { SkepError } from "../errors/skep_error.ts";
import type { Kernel } from "../kernel/kernel.ts";
import { eventTypes } from "../object/events/event_type.ts";
import { NamedList } from "../object/spec/named.ts";
import type { ObjectSpec } from "../object/object_spec.ts";
import type { Named } from "../object/spec/spec.ts";
import type { AttachDecision } from "../plan/attach_decision.ts";
import type { Token } from "../token/token.ts";
import { arenaGlobals } from "./load/arena.ts";
import type { AttachOptions } from "./attach/attach.ts";
import type { Link } from "./attach/link.ts";
import { checkSharedOptions, optionsFor } from "./attach/shared_options.ts";
import { attachStructOps } from "./attach/struct_ops.ts";
import { Links, type SkippedAttachment } from "./attach/links.ts";
import { type Loaded, LoadRun } from "./load/load.ts";
import type { AnyMap } from "./map/any_map.ts";
import type { LiveMap } from "./map/live_map.ts";
import { liveMap } from "./map/map.ts";
import { effectiveMaxEntries, mapTypeNumber } from "../object/spec/map_rules.ts";
import { originTraits } from "../object/spec/map_traits.ts";
import type { NamedMaps, ObjectTypes, OtherMap, OtherName } from "./object_types.ts";
import type { ProgramOutcome } from "./load/outcome.ts";
import { type LoadOptions, type ObjectInput, prepare, type Prepared } from "./load/prepare.ts";
import { Program } from "./program/program.ts";
import type { CreatedMap } from "./load/load_context.ts";
import { Variable } from "./map/variable.ts";

/** Options of {@linkcode BpfObject.attach}. */
export interface ObjectAttachOptions extends AttachOptions {
  /**
   * Options of single programs by name; they override the shared options. A program named here is attached also
   * when its section names no target.
   */
  readonly programs?: { readonly [name: string]: AttachOptions } | undefined;
  /**
   * Whether the first program that cannot be attached ends the call and detaches the others, or is listed in
   * `skipped`.
   *
   * @default "throw"
   */
  readonly onError?: "throw" | "collect" | undefined;
}

/** Types of an object without generated types. */
export interface AnyObject extends ObjectTypes {
  /** Maps of any name. */
  readonly maps: { readonly [name: string]: AnyMap };
  /** Variables of any name. */
  readonly variables: { readonly [name: string]: BtfValue };
}

/**
 * An object loaded into the kernel. Disposing it closes all descriptors and mappings that the load opened.
 *
 * Attached programs stay loaded as long as their links, pinned maps and programs as long as their pins.
 *
 * @typeParam T The types of its maps and variables, as `skep types FILE` generates them; the compiler then checks
 * names and values.
 * @example
 * ```ts ignore
 * import { BpfObject } from "@skep/skep";
 *
 * using object = await BpfObject.load("execsnoop.bpf.o");
 * using links = object.attach();
 * for await (const event of object.maps.get("events").records()) console.log(event);
 * ```
 */
export class BpfObject<T extends ObjectTypes = AnyObject> implements Disposable {
  /** The spec that was loaded. */
  readonly spec: ObjectSpec;
  /** The kernel that it is loaded into. */
  readonly kernel: Kernel;
  /** The loaded programs; `get` throws for a program that was left out or refused, with the reason. */
  readonly programs: Named<Program>;
  /** The maps that were created or reused. */
  readonly maps: NamedMaps<T["maps"]>;
  /** The global variables. */
  readonly variables: Named<Variable>;
  /** The token that it was loaded with; undefined without one. */
  readonly token?: Token | undefined;
  /** How the token was chosen, or why there is none, in one line. */
  readonly tokenChoice: string;
  /** Outcome of each program, in the object's order. */
  readonly outcomes: readonly ProgramOutcome[];
  /** Outcome of each CO-RE relocation. */
  readonly coreDecisions: readonly CoreDecision[];
  /**
   * How each program can be attached with a token; empty without a token, and with
   * `rewrite: "never"`.
   */
  readonly attachDecisions: readonly AttachDecision[];

  readonly #owned: DisposableStack;
  readonly #created: ReadonlyMap<string, CreatedMap>;

  private constructor(prepared: Prepared, loaded: Loaded, owned: DisposableStack) {
    const { state, token, tokenChoice } = prepared;
    const { spec, kernel } = state;
    this.spec = spec;
    this.kernel = kernel;
    if (token !== undefined) this.token = token;
    this.tokenChoice = tokenChoice;
    this.outcomes = loaded.outcomes;
    this.coreDecisions = loaded.decisions;
    this.attachDecisions = loaded.attachDecisions;
    this.#owned = owned;
    this.#created = loaded.maps;
    let events: ReadonlyMap<string, number> | undefined;
    const eventType = (name: string): number => (events ??= eventTypes(spec)).get(name) ?? 0;
    const maps = [...loaded.maps.values()].map((map) => loadedMap(kernel, spec, map, eventType));
    const named = new NamedList<AnyMap>("map", spec.name, maps);
    this.maps = new LoadedMaps<T["maps"]>(named);
    const programs = [...loaded.programs.values()].map(({ linked, descriptor, attachType, log }) =>
      new Program({
        kernel,
        descriptor,
        spec: linked.program,
        linked,
        expectedAttachType: attachType,
        log,
        maps: named,
        btf: spec.btf,
      })
    );
    for (const map of maps) owned.use(map);
    for (const program of programs) owned.use(program);
    this.programs = new LoadedPrograms(spec, programs, loaded.outcomes);
    this.variables = new LiveVariables(spec, named);
  }

  /**
   * Loads an object from a path, bytes, or a spec that was parsed and edited.
   *
   * When it throws, everything that it opened is closed and every pin that it created is removed.
   *
   * @throws {ElfError | BtfError | ObjectError} when the object is malformed.
   * @throws {VerifierError} when the verifier refuses a program; has the verifier's log.
   * @throws {DelegationError} when the token lacks a delegation, or a requested token cannot be opened.
   * @throws {KernelError} when the kernel refuses a command otherwise.
   * @throws {SkepError} when a file cannot be read, or an extern or attach target cannot be resolved.
   */
  static async load<T extends ObjectTypes = AnyObject>(
    input: ObjectInput,
    options: LoadOptions = {},
  ): Promise<BpfObject<T>> {
    options.signal?.throwIfAborted();
    using owned = new DisposableStack();
    using undo = new DisposableStack();
    const prepared = await prepare(input, options, owned);
    using run = new LoadRun(prepared.state, {
      onError: options.onError ?? "throw",
      wanted: (program) => program.autoload,
      forToken: prepared.token !== undefined && options.rewrite !== "never",
      jobs: options.jobs,
      signal: options.signal,
    }, { owned, undo });
    const object = new BpfObject<T>(prepared, await run.all(), owned.move());
    undo.move();
    return object;
  }

  /** Returns a map by its name, with its type from `T`. */
  map<N extends keyof T["maps"] & string>(name: N): T["maps"][N];
  /**
   * Returns a map by its name, as the class that the caller states: `KeyedMap<number, bigint>`,
   * `RingBufferMap<Event>`. The class is not checked here; values are checked against the object's BTF when they
   * are written, and calls that the map's type lacks are refused.
   *
   * @typeParam M The map's class.
   */
  map<M extends LiveMap = AnyMap>(name: OtherName<keyof T["maps"]>): M;
  map(name: string): unknown {
    return this.maps.get(name);
  }

  /** Returns a variable by its name, with its type from `T`. */
  variable<N extends keyof T["variables"] & string>(name: N): Variable<T["variables"][N]>;
  /**
   * Returns a variable by its name, with the type that the caller states.
   *
   * @typeParam V The type of its value.
   */
  variable<V = BtfValue>(name: OtherName<keyof T["variables"]>): Variable<V>;
  variable(name: string): unknown {
    return this.variables.get(name);
  }

  /**
   * Attaches every program whose section names its target, or that `programs` has options for, and every
   * struct_ops map. Programs and maps with autoattach off are left out.
   *
   * A program whose section names no target is left out, and listed in `skipped` with the reason. Shared options
   * apply to all programs; each program takes the options that its kind reads.
   *
   * @throws {AttachError} before anything is attached, when no program reads one of the shared options.
   * @throws {SkepError} ENOENT for a name in `programs` that the object does not have; or, with
   * `onError: "throw"`, when a program or map cannot be attached. Those attached before are detached.
   */
  attach(options: ObjectAttachOptions = {}): Links {
    const { programs: single = {}, onError = "throw", ...shared } = options;
    using made = new DisposableStack();
    const links: Link[] = [];
    const skipped: SkippedAttachment[] = [];
    const attempt = (name: string, attach: () => Link): void => {
      try {
        links.push(made.use(attach()));
      } catch (error) {
        if (onError === "throw" || !(error instanceof SkepError)) throw error;
        skipped.push({ name, reason: error.message, error });
      }
    };
    for (const name of Object.keys(single)) this.spec.programs.get(name);
    const reasonOf = (program: Program): string | undefined =>
      single[program.name] === undefined ? leftOut(program) : undefined;
    const programs = Object.groupBy(
      this.programs,
      (program) => reasonOf(program) === undefined ? "attached" : "leftOut",
    );
    const { attached = [], leftOut: others = [] } = programs;
    checkSharedOptions(this.spec.name, { attached, leftOut: others }, shared);
    for (const program of this.programs) {
      const reason = reasonOf(program);
      if (reason !== undefined) {
        skipped.push({ name: program.name, reason });
        continue;
      }
      const own = single[program.name];
      attempt(program.name, () => program.attach({ ...optionsFor(program, shared), ...own }));
    }
    for (const { spec, descriptor, structOps } of this.#created.values()) {
      if (structOps === undefined || !spec.autoattach) continue;
      const { name, flags } = spec;
      const { kernel } = this;
      const map = { kernel, fd: descriptor.fd, name, flags, value: structOps.value };
      attempt(name, () => attachStructOps(map));
    }
    made.move();
    return new Links(links, skipped);
  }

  /** Closes the programs and maps, and the token if the load opened it. */
  [Symbol.dispose](): void {
    this.#owned[Symbol.dispose]();
  }
}

/** Returns why `attach()` leaves a program out, or undefined when it attaches it. */
function leftOut(program: Program): string | undefined {
  const { attach, autoattach, section } = program.spec;
  if (!autoattach) return "its autoattach is off";
  if (attach.kind === "struct_ops") return "it is attached through its map";
  if (attach.attachable === "no") return `programs of section ${section} are not attached`;
  if (attach.attachable === "needs-target") {
    return `section ${section} names no target: attach the program with one`;
  }
  return undefined;
}

function loadedMap(
  kernel: Kernel,
  spec: ObjectSpec,
  created: CreatedMap,
  eventType: (name: string) => number,
): AnyMap {
  const { spec: map, descriptor, arena, structOps } = created;
  const type = mapTypeNumber(map);
  return liveMap({
    kernel,
    descriptor,
    name: map.name,
    type,
    keySize: map.keySize,
    valueSize: structOps?.value.length ?? map.valueSize,
    maxEntries: effectiveMaxEntries(type, map.maxEntries, kernel.machine),
    flags: map.flags,
    mapExtra: map.mapExtra,
    btf: spec.btf,
    keyTypeId: map.keyTypeId,
    valueTypeId: structOps === undefined ? map.valueTypeId : 0,
    spec: map,
    eventType: () => eventType(map.name),
    arena,
    variables: originTraits[map.origin].section
      ? () => [...spec.variables].filter((variable) => variable.map === map)
      : undefined,
  });
}

/** The created maps, with the types that the caller states. */
class LoadedMaps<Known extends ObjectTypes["maps"]> implements NamedMaps<Known> {
  readonly #maps: Named<AnyMap>;

  constructor(maps: Named<AnyMap>) {
    this.#maps = maps;
  }

  get size(): number {
    return this.#maps.size;
  }

  get<Name extends keyof Known & string>(name: Name): Known[Name];
  get(name: string): unknown {
    return this.#maps.get(name);
  }

  find<Name extends keyof Known & string>(name: Name): Known[Name] | undefined;
  find(name: string): unknown {
    return this.#maps.find(name);
  }

  has(name: string): boolean {
    return this.#maps.has(name);
  }

  names(): string[] {
    return this.#maps.names();
  }

  [Symbol.iterator](): Iterator<OtherMap<Known>>;
  [Symbol.iterator](): unknown {
    return this.#maps[Symbol.iterator]();
  }
}

/** The loaded programs. `get` throws with the reason for a program that is not loaded. */
class LoadedPrograms extends NamedList<Program> {
  readonly #object: string;
  readonly #outcomes: readonly ProgramOutcome[];

  constructor(
    spec: ObjectSpec,
    programs: readonly Program[],
    outcomes: readonly ProgramOutcome[],
  ) {
    super("program", spec.name, programs);
    this.#object = spec.name;
    this.#outcomes = outcomes;
  }

  override get(name: string): Program {
    const outcome = this.#outcomes.find(({ program }) => program.name === name);
    if (outcome === undefined || outcome.ok) return super.get(name);
    const { skipped, error } = outcome;
    throw new SkepError({
      doing: "find program",
      subject: `${name} in ${this.#object}`,
      errno: "ENOENT",
      stage: "usage",
      why: skipped === undefined ? "it was refused" : `it is not loaded: ${skipped}`,
    }, { cause: error });
  }
}

/** Variables, created on first access, since an object can have thousands. */
class LiveVariables implements Named<Variable> {
  readonly #spec: ObjectSpec;
  readonly #maps: Named<LiveMap>;
  readonly #made = new Map<string, Variable>();

  constructor(spec: ObjectSpec, maps: Named<LiveMap>) {
    this.#spec = spec;
    this.#maps = maps;
  }

  get size(): number {
    return this.names().length;
  }

  get(name: string): Variable {
    const found = this.find(name);
    if (found !== undefined) return found;
    const { map } = this.#spec.variables.get(name);
    throw new SkepError({
      doing: "find variable",
      subject: `${name} in ${this.#spec.name}`,
      errno: "ENOENT",
      stage: "usage",
      why: `its map ${map.name} was not created`,
    });
  }

  find(name: string): Variable | undefined {
    const known = this.#made.get(name);
    if (known !== undefined) return known;
    const spec = this.#spec.variables.find(name);
    const map = spec === undefined ? undefined : this.#maps.find(spec.map.name);
    if (spec === undefined || map === undefined) return undefined;
    const variable = new Variable(
      spec,
      map,
      this.#spec.btf,
      arenaGlobals(map.kernel, spec.map),
    );
    this.#made.set(name, variable);
    return variable;
  }

  has(name: string): boolean {
    return this.find(name) !== undefined;
  }

  names(): string[] {
    return this.#spec.variables.names().filter((name) => this.has(name));
  }

  *[Symbol.iterator](): Iterator<Variable> {
    for (const name of this.#spec.variables.names()) {
      const variable = this.find(name);
      if (variable !== undefined) yield variable;
    }
  }
}
