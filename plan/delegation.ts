/**
 * The delegation of a bpffs mount: four sets, one per `delegate_*` mount option.
 *
 * @module
 */

import {
  AttachType,
  attachTypeName,
  Command,
  commandName,
  MapType,
  mapTypeName,
  ProgramType,
  programTypeName,
} from "../uapi/enums.ts";
import { SkepError } from "../errors/skep_error.ts";
import { structs, structSizes } from "../uapi/layouts.ts";
import { StructReader } from "../uapi/fields.ts";

/** The four sets, in the kernel's order (`bpf_show_options`). */
export const DELEGATION_SETS = ["commands", "maps", "programs", "attachments"] as const;

/** Name of one of the four sets. */
export type DelegationSet = typeof DELEGATION_SETS[number];

/**
 * Mount option of each set: `delegate_cmds`, `delegate_maps`, `delegate_progs`, `delegate_attachs`.
 */
export const DELEGATION_OPTIONS: { readonly [set in DelegationSet]: string } = {
  commands: "delegate_cmds",
  maps: "delegate_maps",
  programs: "delegate_progs",
  attachments: "delegate_attachs",
};

/** A set with all 64 bits. */
const ALL = (1n << 64n) - 1n;

/** Longest value of one option in characters: fsconfig(2) refuses longer strings with EINVAL. */
const LONGEST_VALUE = 255;

const NUMBERS: { readonly [set in DelegationSet]: { readonly [name: string]: number } } = {
  commands: Command,
  maps: MapType,
  programs: ProgramType,
  attachments: AttachType,
};

const NAMES: { readonly [set in DelegationSet]: (number: number) => string | undefined } = {
  commands: commandName,
  maps: mapTypeName,
  programs: programTypeName,
  attachments: attachTypeName,
};

/** One member of a delegation: a command, map type, program type or attach type. */
export interface DelegationWord {
  /** The set that it belongs to. */
  readonly set: DelegationSet;
  /** Mount option of the set, for example `delegate_progs`. */
  readonly option: string;
  /**
   * The kernel's name in lower case (`xdp`), or the bit's mask in hexadecimal when it has no name.
   */
  readonly word: string;
  /** Number of the bit. */
  readonly number: number;
}

/** The four sets as bit masks. */
export interface DelegationMasks {
  /** Bit n allows command n of bpf(2). */
  readonly commands: bigint;
  /** Bit n allows map type n. */
  readonly maps: bigint;
  /** Bit n allows program type n. */
  readonly programs: bigint;
  /** Bit n allows attach type n. */
  readonly attachments: bigint;
}

/** The four sets by names or numbers, for {@linkcode Delegation.of}. */
export type DelegationWords = {
  readonly [set in DelegationSet]?: "any" | bigint | Iterable<string | number>;
};

/**
 * Four sets of commands and types: what a mount delegates, a token allows, or an object needs.
 *
 * Immutable; {@linkcode Delegation.equals} compares the masks.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { Delegation } from "@skep/skep";
 *
 * const granted = Delegation.of({ commands: ["map_create"], maps: ["hash", "array"] });
 * assertEquals(granted.toMountOptions(), "delegate_cmds=map_create,delegate_maps=hash:array");
 *
 * const needed = Delegation.of({ commands: ["map_create"], maps: ["ringbuf"] });
 * assertEquals(granted.missing(needed).map((missing) => missing.word), ["ringbuf"]);
 * ```
 */
export class Delegation implements DelegationMasks {
  /** The empty delegation. */
  static readonly none: Delegation = new Delegation({});
  /** All 64 bits of every set, which includes commands and types that later kernels add. */
  static readonly any: Delegation = new Delegation({
    commands: ALL,
    maps: ALL,
    programs: ALL,
    attachments: ALL,
  });

  /** Bit n allows command n of bpf(2). */
  readonly commands: bigint;
  /** Bit n allows map type n. */
  readonly maps: bigint;
  /** Bit n allows program type n. */
  readonly programs: bigint;
  /** Bit n allows attach type n. */
  readonly attachments: bigint;

  /** Creates a delegation from masks. Omitted sets are empty; bits above 63 are dropped. */
  constructor(masks: Partial<DelegationMasks>) {
    this.commands = BigInt.asUintN(64, masks.commands ?? 0n);
    this.maps = BigInt.asUintN(64, masks.maps ?? 0n);
    this.programs = BigInt.asUintN(64, masks.programs ?? 0n);
    this.attachments = BigInt.asUintN(64, masks.attachments ?? 0n);
  }

  /**
   * Creates a delegation from names, numbers or `"any"`.
   *
   * @throws {SkepError} when a name is unknown to this version.
   */
  static of(words: DelegationWords): Delegation {
    const masks: { [set in DelegationSet]?: bigint } = {};
    for (const set of DELEGATION_SETS) masks[set] = maskOf(set, words[set]);
    return new Delegation(masks);
  }

  /**
   * Parses mount options, as `/proc/self/mountinfo` shows them or as mount(8) takes them. Ignores
   * other options.
   *
   * A value follows the kernel's rules: names in any case, numbers in C notation, and *a number
   * replaces everything before it*.
   */
  static parse(options: string): Delegation {
    const masks: { [set in DelegationSet]?: bigint } = {};
    for (const option of options.split(",")) {
      const equals = option.indexOf("=");
      if (equals < 0) continue;
      const key = option.slice(0, equals);
      for (const set of DELEGATION_SETS) {
        if (DELEGATION_OPTIONS[set] !== key) continue;
        masks[set] = (masks[set] ?? 0n) | parseValue(set, option.slice(equals + 1));
      }
    }
    return new Delegation(masks);
  }

  /** Decodes the bytes of a `struct bpf_token_info`, in the machine's byte order. */
  static fromInfo(info: Uint8Array): Delegation {
    const read = new StructReader(info, structSizes.bpf_token_info);
    const field = structs.bpf_token_info;
    return new Delegation({
      commands: read.long(field.allowed_cmds),
      maps: read.long(field.allowed_maps),
      programs: read.long(field.allowed_progs),
      attachments: read.long(field.allowed_attachs),
    });
  }

  /** Parses the `allowed_*` lines of a token's fdinfo; undefined when the text has none. */
  static fromFdinfo(text: string): Delegation | undefined {
    const masks: { [set in DelegationSet]?: bigint } = {};
    const keys = { commands: "cmds", maps: "maps", programs: "progs", attachments: "attachs" };
    for (const set of DELEGATION_SETS) {
      const line = new RegExp(`^allowed_${keys[set]}:\\s*(any|0x[0-9a-fA-F]+)\\s*$`, "m").exec(
        text,
      );
      if (line?.[1] === undefined) return undefined;
      masks[set] = line[1] === "any" ? ALL : BigInt(line[1]);
    }
    return new Delegation(masks);
  }

  /** Whether all sets are empty: the kernel creates no token from such a mount. */
  get empty(): boolean {
    return (this.commands | this.maps | this.programs | this.attachments) === 0n;
  }

  /** Returns whether a set has a bit. */
  has(set: DelegationSet, word: string | number): boolean {
    const number = typeof word === "number" ? word : numberOf(set, word);
    return (this[set] >> BigInt(number) & 1n) === 1n;
  }

  /** Returns the members of `need` that are absent here, in the kernel's order. */
  missing(need: DelegationMasks): DelegationWord[] {
    const words: DelegationWord[] = [];
    for (const set of DELEGATION_SETS) {
      for (const number of bits(need[set] & ~this[set])) words.push(wordOf(set, number));
    }
    return words;
  }

  /** Returns whether no member of `need` is absent here. */
  covers(need: DelegationMasks): boolean {
    return DELEGATION_SETS.every((set) => (need[set] & ~this[set]) === 0n);
  }

  /** Returns the union with another delegation. */
  union(other: DelegationMasks): Delegation {
    return new Delegation({
      commands: this.commands | other.commands,
      maps: this.maps | other.maps,
      programs: this.programs | other.programs,
      attachments: this.attachments | other.attachments,
    });
  }

  /** Returns this delegation without the members of another. */
  without(other: DelegationMasks): Delegation {
    return new Delegation({
      commands: this.commands & ~other.commands,
      maps: this.maps & ~other.maps,
      programs: this.programs & ~other.programs,
      attachments: this.attachments & ~other.attachments,
    });
  }

  /** Returns whether both have the same masks. */
  equals(other: DelegationMasks): boolean {
    return DELEGATION_SETS.every((set) => this[set] === other[set]);
  }

  /**
   * Returns one set as names: `["any"]` when it has every bit; hexadecimal masks for bits without a
   * name.
   */
  names(set: DelegationSet): string[] {
    if (this[set] === ALL) return ["any"];
    return bits(this[set]).map((number) => wordOf(set, number).word);
  }

  /** Returns all members. */
  words(): DelegationWord[] {
    return Delegation.none.missing(this);
  }

  /**
   * Returns the value of one option for fsconfig(2): names joined by `:`, `any`, or one hexadecimal
   * number where the names are too long or a bit has none (the kernel does not take both in one
   * value). Undefined for an empty set.
   */
  optionValue(set: DelegationSet): string | undefined {
    const mask = this[set];
    if (mask === 0n) return undefined;
    const names = this.names(set);
    const value = names.join(":");
    const nameless = names.some((name) => name.startsWith("0x"));
    return nameless || value.length > LONGEST_VALUE ? hex(mask) : value;
  }

  /**
   * Formats as mount options: `delegate_cmds=map_create:prog_load,delegate_maps=…`. Omits empty
   * sets.
   */
  toMountOptions(): string {
    return this.#join((set) => this.optionValue(set));
  }

  /**
   * Formats as mount options in hexadecimal, for kernels without BTF or without one of the names.
   */
  toHex(): string {
    return this.#join((set) => this[set] === 0n ? undefined : hex(this[set]));
  }

  /**
   * Returns the arguments of fsconfig(fd, FSCONFIG_SET_STRING, key, value, 0), one call per option.
   * Values are numbers, which every kernel parses alike.
   */
  toFsconfig(): { readonly key: string; readonly value: string }[] {
    return DELEGATION_SETS.filter((set) => this[set] !== 0n)
      .map((set) => ({ key: DELEGATION_OPTIONS[set], value: hex(this[set]) }));
  }

  /** Returns the names of each set, for `JSON.stringify`. */
  toJSON(): { readonly [set in DelegationSet]: string[] } {
    return {
      commands: this.names("commands"),
      maps: this.names("maps"),
      programs: this.names("programs"),
      attachments: this.names("attachments"),
    };
  }

  /** Formats as mount options; `none` when empty. */
  toString(): string {
    return this.empty ? "none" : this.toMountOptions();
  }

  #join(value: (set: DelegationSet) => string | undefined): string {
    return DELEGATION_SETS.flatMap((set) => {
      const text = value(set);
      return text === undefined ? [] : [`${DELEGATION_OPTIONS[set]}=${text}`];
    }).join(",");
  }
}

/** Returns the member for a bit of a set. */
export function wordOf(set: DelegationSet, number: number): DelegationWord {
  const word = NAMES[set](number) ?? hex(1n << BigInt(number));
  return { set, option: DELEGATION_OPTIONS[set], word, number };
}

/** Formats members as mount options: `delegate_progs=xdp, delegate_attachs=xdp`. */
export function wordsText(words: readonly DelegationWord[]): string {
  const masks: { [set in DelegationSet]?: bigint } = {};
  for (const word of words) masks[word.set] = (masks[word.set] ?? 0n) | 1n << BigInt(word.number);
  return new Delegation(masks).toMountOptions();
}

function hex(mask: bigint): string {
  return `0x${mask.toString(16)}`;
}

function bits(mask: bigint): number[] {
  const numbers: number[] = [];
  for (let number = 0; mask >> BigInt(number) !== 0n; number++) {
    if ((mask >> BigInt(number) & 1n) === 1n) numbers.push(number);
  }
  return numbers;
}

function maskOf(set: DelegationSet, words: DelegationWords[DelegationSet]): bigint {
  if (words === undefined) return 0n;
  if (typeof words === "bigint") return words;
  if (words === "any") return ALL;
  let mask = 0n;
  for (const word of words) {
    if (word === "any") return ALL;
    const number = typeof word === "number" ? word : numberOf(set, word);
    mask |= 1n << BigInt(number);
  }
  return mask;
}

function numberOf(set: DelegationSet, word: string): number {
  const table = NUMBERS[set];
  const name = word.toLowerCase();
  if (Object.hasOwn(table, name)) return table[name] as number;
  throw new SkepError({
    doing: "read",
    subject: `${DELEGATION_OPTIONS[set]}=${word}`,
    why: `"${word}" is no value of ${DELEGATION_OPTIONS[set]} that this version of skep supports`,
    fix: `use one of ${Object.keys(table).join(", ")}`,
    errno: "EINVAL",
    stage: "token",
  });
}

function parseValue(set: DelegationSet, value: string): bigint {
  let mask = 0n;
  for (const item of value.split(":")) {
    if (item === "any") mask |= ALL;
    else if (/^0x[0-9a-f]+$/i.test(item)) mask = BigInt(item);
    else if (/^0[0-7]*$/.test(item)) mask = BigInt(`0o0${item}`);
    else if (/^[1-9][0-9]*$/.test(item)) mask = BigInt(item);
    else mask |= 1n << BigInt(numberOf(set, item));
  }
  return BigInt.asUintN(64, mask);
}
