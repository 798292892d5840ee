/**
 * Encodes instructions field by field.
 *
 * @module
 */

import { type Instruction, INSTRUCTION_SIZE } from "../../object/code/instruction.ts";

/** Returns an instruction's eight bytes; fields are truncated to their widths. */
export function encodeInstruction(instruction: Instruction): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(INSTRUCTION_SIZE);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, instruction.opcode);
  view.setUint8(1, (instruction.destination & 15) | (instruction.source & 15) << 4);
  view.setInt16(2, instruction.offset, true);
  view.setInt32(4, instruction.immediate, true);
  return bytes;
}
