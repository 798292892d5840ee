/**
 * Collects func_info and line_info of a relocated program, with offsets adjusted for appended subprograms.
 *
 * @module
 */

import type { ExtSection } from "../../btf/ext.ts";
import type { CodeUnit } from "../code/functions.ts";
import { RelocationError } from "../spec/error.ts";
import { INSTRUCTION_SIZE } from "../code/instruction.ts";
import { type ObjectSpec, parsedObject } from "../object_spec.ts";
import type { RelocatedProgram } from "../spec/spec.ts";

/** A function with its place in a relocated program. */
export interface Placed {
  /** The function. */
  readonly unit: CodeUnit;
  /** Index of its first instruction in the program. */
  readonly start: number;
}

type Info = NonNullable<RelocatedProgram["funcInfo"]>;
type Section = ExtSection<unknown>;

/**
 * Collects the func_info and line_info records of a program's functions.
 *
 * A kind of record is left out when the entry function has none of it: the kernel requires func_info to
 * start at instruction 0.
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
  const bySection = indexOf(spec, sections, what);
  const ranges: { section: Section; from: number; to: number; shift: number }[] = [];
  let length = 0;
  for (const { unit, start } of placed) {
    let found: { section: Section; from: number; to: number } | undefined;
    for (const records of bySection.get(unit.sectionIndex) ?? []) {
      const range = recordsOf(records, unit);
      if (range === undefined) continue;
      found = { section: records.section, from: range[0], to: range[1] };
      break;
    }
    if (found === undefined) {
      if (ranges.length === 0) return undefined;
      throw new RelocationError({
        doing: "link",
        subject: `function ${unit.name}`,
        errno: "ENOENT",
        why: `.BTF.ext has ${what} records for its program, but none for it`,
      });
    }
    length += (found.to - found.from) * found.section.recordSize;
    ranges.push({ ...found, shift: start - unit.start });
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

/** Limit of `.BTF.ext` sections per code section; compilers write one. */
const MOST_PARTS = 256;

/** Records of a section, searchable by instruction. */
interface Records {
  readonly section: Section;
  /** Running maximum of the records' instructions; equal to them where they ascend. */
  readonly greatest: Uint32Array;
}

type Index = ReadonlyMap<number, readonly Records[]>;
/** Cached by the list of sections, which belongs to one object. */
const indexes = new WeakMap<readonly Section[], Index>();

/** Returns the records by the ELF index of their code section. */
function indexOf(spec: ObjectSpec, sections: readonly Section[], what: string): Index {
  const known = indexes.get(sections);
  if (known !== undefined) return known;
  const { elf } = parsedObject(spec).sections;
  const index = new Map<number, Records[]>();
  for (const section of sections) {
    const at = elf.section(section.section)?.index;
    if (at === undefined) continue;
    const records = { section, greatest: greatestOf(section) };
    const others = index.get(at);
    if (others === undefined) {
      index.set(at, [records]);
      continue;
    }
    if (others.length === MOST_PARTS) {
      throw new RelocationError({
        doing: "link",
        subject: spec.name,
        errno: "E2BIG",
        why:
          `.BTF.ext has more than ${MOST_PARTS} parts with ${what} records of ${section.section}`,
      });
    }
    others.push(records);
  }
  indexes.set(sections, index);
  return index;
}

function greatestOf({ words, count, recordSize }: Section): Uint32Array {
  const step = recordSize / 4;
  const greatest = new Uint32Array(count);
  let most = 0;
  for (let record = 0; record < count; record++) {
    const instruction = (words[record * step] as number) / INSTRUCTION_SIZE >>> 0;
    if (instruction > most) most = instruction;
    greatest[record] = most;
  }
  return greatest;
}

/**
 * Returns the range of a function's records (end exclusive), or undefined when it has none.
 *
 * Where records do not ascend, records of earlier instructions within the range belong to it too, as in
 * libbpf. Searches of different functions pass over different records, so their total is linear.
 */
function recordsOf({ section, greatest }: Records, unit: CodeUnit): [number, number] | undefined {
  const first = firstFrom(greatest, unit.start);
  const end = unit.start + unit.count;
  if (first === greatest.length || (greatest[first] as number) >= end) return undefined;
  const step = section.recordSize / 4;
  let last = firstFrom(greatest, end) - 1;
  while ((section.words[last * step] as number) / INSTRUCTION_SIZE >>> 0 < unit.start) last--;
  return [first, last + 1];
}

/** Returns the first index whose number is at least `least`. */
function firstFrom(numbers: Uint32Array, least: number): number {
  let low = 0;
  let high = numbers.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((numbers[middle] as number) < least) low = middle + 1;
    else high = middle;
  }
  return low;
}
