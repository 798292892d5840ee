/**
 * Functions as the object has them: where their code stands and what it refers to.
 *
 * @module
 */

import type { RelocationKind } from "../spec/spec.ts";

/** What an instruction refers to, read once when the object is parsed. */
export interface Relocation {
  /**
   * `map`: a map. `data`: a place in a data map or arena. `extern`: an extern's address or value.
   * `extern-call`: a kfunc. `call`: a subprogram. `address`: a subprogram's address. `jumptable`:
   * a table of instructions.
   */
  readonly kind: RelocationKind;
  /** Counted from the function's start. */
  readonly instruction: number;
  /** The index of the map or extern; -1 for the other kinds. */
  readonly target: number;
  /** Bytes from the start of the symbol's section. */
  readonly offset: number;
  /** Bytes of the symbol (a jump table's length). */
  readonly size: number;
}

/** One function of the object: an entry program or a subprogram. */
export interface CodeUnit {
  /** The function's name. */
  readonly name: string;
  /** The name of its section, as written. */
  readonly section: string;
  /** The section's index. */
  readonly sectionIndex: number;
  /** Its first instruction, counted from the section's start. */
  readonly start: number;
  /** Number of instructions. */
  readonly count: number;
  /** The instructions, little-endian; a view that nobody may write. */
  readonly code: Uint8Array<ArrayBuffer>;
  /** Whether other objects may see it. */
  readonly global: boolean;
  /** Whether it is global but hidden: then the verifier is told that it is static. */
  readonly hidden: boolean;
  /** What its instructions refer to, by instruction. */
  relocations: Relocation[];
}

/** Functions sorted by section and start, for look-up by instruction. */
export class CodeUnits {
  /** All of them, sorted. */
  readonly all: readonly CodeUnit[];
  /** The index of `.text`, or -1. */
  readonly textIndex: number;

  /** Sorts the functions by section and place. */
  constructor(units: CodeUnit[], textIndex: number) {
    this.all = units.sort((a, b) => a.sectionIndex - b.sectionIndex || a.start - b.start);
    this.textIndex = textIndex;
  }

  /** The function that has an instruction of a section. */
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

  /** Whether a function is only ever called from others: it stands in `.text`. */
  isSubprogram(unit: CodeUnit): boolean {
    return unit.sectionIndex === this.textIndex;
  }
}
