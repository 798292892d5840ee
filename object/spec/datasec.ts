/**
 * Where an object's global variables are: BTF's data sections with the sizes, offsets and
 * visibilities that only ELF knows.
 *
 * @module
 */

import type { Btf } from "../../btf/btf.ts";
import { Kind } from "../../btf/types.ts";
import type { ElfFile, ElfSymbol } from "../../elf/elf.ts";
import { openError } from "./error.ts";

/** A variable with its place. */
export interface PlacedVariable {
  /** The id of its `var`. */
  readonly id: number;
  /** Its name. */
  readonly name: string;
  /** Its type's id. */
  readonly typeId: number;
  /** Bytes from the start of the section. */
  readonly offset: number;
  /** Bytes, as the data section says. */
  readonly size: number;
  /** As the kernel is told: a hidden variable counts as static. */
  readonly linkage: "static" | "global" | "extern";
}

/** A data section of BTF with all places known. */
export interface PlacedSection {
  /** The id of the `datasec`. */
  readonly id: number;
  /** The section's name. */
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  /** By offset. */
  readonly variables: readonly PlacedVariable[];
}

/** Sections whose variables live outside the object. */
const EXTERN_SECTIONS = new Set([".kconfig", ".ksyms"]);

/**
 * Places the variables of every data section but those of externs.
 *
 * clang leaves the size and the global variables' offsets at zero; BPF linkers fill them in.
 *
 * @throws {ObjectError} as libbpf does: ENOENT for a section or symbol that is not there, EINVAL for
 * anything but a variable.
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
    throw openError(elf.name, "ENOENT", `BTF has a data section ${name} that ELF does not have`);
  }
  const variables = type.variables.map((entry): PlacedVariable => {
    const variable = btf.type(entry.type);
    if (variable.kind !== "var") {
      throw openError(
        elf.name,
        "EINVAL",
        `data section ${name} of BTF holds a ${variable.kind}, not only variables`,
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

/** The global variables among the symbols, by name. */
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
