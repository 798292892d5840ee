/**
 * Decodes the relocations of instructions, map slots and struct_ops members into typed records.
 *
 * @module
 */

import type { Btf } from "../../btf/btf.ts";
import type { CompositeType, Member } from "../../btf/types.ts";
import type { ElfRelocation, ElfSection, ElfSymbol } from "../../elf/elf.ts";
import type { CodeUnit, CodeUnits, Relocation } from "../code/functions.ts";
import { openError } from "../spec/error.ts";
import {
  immediateOf,
  INSTRUCTION_SIZE,
  Opcode,
  opcodeOf,
  Pseudo,
  sourceOf,
} from "../code/instruction.ts";
import { holdsMaps } from "../spec/map_rules.ts";
import type { MapDefinition } from "../spec/map_spec.ts";
import type { Externs } from "./externs.ts";
import type { DefinedMap } from "./maps.ts";
import type { ObjectSections } from "./sections.ts";
import { sectionPlan } from "../section/table.ts";
import { isFunctionPointer } from "../spec/struct_ops_spec.ts";

/** SHN_LORESERVE: the first reserved section index. */
const FIRST_RESERVED = 0xff00;

/** Everything that relocations can refer to. */
export interface RelocationContext {
  /** The sections. */
  readonly sections: ObjectSections;
  /** The functions. */
  readonly units: CodeUnits;
  /** The externs. */
  readonly externs: Externs;
  /** The maps. */
  readonly maps: readonly MapDefinition[];
  /** Maps of `.maps`, with the offsets of their slots. */
  readonly defined: readonly DefinedMap[];
  /** The arena; undefined when the object has none. */
  readonly arena: MapDefinition | undefined;
  /** The object's BTF. */
  readonly btf: Btf | undefined;
}

/**
 * Reads the relocations of code, of `.maps` and of struct_ops sections.
 *
 * Relocations of other sections (BTF, DWARF) are ignored.
 *
 * @throws {ObjectError} EINVAL for a relocation with an invalid place or target, ESRCH for a map slot that
 * names an unknown map or program.
 */
export function readRelocations(context: RelocationContext): void {
  const { sections, units } = context;
  const { elf } = sections;
  const reader = new RelocationReader(context);
  for (const section of sections.structOps) {
    for (const relocation of elf.relocations(section)) reader.structOps(section, relocation);
  }
  if (sections.maps !== undefined) {
    for (const relocation of elf.relocations(sections.maps)) {
      reader.mapSlot(sections.maps, relocation);
    }
  }
  for (const section of sections.code) {
    for (const relocation of elf.relocations(section)) reader.code(section, relocation);
  }
  for (const unit of units.all) unit.relocations.sort((a, b) => a.instruction - b.instruction);
}

class RelocationReader {
  readonly #context: RelocationContext;
  /** Maps by section and offset. */
  readonly #maps = new Map<number, Map<number, MapDefinition>>();
  /** struct_ops maps by section, ordered by offset. */
  readonly #structOps = new Map<number, MapDefinition[]>();
  /** The first map of each name in `.maps`. */
  readonly #named = new Map<string, MapDefinition>();
  /** The first function of each name. */
  readonly #functions = new Map<string, CodeUnit>();
  /** Members of struct_ops types by their bit offset. */
  readonly #members = new Map<CompositeType, Map<number, Member>>();
  readonly #defined: readonly DefinedMap[];

  constructor(context: RelocationContext) {
    this.#context = context;
    this.#defined = [...context.defined].sort((a, b) => a.map.sectionOffset - b.map.sectionOffset);
    for (const unit of context.units.all) {
      if (!this.#functions.has(unit.name)) this.#functions.set(unit.name, unit);
    }
    for (const map of context.maps) {
      if (map.sectionIndex === context.sections.maps?.index && !this.#named.has(map.name)) {
        this.#named.set(map.name, map);
      }
      if (map.origin === "struct_ops") {
        const others = this.#structOps.get(map.sectionIndex);
        if (others === undefined) this.#structOps.set(map.sectionIndex, [map]);
        else others.push(map);
      }
      if (map.origin === "struct_ops" || map.sectionIndex < 0) continue;
      const section = this.#maps.get(map.sectionIndex) ?? new Map<number, MapDefinition>();
      section.set(map.sectionOffset, map);
      this.#maps.set(map.sectionIndex, section);
    }
  }

  /** Decodes one relocation of an instruction. */
  code(section: ElfSection, relocation: ElfRelocation): void {
    const { offset } = relocation;
    if (offset % INSTRUCTION_SIZE !== 0 || offset >= section.size) {
      throw this.#error(
        "EINVAL",
        `relocation at byte ${offset} of ${section.name} is not at an instruction`,
      );
    }
    const symbol = this.#symbol(relocation);
    const index = offset / INSTRUCTION_SIZE;
    const unit = this.#context.units.at(section.index, index);
    // Code outside of all functions: a weak function that the linker replaced.
    if (unit === undefined) return;
    const record = this.#readCode(unit, index - unit.start, symbol);
    unit.relocations.push(record);
  }

  #readCode(unit: CodeUnit, instruction: number, symbol: ElfSymbol): Relocation {
    const { externs, sections, arena } = this.#context;
    const record = { instruction, target: -1, offset: symbol.value, size: 0 } as const;
    const { code } = unit;
    const opcode = opcodeOf(code, instruction);
    const isCall = opcode === Opcode.call;
    const refuse = (why: string, fix?: string): Error =>
      this.#error(
        "EINVAL",
        `instruction ${instruction} of ${unit.name} refers to ${this.#describe(symbol)}: ${why}`,
        fix,
      );
    if (!isCall && opcode !== Opcode.loadImmediate64) {
      throw refuse(`opcode 0x${opcode.toString(16)} takes no relocation`);
    }
    // A 64-bit load takes two instructions.
    if (!isCall && instruction + 1 >= unit.count) {
      throw refuse("the second half of the 64-bit load is missing");
    }
    const index = symbol.sectionIndex;
    if (index === 0 && symbol.type === "notype" && symbol.binding !== "local") {
      const extern = externs.bySymbol.get(symbol.index);
      if (extern === undefined) throw refuse("it is not a known extern");
      return {
        ...record,
        kind: isCall ? "extern-call" : "extern",
        target: extern.index,
        offset: 0,
      };
    }
    if (isCall) {
      if (sourceOf(code, instruction) !== Pseudo.call) {
        throw refuse("the instruction calls a helper");
      }
      if (index === 0 || index !== sections.textIndex) {
        throw refuse("only functions in .text can be called", "remove SEC() from the function");
      }
      if (symbol.value % INSTRUCTION_SIZE !== 0) throw refuse("it is not at an instruction");
      return { ...record, kind: "call" };
    }
    if (index === 0 || index >= FIRST_RESERVED) {
      throw refuse(
        "it is in no section",
        "define the symbol in this object, or declare it with __ksym or __kconfig",
      );
    }
    if (isSubprogram(symbol, sections.textIndex)) {
      if (
        symbol.value % INSTRUCTION_SIZE !== 0 ||
        immediateOf(code, instruction) % INSTRUCTION_SIZE !== 0
      ) throw refuse("it is not at an instruction");
      return { ...record, kind: "address" };
    }
    if (index === sections.arena?.index) {
      if (arena === undefined) throw refuse("the object has no arena");
      return { ...record, kind: "data", target: arena.index };
    }
    if (index === sections.jumpTables?.index) {
      return { ...record, kind: "jumptable", size: symbol.size };
    }
    const maps = this.#maps.get(index);
    if (index === sections.maps?.index || index === sections.legacyMaps?.index) {
      const map = maps?.get(symbol.value);
      if (map === undefined) throw refuse(`there is no map at byte ${symbol.value}`);
      return { ...record, kind: "map", target: map.index, offset: 0 };
    }
    const data = maps?.get(0);
    if (data === undefined) {
      throw refuse("its section holds neither code, maps nor data");
    }
    return { ...record, kind: "data", target: data.index };
  }

  /** Decodes one relocation of `.maps`: a static slot. */
  mapSlot(section: ElfSection, relocation: ElfRelocation): void {
    const { sections, units } = this.#context;
    const symbol = this.#symbol(relocation);
    const { offset } = relocation;
    const owner = lastAt(this.#defined, offset, ({ map }) => map.sectionOffset);
    if (owner === undefined || offset + 8 > owner.map.sectionOffset + owner.size) {
      throw this.#error("EINVAL", `relocation at byte ${offset} of ${section.name} is in no map`);
    }
    const { map, valuesOffset } = owner;
    const refuse = (errno: string, why: string): Error =>
      this.#error(
        errno,
        `map ${map.name}: its value at byte ${offset} is ${this.#describe(symbol)}: ${why}`,
      );
    let name: string;
    if (typeof map.type === "string" && holdsMaps(map.type)) {
      if (symbol.sectionIndex !== sections.maps?.index) {
        throw refuse("EINVAL", "it is not a map of .maps");
      }
      if (map.type === "hash_of_maps" && map.keySize !== 4) {
        throw refuse("EINVAL", `keys have ${map.keySize} bytes, and static values need 4`);
      }
      const inner = this.#named.get(symbol.name);
      if (inner === undefined) throw refuse("ESRCH", "there is no such map");
      name = inner.name;
    } else if (map.type === "prog_array") {
      const unit = this.#functions.get(symbol.name);
      if (unit === undefined) throw refuse("ESRCH", "there is no such program");
      if (
        unit.sectionIndex !== symbol.sectionIndex ||
        unit.start * INSTRUCTION_SIZE !== symbol.value || units.isSubprogram(unit)
      ) throw refuse("EINVAL", "it is not an entry program");
      name = unit.name;
    } else {
      throw refuse("EINVAL", "only maps of maps and prog arrays have values");
    }
    const from = map.sectionOffset + valuesOffset;
    if (valuesOffset < 0 || offset < from || (offset - from) % 8 !== 0) {
      throw refuse("EINVAL", "it is not an element of values");
    }
    map.addSlot((offset - from) / 8, name);
  }

  /** Decodes one relocation of a struct_ops section: a function pointer. */
  structOps(section: ElfSection, relocation: ElfRelocation): void {
    const { btf, units } = this.#context;
    const symbol = this.#symbol(relocation);
    const { offset } = relocation;
    const inSection = this.#structOps.get(section.index) ?? [];
    const map = lastAt(inSection, offset, ({ sectionOffset }) => sectionOffset);
    if (map === undefined || offset - map.sectionOffset >= map.valueSize || btf === undefined) {
      throw this.#error("EINVAL", `relocation at byte ${offset} of ${section.name} is in no map`);
    }
    const refuse = (errno: string, why: string): Error =>
      this.#error(errno, `struct_ops ${map.name} refers to ${this.#describe(symbol)}: ${why}`);
    if (symbol.sectionIndex >= FIRST_RESERVED) throw refuse("EINVAL", "it is in no section");
    if (symbol.value % INSTRUCTION_SIZE !== 0) {
      throw refuse("EINVAL", "it is not at an instruction");
    }
    const type = btf.type(map.valueTypeId) as CompositeType;
    const bits = (offset - map.sectionOffset) * 8;
    const member = this.#membersOf(type).get(bits);
    if (member === undefined) throw refuse("EINVAL", `no member is at byte ${bits / 8}`);
    if (!isFunctionPointer(btf, member.type)) {
      throw refuse("EINVAL", `member ${member.name} is not a function pointer`);
    }
    // A static function is referred to by its section symbol, so it is looked up by offset, not by name.
    const unit = units.at(symbol.sectionIndex, symbol.value / INSTRUCTION_SIZE);
    if (unit === undefined) throw refuse("EINVAL", "it is not a program");
    if (sectionPlan(unit.section).type !== "struct_ops") {
      throw refuse("EINVAL", `${unit.name} is in section ${unit.section}, not struct_ops`);
    }
    map.structOps?.setProgram(member.name, unit.name);
  }

  #membersOf(type: CompositeType): ReadonlyMap<number, Member> {
    let members = this.#members.get(type);
    if (members === undefined) {
      members = new Map();
      for (const member of type.members) {
        if (!members.has(member.bitOffset)) members.set(member.bitOffset, member);
      }
      this.#members.set(type, members);
    }
    return members;
  }

  #symbol({ symbol: index }: ElfRelocation): ElfSymbol {
    const { elf } = this.#context.sections;
    const symbol = elf.symbols[index];
    if (symbol === undefined) throw this.#error("EINVAL", `there is no symbol ${index}`);
    return symbol;
  }

  #describe(symbol: ElfSymbol): string {
    const section = this.#context.sections.elf.sections[symbol.sectionIndex]?.name ?? "";
    if (symbol.name === "") return `section ${section}`;
    return section === "" ? symbol.name : `${symbol.name} in section ${section}`;
  }

  #error(errno: string, why: string, fix?: string): Error {
    return openError(this.#context.sections.elf.name, errno, why, { fix });
  }
}

/** Returns the last item that starts at or before a place. The items are ordered by start. */
function lastAt<T>(
  things: readonly T[],
  place: number,
  startOf: (thing: T) => number,
): T | undefined {
  let low = 0;
  let high = things.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (startOf(things[middle] as T) <= place) low = middle + 1;
    else high = middle;
  }
  return things[low - 1];
}

/** Returns whether a symbol refers to a function in `.text`; static ones are referred to by their section. */
function isSubprogram(symbol: ElfSymbol, textIndex: number): boolean {
  if (symbol.sectionIndex !== textIndex) return false;
  return symbol.binding === "local" ? symbol.type === "section" : symbol.type === "func";
}
