/**
 * Records the commands of a kernel with their results, and replays them.
 *
 * @module
 */

import { type JsonValue, SkepError } from "../../errors/skep_error.ts";
import type { Kernel, MapBatch, MapElements } from "../kernel.ts";
import { Mapping } from "../mapping.ts";
import { readable } from "../read_only_mapping.ts";
import { isFailedStep, type IsolatedChild, type Processes } from "../processes.ts";

/** One command of a recording. */
export interface RecordedCall {
  /**
   * The method, prefixed for element and batch commands (`"mapElements 2.update"`), the poller
   * (`"poller.wait"`) and the processes (`"sockets.send"`, `"child 1.wait"`).
   */
  readonly command: string;
  /** The arguments; bytes and bigints are encoded as JSON objects (`{ $bytes }`, `{ $bigint }`). */
  readonly arguments: JsonValue;
  /** The result; for element and batch commands with the contents of the buffers after the call. */
  result: JsonValue;
}

/** A recording as JSON that is identical for identical commands and results. */
export interface Recording {
  /** The version of the format. */
  readonly version: 1;
  /** The facts of the machine. */
  readonly machine: JsonValue;
  /** All commands, in order. */
  readonly calls: readonly RecordedCall[];
}

/** Thrown when a command differs from the recording. */
export class ReplayError extends SkepError {
  /** The class's name, also after minification. */
  override readonly name: string = "ReplayError";
}

/**
 * Wraps a kernel and records every command with its result.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { FakeKernel, RecordingKernel, ReplayKernel } from "@skep/skep/kernel";
 *
 * const recorder = new RecordingKernel(new FakeKernel());
 * const map = { type: 1, keySize: 4, valueSize: 8, maxEntries: 16 };
 * const descriptor = recorder.kernel.mapCreate(map);
 *
 * const replay = new ReplayKernel(recorder.toJSON());
 * assertEquals(replay.kernel.mapCreate(map), descriptor);
 * ```
 */
export class RecordingKernel {
  /** A kernel that forwards to the wrapped one. */
  readonly kernel: Kernel;
  #inner: Kernel;
  #calls: RecordedCall[] = [];
  #handles = 0;

  /** Wraps `kernel`. */
  constructor(kernel: Kernel) {
    this.#inner = kernel;
    this.kernel = kernelOf((command, args) => this.#record("", kernel, command, args), {
      machine: () => kernel.machine,
      waits: (command, args) => this.#record("poller.", kernel.poller, command, args),
      processes: (group, command, args) =>
        this.#record(`${group}.`, kernel.processes[group], command, args),
    });
  }

  /** Returns the recording so far. */
  toJSON(): Recording {
    return {
      version: 1,
      machine: encode(this.#inner.machine),
      calls: this.#calls.map((call) => ({ ...call })),
    };
  }

  #record(prefix: string, target: object, command: string, args: unknown[]): unknown {
    const entry: RecordedCall = {
      command: prefix + command,
      arguments: encode(args),
      result: null,
    };
    this.#calls.push(entry);
    const method = (target as Record<string, unknown>)[command];
    if (typeof method !== "function") {
      throw new TypeError(`Cannot record "${command}": the kernel has no such method`);
    }
    const result: unknown = method.apply(target, args);
    if (result instanceof Promise) {
      return result.then((value) => {
        if (command === "startIsolated" && !isFailedStep(value)) {
          return this.#child(entry, value as IsolatedChild);
        }
        entry.result = encode(value);
        return value;
      });
    }
    if (command === "mapElements" || command === "mapBatch") {
      const handle = ++this.#handles;
      entry.result = { $handle: handle };
      return this.#handle(command, handle, result as MapElements | MapBatch);
    }
    entry.result = encode(result);
    return result;
  }

  /** Wraps a child so that its commands are recorded. */
  #child(entry: RecordedCall, child: IsolatedChild): IsolatedChild {
    const handle = ++this.#handles;
    const { pid, pidfd, contextFd } = child;
    entry.result = { $child: handle, pid, pidfd, contextFd };
    const call = (command: string, args: unknown[]): unknown =>
      this.#record(`child ${handle}.`, child, command, args);
    return childOf({ pid, pidfd, contextFd }, call, () => child[Symbol.dispose]());
  }

  /**
   * Wraps an element or batch object so that its commands are recorded with the buffers before and after.
   */
  #handle(kind: string, handle: number, inner: MapElements | MapBatch): MapElements | MapBatch {
    return new Proxy(inner, {
      get: (target, property) => {
        const value = Reflect.get(target, property, target);
        if (typeof value !== "function") return value;
        if (typeof property === "symbol") return value.bind(target);
        return (...args: unknown[]): unknown => {
          const entry: RecordedCall = {
            command: `${kind} ${handle}.${property}`,
            arguments: encode([...args, inputs(target)]),
            result: null,
          };
          this.#calls.push(entry);
          const result: unknown = value.apply(target, args);
          entry.result = encode({ result: result ?? null, ...buffers(target) });
          return result;
        };
      },
    });
  }
}

/**
 * Replays a recording: returns the recorded results for the same commands in the same order.
 *
 * Every method of {@linkcode ReplayKernel.kernel} throws a {@linkcode ReplayError} for any other command.
 */
export class ReplayKernel {
  /** The replaying kernel. */
  readonly kernel: Kernel;
  #calls: readonly RecordedCall[];
  #at = 0;

  /** Starts at the beginning of the recording. */
  constructor(recording: Recording) {
    this.#calls = recording.calls;
    const machine = decode(recording.machine) as Kernel["machine"];
    this.kernel = kernelOf((command, args) => this.#replay(command, args), {
      machine: () => machine,
      waits: (command, args) => this.#replay(`poller.${command}`, args),
      processes: (group, command, args) => this.#replay(`${group}.${command}`, args),
    });
  }

  /** The number of recorded commands that were not replayed yet. */
  get left(): number {
    return this.#calls.length - this.#at;
  }

  #take(command: string, args: unknown): JsonValue {
    const encoded = JSON.stringify(encode(args));
    const call = this.#calls[this.#at];
    const told = { command, arguments: encoded, index: this.#at };
    if (call === undefined) {
      throw new ReplayError({
        doing: "replay",
        subject: command,
        why: `the recording ends after ${this.#calls.length} commands`,
        data: told,
      });
    }
    if (call.command !== command || JSON.stringify(call.arguments) !== encoded) {
      throw new ReplayError({
        doing: "replay",
        subject: command,
        why: call.command === command
          ? `command ${this.#at} of the recording has other arguments`
          : `command ${this.#at} of the recording is ${call.command}`,
        data: { ...told, recorded: { ...call } },
      });
    }
    this.#at++;
    return call.result;
  }

  #replay(command: string, args: unknown[]): unknown {
    const result = this.#take(command, args);
    if (command === "mapElements" || command === "mapBatch") {
      return this.#handle(command, result, args as number[]);
    }
    if (command === "children.startIsolated") return Promise.resolve(this.#child(result));
    const value = decode(result);
    return PROMISED.has(command.replace(/^child \d+/, "child")) ? Promise.resolve(value) : value;
  }

  #child(result: JsonValue): unknown {
    const answer = decode(result) as {
      $child: number;
      pid: number;
      pidfd: number;
      contextFd: number;
    };
    if (isFailedStep(answer)) return answer;
    const { $child, ...facts } = answer;
    return childOf(
      facts,
      (command, args) => this.#replay(`child ${$child}.${command}`, args),
      () => {},
    );
  }

  #handle(kind: string, result: JsonValue, args: number[]): unknown {
    const { $handle } = result as { $handle: number };
    const [, keySize = 0, valueSize = 0, capacity = 0] = args;
    const elements = kind === "mapElements";
    const state: Record<string, unknown> = elements
      ? {
        key: new Uint8Array(keySize),
        value: new Uint8Array(valueSize),
        nextKey: new Uint8Array(keySize),
      }
      : {
        capacity,
        count: 0,
        keys: new Uint8Array(keySize * capacity),
        values: new Uint8Array(valueSize * capacity),
      };
    return new Proxy(state, {
      get: (target, property) => {
        if (property === Symbol.dispose) return (): void => {};
        if (typeof property === "symbol" || property in target) {
          return Reflect.get(target, property);
        }
        return (...given: unknown[]): unknown => {
          const answer = decode(this.#take(
            `${kind} ${$handle}.${property}`,
            [...given, inputs(target)],
          )) as Record<string, unknown>;
          for (const [name, value] of Object.entries(answer)) {
            const buffer = target[name];
            if (value instanceof Uint8Array && buffer instanceof Uint8Array) buffer.set(value);
            else if (name === "count") target.count = value;
          }
          return answer.result ?? undefined;
        };
      },
    });
  }
}

/** Returns the buffers that an element or batch command reads. */
function inputs(target: object): Record<string, unknown> {
  const { key, value, keys, values } = target as Record<string, unknown>;
  return key instanceof Uint8Array ? { key, value } : { keys, values };
}

/** Returns the buffers that an element or batch command writes. */
function buffers(target: object): Record<string, unknown> {
  const { key, value, nextKey, keys, values, count } = target as Record<string, unknown>;
  return key instanceof Uint8Array ? { value, nextKey } : { keys, values, count };
}

/** Commands that return a promise. */
const PROMISED: ReadonlySet<string> = new Set([
  "programLoad",
  "poller.wait",
  "child.run",
  "child.wait",
  "namespaces.createTokenIn",
  "namespaces.openFilesystemIn",
  "namespaces.ownerMap",
  "sockets.receiveWithin",
]);

/** Makes a child whose commands all call one function. */
function childOf(
  facts: Pick<IsolatedChild, "pid" | "pidfd" | "contextFd">,
  call: (command: string, args: unknown[]) => unknown,
  dispose: () => void,
): IsolatedChild {
  return {
    ...facts,
    run: () => call("run", []) as ReturnType<IsolatedChild["run"]>,
    wait: () => call("wait", []) as ReturnType<IsolatedChild["wait"]>,
    signal: (number) => call("signal", [number]) as number,
    kill: () => call("kill", []) as number,
    [Symbol.dispose]: dispose,
  };
}

/** Makes a kernel whose methods all call one function. */
function kernelOf(
  call: (command: string, args: unknown[]) => unknown,
  own: {
    readonly machine: () => Kernel["machine"];
    readonly waits: (command: string, args: unknown[]) => unknown;
    readonly processes: (group: keyof Processes, command: string, args: unknown[]) => unknown;
  },
): Kernel {
  const methods = (to: (command: string, args: unknown[]) => unknown): object =>
    new Proxy({}, {
      get: (_target, property) => {
        if (property === Symbol.dispose) return (): void => {};
        // `await` reads `then` of every object.
        if (typeof property === "symbol" || property === "then") return undefined;
        return (...args: unknown[]): unknown => to(property, args);
      },
    });
  const commands = methods(call);
  const poller = methods(own.waits);
  const group = (name: keyof Processes): object =>
    methods((command, args) => own.processes(name, command, args));
  const processes = {
    children: group("children"),
    credentials: group("credentials"),
    namespaces: group("namespaces"),
    mounts: group("mounts"),
    terminals: group("terminals"),
    sockets: group("sockets"),
  };
  return new Proxy(commands, {
    get: (target, property) => {
      if (property === "machine") return own.machine();
      if (property === "poller") return poller;
      if (property === "processes") return processes;
      return Reflect.get(target, property);
    },
  }) as Kernel;
}

function encode(value: unknown): JsonValue {
  switch (typeof value) {
    case "bigint":
      return { $bigint: `${value}` };
    case "undefined":
      return { $undefined: true };
    case "number":
    case "string":
    case "boolean":
      return value;
  }
  if (value === null) return null;
  if (value instanceof Uint8Array) return { $bytes: value.toBase64() };
  // Later writes through other mappings are not seen: a mapping is recorded with its contents at creation.
  if (value instanceof Mapping) return { $mapping: readable(value).u8.toBase64() };
  if (value instanceof AbortSignal) return { $signal: true };
  if (Array.isArray(value)) return value.map(encode);
  const entries = Object.entries(value as object)
    .filter(([, each]) => each !== undefined && typeof each !== "function")
    .sort(([a], [b]) => a < b ? -1 : a > b ? 1 : 0);
  return Object.fromEntries(entries.map(([name, each]) => [name, encode(each)]));
}

function decode(value: JsonValue): unknown {
  if (value === null || typeof value !== "object") return value;
  if (Array.isArray(value)) return value.map(decode);
  const record = value as { readonly [name: string]: JsonValue };
  if (typeof record.$bigint === "string") return BigInt(record.$bigint);
  if (record.$undefined === true) return undefined;
  if (typeof record.$bytes === "string") return Uint8Array.fromBase64(record.$bytes);
  if (typeof record.$mapping === "string") {
    return new Mapping(Uint8Array.fromBase64(record.$mapping).buffer);
  }
  return Object.fromEntries(Object.entries(record).map(([name, each]) => [name, decode(each)]));
}
