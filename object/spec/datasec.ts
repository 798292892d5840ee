/**
 * Resolves the places of global variables: BTF's data sections with the sizes, offsets and visibilities of
 * ELF.
 *
 * @module
 */

import type { Btf } from "../../btf/btf.ts";
import { Kind } from "../../btf/types.ts";
import type { ElfFile, ElfSymbol } from "../../elf/elf.ts";
import { openError } from "./error.ts";

/** A variable with its place in a data section. */
export interface PlacedVariable {
  /** Type id of its `var`. */
  readonly id: number;
  /** Name of the variable. */
  readonly name: string;
  /** Type id of its value. */
  readonly typeId: number;
  /** Offset in the section in bytes. */
  readonly offset: number;
  /** Size in bytes, from the `datasec`. */
  readonly size: number;
  /** Linkage as loaded into the kernel: a hidden variable is static. */
  readonly linkage: "static" | "global" | "extern";
}

/** A data section of BTF with all offsets resolved. */
export interface PlacedSection {
  /** Type id of the `datasec`. */
  readonly id: number;
  /** Name of the section. */
  readonly name: string;
  /** Size in bytes. */
  readonly size: number;
  /** Variables, ordered by offset. */
  readonly variables: readonly PlacedVariable[];
}

/** Sections of externs, whose variables are not in the object. */
const EXTERN_SECTIONS = new Set([".kconfig", ".ksyms"]);

/**
 * Resolves the variables of every data section except those of externs.
 *
 * clang writes sizes of sections and offsets of global variables as 0; BPF linkers fill them in.
 *
 * @throws {ObjectError} as libbpf: ENOENT for a section or symbol that ELF does not have, EINVAL for a member
 * that is not a variable.
 */
export function placeSections(elf: ElfFile, btf: Btf): PlacedSection[] {
  const symbols = new VariableSymbols(elf);
  const placed: PlacedSection[] = [];
  for (let id = btf.firstId; id < btf.endId; id++) {
    if (btf.kind(id) !== Kind.datasec) continue;
    const name = btf.nameOf(id);
    if (!EXTERN_SECTIONS.has(name)) placed.push(placeSection(elf, btf, symbols, id, name));
  }
  return placed;
}

function placeSection(
  elf: ElfFile,
  btf: Btf,
  symbols: VariableSymbols,
  id: number,
  name: string,
): PlacedSection {
  const type = btf.type(id);
  if (type.kind !== "datasec") return { id, name, size: 0, variables: [] };
  const unplaced = type.size === 0;
  const size = unplaced ? elf.section(name)?.size ?? 0 : type.size;
  if (size === 0) {
    throw openError(
      elf.name,
      "ENOENT",
      `BTF has a data section ${name}, which is missing or empty in ELF`,
    );
  }
  const variables = type.variables.map((entry): PlacedVariable => {
    const variable = btf.type(entry.type);
    if (variable.kind !== "var") {
      throw openError(
        elf.name,
        "EINVAL",
        `data section ${name} of BTF has a member that is a ${variable.kind}, not a variable`,
      );
    }
    let { offset } = entry;
    let { linkage } = variable;
    if (linkage === "global") {
      const symbol = symbols.find(variable.name);
      if (symbol === undefined) {
        throw openError(
          elf.name,
          "ENOENT",
          `variable ${variable.name} of ${name} has no ELF symbol`,
        );
      }
      if (unplaced) offset = symbol.value;
      const { visibility } = symbol;
      if (visibility === "hidden" || visibility === "internal") linkage = "static";
    }
    return {
      id: entry.type,
      name: variable.name,
      typeId: variable.type,
      offset,
      size: entry.size,
      linkage,
    };
  });
  variables.sort((a, b) => a.offset - b.offset);
  return { id, name, size, variables };
}

/** Symbols of global variables, by name. */
class VariableSymbols {
  readonly #elf: ElfFile;
  #index: Map<string, ElfSymbol> | undefined;

  constructor(elf: ElfFile) {
    this.#elf = elf;
  }

  find(name: string): ElfSymbol | undefined {
    if (this.#index === undefined) {
      this.#index = new Map();
      for (const symbol of this.#elf.symbols) {
        if (symbol.type !== "object") continue;
        if (symbol.binding !== "global" && symbol.binding !== "weak") continue;
        if (!this.#index.has(symbol.name)) this.#index.set(symbol.name, symbol);
      }
    }
    return this.#index.get(name);
  }
}
