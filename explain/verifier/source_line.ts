/**
 * The C source line of an instruction, by the line info that was loaded with a program.
 *
 * @module
 */

import type { Btf } from "../../btf/btf.ts";
import type { RelocatedProgram } from "../../object/spec/spec.ts";
import type { SourceLine } from "./log.ts";
import { withoutUndefined } from "../../errors/without_undefined.ts";

/**
 * The source line that an instruction was compiled from: the last record at or before it.
 *
 * Undefined when the object has no line info.
 */
export function sourceLine(
  linked: RelocatedProgram,
  btf: Btf | undefined,
  instruction: number,
): SourceLine | undefined {
  const info = linked.lineInfo;
  if (info === undefined || btf === undefined) return undefined;
  const { records, recordSize } = info;
  const view = new DataView(records.buffer, records.byteOffset, records.byteLength);
  let found = -1;
  for (let at = 0; at + recordSize <= records.byteLength; at += recordSize) {
    if (view.getUint32(at, true) > instruction) break;
    found = at;
  }
  if (found < 0) return undefined;
  const text = btf.string(view.getUint32(found + 8, true)).trim();
  const file = btf.string(view.getUint32(found + 4, true));
  const line = view.getUint32(found + 12, true) >>> 10;
  return withoutUndefined({ text, file: file || undefined, line: line || undefined });
}
