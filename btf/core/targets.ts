/**
 * The BTFs that relocations are resolved against, with what was found in them before.
 *
 * @module
 */

import type { Btf } from "../btf.ts";
import { BtfError } from "../error.ts";
import { essentialName } from "../essential_name.ts";
import type { KindName } from "../types.ts";

/** A type that may be what the object means. */
export interface CoreTarget {
  /** The BTF that it is in: the kernel's or a module's. */
  readonly btf: Btf;
  /** Its id there. */
  readonly typeId: number;
}

/** Types of one name that a BTF may have: each relocation looks at all of them. */
const MOST_CANDIDATES = 4096;

/** Where candidates come from besides the main BTF. */
export interface CoreTargetsOptions {
  /** The modules' BTFs, split from the main one. Called once, and only when the main BTF has no candidate. */
  readonly modules?: (() => Iterable<Btf>) | undefined;
}

/**
 * The kernel's types as CO-RE looks at them.
 *
 * One instance serves every object of a process: candidates are looked up once per name and kind,
 * and kept.
 */
export class CoreTargets {
  /** The kernel's BTF, or the one that the user names instead. */
  readonly main: Btf;
  readonly #modules: (() => Iterable<Btf>) | undefined;
  #moduleList: readonly Btf[] | undefined;
  readonly #candidates = new Map<string, readonly CoreTarget[]>();

  /** Takes the main BTF; nothing is read before it is asked for. */
  constructor(main: Btf, options: CoreTargetsOptions = {}) {
    this.main = main;
    this.#modules = options.modules;
  }

  /** The modules' BTFs; read at the first call. */
  get modules(): readonly Btf[] {
    return this.#moduleList ??= [...this.#modules?.() ?? []];
  }

  /**
   * Types of a kind whose name is the same up to a `___flavor`, in the order of their ids.
   *
   * Modules are asked only when the main BTF has none; `enum` and `enum64` are one kind.
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
