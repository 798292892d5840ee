/**
 * The options of each kind of hook: which ones it reads, and what each may be.
 *
 * @module
 */

import { nearestNames } from "../../object/spec/named.ts";
import { attachError } from "./target/error.ts";
import type { ProgramHandle } from "./link.ts";

/** What the value of an option may be. */
export interface Expected<T> {
  /** In words, for errors. */
  readonly text: string;
  /** The words that it may be, where it is one. */
  readonly words?: readonly string[] | undefined;
  /** Whether a value is one. */
  accepts(value: unknown): value is T;
}

/** For each option that a kind reads, what it may be. */
export type Expectations<Options> = {
  readonly [Key in keyof Options]-?: Expected<Exclude<Options[Key], undefined>>;
};

/** Texts. */
export const TEXT: Expected<string> = {
  text: "a string",
  accepts: (value) => typeof value === "string",
};
/** Numbers without a fraction. */
export const INTEGER: Expected<number> = {
  text: "an integer",
  accepts: (value): value is number => Number.isSafeInteger(value),
};
/** 64-bit numbers. */
export const BIGINT: Expected<bigint> = {
  text: "a bigint",
  accepts: (value) => typeof value === "bigint",
};
/** True or false. */
export const BOOLEAN: Expected<boolean> = {
  text: "true or false",
  accepts: (value) => typeof value === "boolean",
};
/** Lists of texts. */
export const TEXTS: Expected<readonly string[]> = listOf(TEXT, "an array of strings");
/** Lists of 64-bit numbers. */
export const BIGINTS: Expected<readonly bigint[]> = listOf(BIGINT, "an array of bigints");
/** A name or a number. */
export const TEXT_OR_NUMBER: Expected<string | number> = {
  text: "a string or a number",
  accepts: (value) => typeof value === "string" || typeof value === "number",
};
/** What owns a descriptor: a map, a program, a link. */
export const WITH_DESCRIPTOR: Expected<{ readonly fd: number }> = {
  text: "an object with a descriptor (fd)",
  accepts: (value): value is { readonly fd: number } =>
    isObject(value) && INTEGER.accepts(value["fd"]),
};

/** A loaded program. */
export const PROGRAM: Expected<ProgramHandle> = {
  text: "a loaded program",
  accepts: (value): value is ProgramHandle =>
    isObject(value) && INTEGER.accepts(value["fd"]) && TEXT.accepts(value["name"]),
};
/** By a link, or by the command that hooks had before links. */
export const LINK_OR_COMMAND: Expected<"link" | "command"> = oneOf({ link: true, command: true });

/** One of some words: the keys of a table. */
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

/** Whether a value has fields. */
export function isObject(value: unknown): value is { readonly [field: string]: unknown } {
  return typeof value === "object" && value !== null;
}

function listOf<T>(member: Expected<T>, text: string): Expected<readonly T[]> {
  return {
    text,
    accepts: (value): value is readonly T[] => Array.isArray(value) && value.every(member.accepts),
  };
}

/** The names of the options that are given: those that are undefined are not. */
export function givenOptions(options: object): string[] {
  return Object.entries(options).filter(([, value]) => value !== undefined).map(([key]) => key);
}

/**
 * The options as those of a kind: refuses what it does not read, and values that they cannot have.
 *
 * @throws AttachError with the option, the kind and the nearest option that the kind reads.
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
      fix: `${guess}it has to be ${wanted.text}`,
      data: { option: key, kind, nearest: nearest ?? null },
    });
  }
  return options as Options;
}

/** The error for an option that nobody reads, with the nearest that somebody does. */
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
      ? "leave it out: they read none"
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
