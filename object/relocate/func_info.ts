/**
 * func_info and line_info of a linked program: which function and which source line an instruction
 * belongs to, kept in step when subprograms are appended.
 *
 * @module
 */

import type { ExtSection } from "../../btf/ext.ts";
import type { CodeUnit } from "../code/functions.ts";
import { RelocationError } from "../spec/error.ts";
import { INSTRUCTION_SIZE } from "../code/instruction.ts";
import { type ObjectSpec, parsedObject } from "../object_spec.ts";
import type { RelocatedProgram } from "../spec/spec.ts";

/** A function with its place in a linked program. */
export interface Placed {
  /** The function. */
  readonly unit: CodeUnit;
  /** Its first instruction in the program. */
  readonly start: number;
}

type Info = NonNullable<RelocatedProgram["funcInfo"]>;
type Section = ExtSection<unknown>;

/**
 * Collects the records of a program's functions.
 *
 * Without records for the entry function there are none at all, as the kernel wants it.
 *
 * @throws {RelocationError} ENOENT when the entry function has records and a subprogram has none.
 */
export function linkInfo(
  spec: ObjectSpec,
  placed: readonly Placed[],
): { funcInfo?: Info | undefined; lineInfo?: Info | undefined } {
  const ext = spec.btfExt;
  if (ext === undefined) return {};
  const funcInfo = collect(spec, ext.functions, placed, "function");
  const lineInfo = collect(spec, ext.lines, placed, "line");
  return {
    funcInfo,
    lineInfo,
  };
}

function collect(
  spec: ObjectSpec,
  sections: readonly Section[],
  placed: readonly Placed[],
  what: string,
): Info | undefined {
  const { elf } = parsedObject(spec).sections;
  const ranges: { section: Section; from: number; to: number; shift: number }[] = [];
  let length = 0;
  for (const { unit, start } of placed) {
    let range: readonly [number, number] | undefined;
    const section = sections.find((section) => {
      if (elf.section(section.section)?.index !== unit.sectionIndex) return false;
      range = recordsOf(section, unit);
      return range !== undefined;
    });
    if (section === undefined || range === undefined) {
      if (ranges.length === 0) return undefined;
      throw new RelocationError({
        doing: "link",
        subject: `function ${unit.name}`,
        errno: "ENOENT",
        why: `.BTF.ext has no ${what} record for it, but some for its program`,
      });
    }
    const [from, to] = range;
    length += (to - from) * section.recordSize;
    ranges.push({ section, from, to, shift: start - unit.start });
  }
  const recordSize = ranges[0]?.section.recordSize ?? 0;
  const words = new Uint32Array(length / 4);
  const step = recordSize / 4;
  let at = 0;
  for (const { section, from, to, shift } of ranges) {
    words.set(section.words.subarray(from * step, to * step), at);
    for (let record = from; record < to; record++, at += step) {
      words[at] = ((words[at] as number) / INSTRUCTION_SIZE >>> 0) + shift;
    }
  }
  return { recordSize, records: new Uint8Array(words.buffer) };
}

/** Whether a section's records ascend, which compilers see to: found once. */
const ascending = new WeakMap<Section, boolean>();

/** The first record of a function and the one after its last, or undefined when it has none. */
function recordsOf(section: Section, unit: CodeUnit): readonly [number, number] | undefined {
  const { words, count } = section;
  const step = section.recordSize / 4;
  const instruction = (record: number): number =>
    (words[record * step] as number) / INSTRUCTION_SIZE >>> 0;
  let sorted = ascending.get(section);
  if (sorted === undefined) {
    sorted = true;
    for (let record = 1; record < count && sorted; record++) {
      sorted = instruction(record - 1) <= instruction(record);
    }
    ascending.set(section, sorted);
  }
  let from = 0;
  if (sorted) {
    let high = count;
    while (from < high) {
      const middle = (from + high) >>> 1;
      if (instruction(middle) < unit.start) from = middle + 1;
      else high = middle;
    }
  }
  const end = unit.start + unit.count;
  let first = -1;
  let after = from;
  for (let record = from; record < count; record++) {
    const at = instruction(record);
    if (at < unit.start) continue;
    if (at >= end) break;
    if (first < 0) first = record;
    after = record + 1;
  }
  return first < 0 ? undefined : [first, after];
}
