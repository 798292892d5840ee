/**
 * Reads the functions of code sections: entry programs and subprograms.
 *
 * @module
 */

import type { ElfSection, ElfSymbol } from "../../elf/elf.ts";
import { type CodeUnit, CodeUnits } from "../code/functions.ts";
import { openError } from "../spec/error.ts";
import { INSTRUCTION_SIZE, toLittleEndian } from "../code/instruction.ts";
import type { ObjectSections } from "./sections.ts";
import { sectionPlan } from "../section/table.ts";
import type { ProgramSpec } from "../spec/spec.ts";

/** Limit of the functions' total size, as a multiple of the code's: functions may be aliases of each other. */
const MOST_ALIASES = 16;

/**
 * Reads the functions: each symbol of type STT_FUNC in a code section.
 *
 * @throws {ObjectError} EINVAL for a function that extends past its section, is not made of whole
 * instructions or overlaps too many others; EOPNOTSUPP for a static entry program.
 */
export function readFunctions(sections: ObjectSections): CodeUnits {
  const { elf } = sections;
  const code = new Map<number, ElfSection>();
  for (const section of sections.code) code.set(section.index, section);
  const swapped = new Map<number, Uint8Array<ArrayBuffer>>();
  const units: CodeUnit[] = [];
  if (code.size === 0) return new CodeUnits(units, sections.textIndex);
  let room = MOST_ALIASES * sections.code.reduce((sum, { size }) => sum + size, 0);
  for (const symbol of elf.symbols) {
    const section = code.get(symbol.sectionIndex);
    if (section === undefined || symbol.type !== "func") continue;
    let bytes = section.data as Uint8Array<ArrayBuffer>;
    if (!elf.littleEndian) {
      bytes = swapped.get(section.index) ?? toLittleEndian(bytes);
      swapped.set(section.index, bytes);
    }
    units.push(readFunction(sections, section, bytes, symbol));
    room -= symbol.size;
    if (room < 0) {
      throw openError(
        elf.name,
        "EINVAL",
        `its functions take more than ${MOST_ALIASES} times the size of its code`,
      );
    }
  }
  return new CodeUnits(units, sections.textIndex);
}

function readFunction(
  { elf, textIndex }: ObjectSections,
  section: ElfSection,
  bytes: Uint8Array<ArrayBuffer>,
  symbol: ElfSymbol,
): CodeUnit {
  const { name, value, size, visibility } = symbol;
  if (value + size > bytes.length) {
    throw openError(
      elf.name,
      "EINVAL",
      `function ${name} extends from byte ${value} to ${
        value + size
      } of section ${section.name}, ` +
        `which has ${bytes.length}`,
    );
  }
  const global = symbol.binding !== "local";
  if (section.index !== textIndex && !global) {
    throw openError(
      elf.name,
      "EOPNOTSUPP",
      `program ${name} in section ${section.name} is static`,
      { fix: "make the function global, or move it to .text if it is a subprogram" },
    );
  }
  if (size === 0 || size % INSTRUCTION_SIZE !== 0 || value % INSTRUCTION_SIZE !== 0) {
    throw openError(
      elf.name,
      "EINVAL",
      `function ${name} at byte ${value} with ${size} bytes is not made of whole instructions`,
    );
  }
  return {
    name,
    section: section.name,
    sectionIndex: section.index,
    start: value / INSTRUCTION_SIZE,
    count: size / INSTRUCTION_SIZE,
    code: bytes.subarray(value, value + size),
    global,
    hidden: global && (visibility === "hidden" || visibility === "internal"),
    relocations: [],
  };
}

/** Creates the spec of an entry program. */
export function programSpec(unit: CodeUnit): ProgramSpec {
  const plan = sectionPlan(unit.section);
  return {
    name: unit.name,
    section: plan.section,
    type: plan.type,
    expectedAttachType: plan.expectedAttachType,
    flags: plan.flags,
    attach: plan.attach,
    autoload: plan.autoload,
    autoattach: true,
    instructions: unit.code,
    sectionOffset: unit.start * INSTRUCTION_SIZE,
  };
}
