/**
 * The functions of an object: the place of their code and their relocations.
 *
 * @module
 */

import type { RelocationKind } from "../spec/spec.ts";

/** A relocation of an instruction, decoded when the object is parsed. */
export interface Relocation {
  /**
   * `map`: a map. `data`: an offset in a data map or arena. `extern`: an extern's address or value.
   * `extern-call`: a call of a kfunc. `call`: a call of a subprogram. `address`: a subprogram's address.
   * `jumptable`: a table of instructions.
   */
  readonly kind: RelocationKind;
  /** Index of the instruction in the function. */
  readonly instruction: number;
  /** Index of the map or extern; -1 for other kinds. */
  readonly target: number;
  /** Offset of the symbol in its section, in bytes. */
  readonly offset: number;
  /** Size of the symbol in bytes: the length of a jump table; 0 for other kinds. */
  readonly size: number;
}

/** One function of the object: an entry program or a subprogram. */
export interface CodeUnit {
  /** The function's name. */
  readonly name: string;
  /** Name of its section, as in the object. */
  readonly section: string;
  /** ELF index of the section. */
  readonly sectionIndex: number;
  /** Index of its first instruction in the section. */
  readonly start: number;
  /** Number of instructions. */
  readonly count: number;
  /** The instructions, little-endian: a view of the object's bytes that must not be written. */
  readonly code: Uint8Array<ArrayBuffer>;
  /** Whether its symbol has global or weak binding. */
  readonly global: boolean;
  /** Whether it is global with hidden visibility: it is loaded as a static function. */
  readonly hidden: boolean;
  /** Relocations, ordered by instruction. */
  relocations: Relocation[];
}

/** Functions sorted by section and start, for lookup by instruction. */
export class CodeUnits {
  /** All functions, sorted. */
  readonly all: readonly CodeUnit[];
  /** ELF index of `.text`, or -1. */
  readonly textIndex: number;

  /** Sorts the functions by section and start. */
  constructor(units: CodeUnit[], textIndex: number) {
    this.all = units.sort((a, b) => a.sectionIndex - b.sectionIndex || a.start - b.start);
    this.textIndex = textIndex;
  }

  /** Returns the function that contains an instruction of a section. */
  at(sectionIndex: number, instruction: number): CodeUnit | undefined {
    const { all } = this;
    let low = 0;
    let high = all.length - 1;
    while (low < high) {
      const middle = low + ((high - low + 1) >> 1);
      const unit = all[middle] as CodeUnit;
      const before = unit.sectionIndex < sectionIndex ||
        (unit.sectionIndex === sectionIndex && unit.start <= instruction);
      if (before) low = middle;
      else high = middle - 1;
    }
    const unit = all[low];
    const found = unit !== undefined && unit.sectionIndex === sectionIndex &&
      instruction >= unit.start && instruction < unit.start + unit.count;
    return found ? unit : undefined;
  }

  /** Returns whether a function is a subprogram: it is in `.text`. */
  isSubprogram(unit: CodeUnit): boolean {
    return unit.sectionIndex === this.textIndex;
  }
}
