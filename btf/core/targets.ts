/**
 * The BTFs that relocations are resolved against, with cached lookups.
 *
 * @module
 */

import type { Btf } from "../btf.ts";
import { BtfError } from "../error.ts";
import { essentialName } from "../essential_name.ts";
import type { KindName } from "../types.ts";

/** A type of the kernel that a local type may correspond to. */
export interface CoreTarget {
  /** The BTF that defines it: the kernel's or a module's. */
  readonly btf: Btf;
  /** Its id in that BTF. */
  readonly typeId: number;
}

/** Maximum number of types with one name; each relocation compares all of them. */
const MOST_CANDIDATES = 4096;

/** Options of {@linkcode CoreTargets}. */
export interface CoreTargetsOptions {
  /**
   * Returns the modules' BTFs, split from the main one. Called at most once, when the main BTF has no
   * candidate.
   */
  readonly modules?: (() => Iterable<Btf>) | undefined;
}

/**
 * The kernel's types for CO-RE.
 *
 * One instance can serve all objects of a process: candidates are cached by name and kind.
 */
export class CoreTargets {
  /** The kernel's BTF, or a replacement chosen by the user. */
  readonly main: Btf;
  readonly #modules: (() => Iterable<Btf>) | undefined;
  #moduleList: readonly Btf[] | undefined;
  readonly #candidates = new Map<string, readonly CoreTarget[]>();

  /** Takes the main BTF; nothing is read until it is needed. */
  constructor(main: Btf, options: CoreTargetsOptions = {}) {
    this.main = main;
    this.#modules = options.modules;
  }

  /** The modules' BTFs, read on first use. */
  get modules(): readonly Btf[] {
    return this.#moduleList ??= [...this.#modules?.() ?? []];
  }

  /**
   * Returns the types of a kind whose names are equal up to a `___flavor`, in the order of their ids.
   *
   * Modules are searched only when the main BTF has none; `enum` and `enum64` count as one kind.
   *
   * @throws {BtfError} E2BIG when there are more than 4,096.
   */
  candidates(name: string, kind: KindName | "unknown"): readonly CoreTarget[] {
    const wanted = essentialName(name);
    if (kind === "unknown") return [];
    const group = kind === "enum64" ? "enum" : kind;
    const key = `${group} ${wanted}`;
    let found = this.#candidates.get(key);
    if (found === undefined) {
      found = search([this.main], wanted, group);
      if (found.length === 0) found = search(this.modules, wanted, group);
      if (found.length > MOST_CANDIDATES) {
        throw new BtfError({
          doing: "relocate",
          subject: `${group} ${wanted}`,
          errno: "E2BIG",
          stage: "relocate",
          why: `${this.main.name} has ${found.length} types of that name, more than the ` +
            `${MOST_CANDIDATES} that are compared`,
        });
      }
      this.#candidates.set(key, found);
    }
    return found;
  }
}

function search(btfs: readonly Btf[], name: string, kind: KindName): CoreTarget[] {
  const kinds: readonly KindName[] = kind === "enum" ? ["enum", "enum64"] : [kind];
  return btfs.flatMap((btf) => btf.candidates(name, kinds).map((typeId) => ({ btf, typeId })));
}
