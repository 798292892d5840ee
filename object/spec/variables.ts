/**
 * Reads and sets global variables before load.
 *
 * @module
 */

import type { Btf } from "../../btf/btf.ts";
import type { ElfFile, ElfSymbol } from "../../elf/elf.ts";
import type { PlacedSection } from "./datasec.ts";
import { ObjectError } from "./error.ts";
import type { MapDefinition } from "./map_spec.ts";
import { originTraits } from "./map_traits.ts";
import type { ExternSpec, VariableSpec } from "./spec.ts";
import { readValue, writeValue } from "./btf_value.ts";

/** A variable in a map's value. */
class Variable implements VariableSpec {
  /** See {@linkcode VariableSpec}. */
  readonly name: string;
  /** See {@linkcode VariableSpec}. */
  readonly map: MapDefinition;
  /** See {@linkcode VariableSpec}. */
  readonly offset: number;
  /** See {@linkcode VariableSpec}. */
  readonly size: number;
  /** See {@linkcode VariableSpec}. */
  readonly typeId: number;
  /** See {@linkcode VariableSpec}. */
  readonly constant: boolean;
  /** See {@linkcode VariableSpec}. */
  readonly linkage: "static" | "global" | "extern";
  readonly #btf: Btf | undefined;

  /** Creates the variable at a place in a map's value. */
  constructor(
    map: MapDefinition,
    btf: Btf | undefined,
    place: Pick<VariableSpec, "name" | "offset" | "size" | "typeId" | "linkage">,
  ) {
    this.name = place.name;
    this.map = map;
    this.offset = place.offset;
    this.size = place.size;
    this.typeId = place.typeId;
    this.constant = originTraits[map.origin].constant;
    this.linkage = place.linkage;
    this.#btf = btf;
  }

  /** See {@linkcode VariableSpec}. */
  get bytes(): Uint8Array<ArrayBuffer> {
    const contents = this.map.contents;
    if (contents === undefined || this.offset + this.size > contents.length) {
      throw this.#error("use", `it extends past the end of ${this.map.name}`);
    }
    return contents.subarray(this.offset, this.offset + this.size);
  }

  /** See {@linkcode VariableSpec}. */
  get(): unknown {
    if (this.#btf === undefined || this.typeId === 0) {
      throw this.#error("read", "the object has no BTF, so its type is unknown", "use its bytes");
    }
    return readValue(this.#btf, this.typeId, this.bytes, `variable ${this.name}`);
  }

  /** See {@linkcode VariableSpec}. */
  set(value: unknown): void {
    if (value instanceof Uint8Array && (this.#btf === undefined || this.typeId === 0)) {
      if (value.length !== this.size) {
        throw this.#error("set", `it takes ${this.size} bytes, not ${value.length}`);
      }
      this.bytes.set(value);
      return;
    }
    if (this.#btf === undefined || this.typeId === 0) {
      throw this.#error("set", "the object has no BTF, so its type is unknown", "set its bytes");
    }
    if (originTraits[this.map.origin].contents === "kernel-configuration") {
      throw this.#error(
        "set",
        "it is set from the kernel's configuration at load",
        "override it with the load option kconfig",
      );
    }
    writeValue(this.#btf, this.typeId, this.bytes, value, `variable ${this.name}`);
  }

  /** Returns the JSON form. */
  toJSON(): VariableJson {
    return {
      name: this.name,
      map: this.map.name,
      offset: this.offset,
      size: this.size,
      type: this.typeId,
      constant: this.constant,
      linkage: this.linkage,
    };
  }

  #error(doing: string, why: string, fix?: string): ObjectError {
    return new ObjectError({
      doing,
      subject: `variable ${this.name}`,
      errno: "EINVAL",
      stage: "usage",
      why,
      fix,
    });
  }
}

/** JSON form of a variable. */
export interface VariableJson {
  /** See {@linkcode VariableSpec}. */
  readonly name: string;
  /** Name of the map. */
  readonly map: string;
  /** See {@linkcode VariableSpec}. */
  readonly offset: number;
  /** See {@linkcode VariableSpec}. */
  readonly size: number;
  /** Type id in the object's BTF; 0 without BTF. */
  readonly type: number;
  /** See {@linkcode VariableSpec}. */
  readonly constant: boolean;
  /** See {@linkcode VariableSpec}. */
  readonly linkage: "static" | "global" | "extern";
}

/** Input of {@linkcode readVariables}. */
export interface VariableSources {
  /** The object. */
  readonly elf: ElfFile;
  /** Its BTF. */
  readonly btf: Btf | undefined;
  /** Maps of the object; those without variables are ignored. */
  readonly maps: readonly MapDefinition[];
  /** Data sections of BTF. */
  readonly placed: readonly PlacedSection[];
  /** The externs. */
  readonly externs: readonly ExternSpec[];
}

/** Finds all variables by BTF, or by ELF symbols in sections that BTF does not describe. */
export function readVariables({ elf, btf, maps, placed, externs }: VariableSources): Variable[] {
  const variables: Variable[] = [];
  const byName = new Map<string, PlacedSection>();
  for (const section of placed) if (!byName.has(section.name)) byName.set(section.name, section);
  const bySection = new Map<number, ElfSymbol[]>();
  const seen = new Set<string>();
  for (const map of maps) {
    const { contents, datasec } = originTraits[map.origin];
    if (contents === "kernel-configuration") {
      for (const extern of externs) {
        if (extern.kind !== "kconfig") continue;
        variables.push(new Variable(map, btf, { ...extern, linkage: "extern" }));
      }
      continue;
    }
    if (datasec === undefined) continue;
    const name = datasec === "section" ? map.section : datasec;
    // BTF does not distinguish sections of the same name: its variables are those of the first.
    if (seen.has(name)) continue;
    seen.add(name);
    const section = byName.get(name);
    if (section === undefined) {
      if (bySection.size === 0) groupBySection(elf, bySection);
      for (const symbol of bySection.get(elf.section(name)?.index ?? -1) ?? []) {
        variables.push(
          new Variable(map, btf, {
            name: symbol.name,
            offset: symbol.value,
            size: symbol.size,
            typeId: 0,
            linkage: symbol.binding === "local" ? "static" : "global",
          }),
        );
      }
      continue;
    }
    for (const variable of section.variables) variables.push(new Variable(map, btf, variable));
  }
  return variables;
}

/** Groups the symbols of variables (STT_OBJECT) by section. */
function groupBySection(elf: ElfFile, into: Map<number, ElfSymbol[]>): void {
  for (const symbol of elf.symbols) {
    if (symbol.type !== "object") continue;
    const others = into.get(symbol.sectionIndex);
    if (others === undefined) into.set(symbol.sectionIndex, [symbol]);
    else others.push(symbol);
  }
}
