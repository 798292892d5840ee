/**
 * Every public method and function, by looking at the modules: what is added to them is put to the test by
 * itself.
 *
 * @module
 */

import { LinuxKernel } from "../../../../mod.ts";
import { endOpened, type Maker, makers } from "./world.ts";
import { exclusions, waits } from "./exclusions.ts";
import { GENERIC } from "./arguments.ts";
import { fresh } from "./fresh.ts";
import { DISPOSES, type HostileValue, variants } from "./values.ts";

/** One call. */
export interface Case {
  /** For reports, and to run it alone. */
  readonly name: string;
  /** What it is called on; nothing for functions and static methods. */
  readonly maker?: Maker;
  /** Whether the instance is as it was afterwards, and may serve the next case. */
  readonly shared?: boolean;
  /** What happens to the instance before. */
  readonly before?: (instance: unknown) => void;
  /** The call. */
  call(instance: unknown): unknown;
}

type Constructor = new (...values: unknown[]) => unknown;
type Callable = (...values: unknown[]) => unknown;

/** What the entry points of `deno.json` export, by name. */
export async function publicFunctions(): Promise<Map<string, Callable>> {
  const root = new URL("../../../../", import.meta.url);
  const { exports } = JSON.parse(await Deno.readTextFile(new URL("deno.json", root))) as {
    exports: { readonly [entry: string]: string };
  };
  const found = new Map<string, Callable>();
  for (const path of Object.values(exports)) {
    const module = await import(new URL(path, root).href) as { readonly [name: string]: unknown };
    for (const [name, value] of Object.entries(module)) {
      if (typeof value === "function") found.set(name, value as Callable);
    }
  }
  return found;
}

/** Whether a function is a class. */
export function isClass(value: Callable): boolean {
  return /^class\b/.test(Function.prototype.toString.call(value));
}

/** Whether a class has methods to call on an instance, and is no error. */
export function needsMaker(value: Callable): boolean {
  return isClass(value) && !(value.prototype instanceof Error) &&
    methodsOf(value.prototype as object).length > 0;
}

/** The names of methods and properties of an object and what it inherits, but for the language's own. */
function methodsOf(object: object): (string | symbol)[] {
  const names = new Set<string | symbol>();
  for (let at: object | null = object; at !== null; at = Object.getPrototypeOf(at)) {
    const constructor: unknown = Reflect.get(at, "constructor");
    if (typeof constructor === "function" && isNative(constructor)) break;
    for (const name of Reflect.ownKeys(at)) if (name !== "constructor") names.add(name);
  }
  return [...names];
}

/** The names of an instance's class and of those that it extends. */
function classesOf(sample: object): string[] {
  const found: string[] = [];
  for (let at: object | null = sample; at !== null; at = Object.getPrototypeOf(at)) {
    const constructor: unknown = Reflect.get(at, "constructor");
    if (typeof constructor === "function" && !isNative(constructor)) found.push(constructor.name);
  }
  return found;
}

/** Whether a member is a method, and no property that is read. */
function isMethod(sample: object, key: string | symbol): boolean {
  try {
    return typeof Reflect.get(sample, key) === "function";
  } catch {
    return false;
  }
}

function isNative(value: object): boolean {
  return Function.prototype.toString.call(value).includes("[native code]");
}

function label(name: string | symbol): string {
  return typeof name === "symbol" ? `[${name.description}]` : name;
}

/** Takes the memory from every view that an instance shows. */
function detachViews(instance: unknown, depth: number = 2): void {
  if (typeof instance !== "object" || instance === null) return;
  const names = new Set([...Object.keys(instance), ...methodsOf(instance)]);
  for (const name of names) {
    let value: unknown;
    try {
      value = Reflect.get(instance, name);
    } catch {
      continue;
    }
    if (ArrayBuffer.isView(value)) {
      try {
        structuredClone(value.buffer, { transfer: [value.buffer as ArrayBuffer] });
      } catch {
        // Detached already, or shared.
      }
    } else if (depth > 0 && (name === "raw" || name === "elements" || name === "mapping")) {
      detachViews(value, depth - 1);
    }
  }
}

/** Ends an instance, if it has an end. */
export function disposeOf(instance: unknown): void {
  if (typeof instance !== "object" || instance === null) return;
  // The kernel has a close() that takes a number.
  if (instance instanceof LinuxKernel) return;
  const end: unknown = Reflect.get(instance, Symbol.dispose) ?? Reflect.get(instance, "close");
  if (typeof end === "function") Reflect.apply(end, instance, []);
}

/** Methods after which an instance is another. */
const ENDS: ReadonlySet<string> = new Set([
  "close",
  "release",
  "detach",
  "freeze",
  "clear",
  "discard",
]);
/** The values for further kinds of a class, and for what takes arguments of no known kind. */
const FEW: ReadonlySet<string> = new Set([
  "NaN",
  "-1",
  "2**32",
  "0.5",
  "a shared buffer",
  DISPOSES,
]);

/** What is done to an instance before a call, by name. */
function states(
  closeDescriptors: (instance: unknown) => void,
  takeNumber: () => void,
): { readonly [name: string]: (instance: unknown) => void } {
  return {
    "as meant": () => {},
    disposed: disposeOf,
    "disposed, its number taken": (instance) => {
      disposeOf(instance);
      takeNumber();
    },
    "its owner disposed, the number taken": () => {
      endOpened();
      takeNumber();
    },
    "closed elsewhere": closeDescriptors,
    "its views detached": (instance) => detachViews(instance),
  };
}

/** Every case. */
export async function* allCases(
  values: readonly HostileValue[],
  lists: { readonly [name: string]: readonly (readonly unknown[])[] },
  actions: {
    readonly closeDescriptors: (instance: unknown) => void;
    readonly takeNumber: () => void;
    readonly covers: (name: string) => void;
  },
): AsyncGenerator<Case> {
  const functions = await publicFunctions();
  for (const [name, value] of functions) {
    if (Object.hasOwn(exclusions, name) && !isClass(value)) continue;
    if (!isClass(value)) {
      yield* calls(name, lists[name], values, (list) => Reflect.apply(value, undefined, list));
      continue;
    }
    const construct = value as unknown as Constructor;
    yield* calls(`new ${name}`, lists[`new ${name}`], values, (list) => new construct(...list));
    for (const key of Reflect.ownKeys(value)) {
      const method: unknown = Reflect.get(value, key);
      if (key === "prototype" || typeof method !== "function" || isNative(method)) continue;
      const called = `${name}.${label(key)}`;
      yield* calls(called, lists[called], values, (list) => Reflect.apply(method, value, list));
    }
  }
  const kinds = new Set<string>();
  const before = states(actions.closeDescriptors, actions.takeNumber);
  for (const [kind, maker] of Object.entries(makers)) {
    const [name = kind] = kind.split(":");
    if (Object.hasOwn(exclusions, name)) continue;
    const sample: unknown = await maker();
    if (typeof sample !== "object" || sample === null) {
      throw new Error(`the maker of ${kind} gave ${sample}`);
    }
    for (const name of classesOf(sample)) actions.covers(name);
    const names = new Map<string | symbol, boolean>();
    for (const key of [...methodsOf(sample), ...Reflect.ownKeys(sample)]) {
      names.set(key, isMethod(sample, key));
    }
    try {
      disposeOf(sample);
    } catch {
      // A case of its own.
    }
    endOpened();
    for (const [key, takesArguments] of names) {
      const called = `${name}.${label(key)}`;
      if (Object.hasOwn(exclusions, called)) continue;
      const base = lists[called];
      const invoke = (instance: unknown, list: readonly unknown[]): unknown => {
        const member: unknown = Reflect.get(instance as object, key);
        return typeof member === "function" ? Reflect.apply(member, instance, list) : member;
      };
      for (const [state, change] of Object.entries(before)) {
        for (const [index, list] of (base ?? [[]]).entries()) {
          yield {
            name: `${kind}.${label(key)} ${index} ${state}`,
            maker,
            before: change,
            call: (instance) => invoke(instance, list.map((part) => fresh(part))),
          };
        }
      }
      if (!takesArguments || typeof key === "symbol") continue;
      const some = kinds.has(name) || base === undefined
        ? values.filter((value) => FEW.has(value.name))
        : values;
      for (const list of base ?? GENERIC) {
        for (const { place, value, make } of variants(list, some)) {
          const full = `${kind}.${label(key)} ${place} ${value}`;
          if (waits.some((pattern) => pattern.test(full))) continue;
          yield {
            name: full,
            maker,
            shared: !ENDS.has(key) && value !== DISPOSES,
            call: (instance) => invoke(instance, make(instance).map(fresh)),
          };
        }
      }
    }
    kinds.add(name);
  }
}

function* calls(
  name: string,
  base: readonly (readonly unknown[])[] | undefined,
  values: readonly HostileValue[],
  invoke: (list: readonly unknown[]) => unknown,
): Generator<Case> {
  for (const [index, list] of (base ?? [[]]).entries()) {
    yield { name: `${name} ${index} as meant`, call: () => invoke(list.map(fresh)) };
  }
  const some = base === undefined ? values.filter((value) => FEW.has(value.name)) : values;
  for (const list of base ?? GENERIC) {
    for (const { place, value, make } of variants(list, some)) {
      yield { name: `${name} ${place} ${value}`, call: () => invoke(make(undefined).map(fresh)) };
    }
  }
}
