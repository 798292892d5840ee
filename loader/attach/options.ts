/**
 * Checks attach options: which options a kind reads, and the values that each accepts.
 *
 * @module
 */

import { nearestNames } from "../../object/spec/named.ts";
import { attachError } from "./target/error.ts";
import type { ProgramHandle } from "./link.ts";

/** Accepted values of an option. */
export interface Expected<T> {
  /** Description, for errors. */
  readonly text: string;
  /** The accepted strings, when the option is one of a fixed set. */
  readonly words?: readonly string[] | undefined;
  /** Returns whether a value is accepted. */
  accepts(value: unknown): value is T;
}

/** Accepted values of each option that a kind reads. */
export type Expectations<Options> = {
  readonly [Key in keyof Options]-?: Expected<Exclude<Options[Key], undefined>>;
};

/** Strings. */
export const TEXT: Expected<string> = {
  text: "a string",
  accepts: (value) => typeof value === "string",
};
/** Safe integers. */
export const INTEGER: Expected<number> = {
  text: "an integer",
  accepts: (value): value is number => Number.isSafeInteger(value),
};
/** Bigints. */
export const BIGINT: Expected<bigint> = {
  text: "a bigint",
  accepts: (value) => typeof value === "bigint",
};
/** Booleans. */
export const BOOLEAN: Expected<boolean> = {
  text: "true or false",
  accepts: (value) => typeof value === "boolean",
};
/** Arrays of strings. */
export const TEXTS: Expected<readonly string[]> = listOf(TEXT, "an array of strings");
/** Arrays of bigints. */
export const BIGINTS: Expected<readonly bigint[]> = listOf(BIGINT, "an array of bigints");
/** Strings or numbers: a name or path, or an index or descriptor. */
export const TEXT_OR_NUMBER: Expected<string | number> = {
  text: "a string or a number",
  accepts: (value) => typeof value === "string" || typeof value === "number",
};
/** Objects with a descriptor: maps, programs, links. */
export const WITH_DESCRIPTOR: Expected<{ readonly fd: number }> = {
  text: "an object with a descriptor (fd)",
  accepts: (value): value is { readonly fd: number } =>
    isObject(value) && INTEGER.accepts(value["fd"]),
};

/** Loaded programs. */
export const PROGRAM: Expected<ProgramHandle> = {
  text: "a loaded program",
  accepts: (value): value is ProgramHandle =>
    isObject(value) && INTEGER.accepts(value["fd"]) && TEXT.accepts(value["name"]),
};
/** A link, or BPF_PROG_ATTACH. */
export const LINK_OR_COMMAND: Expected<"link" | "command"> = oneOf({ link: true, command: true });

/** Accepts the keys of a table. */
export function oneOf<Word extends string>(
  table: { readonly [word in Word]: unknown },
): Expected<Word> {
  const words = Object.keys(table);
  return {
    text: `one of ${words.map((word) => `"${word}"`).join(", ")}`,
    words,
    accepts: (value): value is Word => typeof value === "string" && Object.hasOwn(table, value),
  };
}

/** Returns whether a value is an object, so that its fields can be read. */
export function isObject(value: unknown): value is { readonly [field: string]: unknown } {
  return typeof value === "object" && value !== null;
}

function listOf<T>(member: Expected<T>, text: string): Expected<readonly T[]> {
  return {
    text,
    accepts: (value): value is readonly T[] => Array.isArray(value) && value.every(member.accepts),
  };
}

/** Returns the names of the options whose value is not undefined. */
export function givenOptions(options: object): string[] {
  return Object.entries(options).filter(([, value]) => value !== undefined).map(([key]) => key);
}

/**
 * Checks that a kind reads every given option and accepts its value, and returns the options typed.
 *
 * @throws {AttachError} EINVAL with the option, the kind and the nearest accepted name.
 */
export function checkOptions<Options extends object>(
  program: string,
  kind: string,
  expected: Expectations<Options>,
  options: object,
): Options {
  const table: { readonly [key: string]: Expected<unknown> } = expected;
  for (const [key, value] of Object.entries(options)) {
    if (value === undefined) continue;
    if (!Object.hasOwn(table, key)) throw unreadOption(program, `${kind} programs`, key, table);
    const wanted = table[key];
    if (wanted === undefined || wanted.accepts(value)) continue;
    const nearest = typeof value === "string"
      ? nearestNames(value, wanted.words ?? [])[0]
      : undefined;
    const guess = nearest === undefined ? "" : `did you mean "${nearest}"? `;
    throw attachError(program, `option ${key} cannot be ${shown(value)}`, {
      errno: "EINVAL",
      fix: `${guess}it must be ${wanted.text}`,
      data: { option: key, kind, nearest: nearest ?? null },
    });
  }
  return options as Options;
}

/** Creates the error for an option that is not read, with the nearest one that is. */
export function unreadOption(
  subject: string,
  readers: string,
  key: string,
  read: { readonly [key: string]: unknown },
): Error {
  const keys = Object.keys(read);
  const [nearest] = nearestNames(key, keys);
  return attachError(subject, `${readers} read no option "${key}"`, {
    errno: "EINVAL",
    fix: keys.length === 0
      ? "leave it out: they read no options"
      : nearest === undefined
      ? `leave it out; they read ${keys.join(", ")}`
      : `did you mean "${nearest}"? they read ${keys.join(", ")}`,
    data: { option: key, nearest: nearest ?? null, options: keys },
  });
}

function shown(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value);
  if (typeof value === "bigint") return `${value}n`;
  return isObject(value) ? "an object" : String(value);
}
