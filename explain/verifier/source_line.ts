/**
 * Finds the C source line of an instruction in a program's line info.
 *
 * @module
 */

import type { Btf } from "../../btf/btf.ts";
import type { RelocatedProgram } from "../../object/spec/spec.ts";
import type { SourceLine } from "./log.ts";
import { withoutUndefined } from "../../errors/without_undefined.ts";
import { structs } from "../../uapi/layouts.ts";
import { type Field, viewOf } from "../../uapi/fields.ts";

/**
 * Returns the source line that an instruction was compiled from: the last line_info record at or before it.
 *
 * Returns undefined when the object has no line info or BTF.
 */
export function sourceLine(
  linked: RelocatedProgram,
  btf: Btf | undefined,
  instruction: number,
): SourceLine | undefined {
  const info = linked.lineInfo;
  if (info === undefined || btf === undefined) return undefined;
  const { records, recordSize } = info;
  const view = viewOf(records);
  const field = structs.bpf_line_info;
  const number = (at: number, [offset]: Field): number => view.getUint32(at + offset, true);
  let found = -1;
  for (let at = 0; at + recordSize <= records.byteLength; at += recordSize) {
    if (number(at, field.insn_off) > instruction) break;
    found = at;
  }
  if (found < 0) return undefined;
  const text = btf.string(number(found, field.line_off)).trim();
  const file = btf.string(number(found, field.file_name_off));
  const line = number(found, field.line_col) >>> 10;
  return withoutUndefined({ text, file: file || undefined, line: line || undefined });
}
