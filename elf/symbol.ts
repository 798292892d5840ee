/**
 * Symbols whose names are decoded when they are first read.
 *
 * @module
 */

import type { StringTable } from "./string_table.ts";
import type { ElfBinding, ElfSymbol, ElfSymbolType, ElfVisibility } from "./types.ts";

const BINDINGS = ["local", "global", "weak"] as const;
const SYMBOL_TYPES = ["notype", "object", "func", "section", "file"] as const;
const VISIBILITIES = ["default", "internal", "hidden", "protected"] as const;

/** A symbol whose name is decoded when it is first read: most symbols are looked up by index only. */
export class LazySymbol implements ElfSymbol {
  readonly index: number;
  readonly value: number;
  readonly size: number;
  readonly sectionIndex: number;
  readonly #names: StringTable;
  readonly #nameOffset: number;
  readonly #info: number;
  readonly #other: number;

  constructor(
    names: StringTable,
    nameOffset: number,
    index: number,
    value: number,
    size: number,
    info: number,
    other: number,
    sectionIndex: number,
  ) {
    this.#names = names;
    this.#nameOffset = nameOffset;
    this.index = index;
    this.value = value;
    this.size = size;
    this.#info = info;
    this.#other = other;
    this.sectionIndex = sectionIndex;
  }

  get name(): string {
    return this.#nameOffset === 0 ? "" : this.#names.at(this.#nameOffset) ?? "";
  }

  get binding(): ElfBinding {
    return BINDINGS[this.#info >> 4] ?? "other";
  }

  get type(): ElfSymbolType {
    return SYMBOL_TYPES[this.#info & 15] ?? "other";
  }

  get visibility(): ElfVisibility {
    return VISIBILITIES[this.#other & 3] ?? "default";
  }
}
