/**
 * A program's instructions in bpftool's JSON: the code, and the C line that it comes from.
 *
 * @module
 */

import { Btf } from "../btf/mod.ts";
import type { Kernel } from "../kernel/mod.ts";
import { decodeProgramInfo } from "../loader/mod.ts";
import { printInstruction } from "../object/mod.ts";
import { structs } from "../uapi/layouts.ts";
import { viewOf } from "../uapi/fields.ts";

/** One instruction. */
export interface InstructionFacts {
  /** The C line that begins here. */
  readonly src?: string | undefined;
  /** The disassembled instruction with its opcode. */
  readonly disasm: string;
}

const INSTRUCTION = 8;
/** BPF_LD | BPF_IMM | BPF_DW, which takes two slots. */
const LOAD_64 = 0x18;

/** Yields the translated instructions of a program. */
export function* instructionFacts(kernel: Kernel, fd: number): Generator<InstructionFacts> {
  const answer = kernel.programInfo(fd, { xlated: true, lineInfo: true });
  const { btfId, lineInfoCount } = decodeProgramInfo(answer);
  const lines = sourceLines(kernel, btfId, answer.lineInfo, lineInfoCount);
  const { xlated } = answer;
  for (let index = 0; index * INSTRUCTION < xlated.length; index++) {
    const opcode = xlated[index * INSTRUCTION] as number;
    // Translated code refers to maps by id.
    const text = printInstruction(xlated, index).replace("map[fd ", "map[id:");
    const src = lines.get(index);
    const disasm = `(${opcode.toString(16).padStart(2, "0")}) ${text}`;
    yield src === undefined ? { disasm } : { src, disasm };
    if (opcode === LOAD_64) index++;
  }
}

/** Returns the C lines by the index of their first instruction. */
function sourceLines(
  kernel: Kernel,
  btfId: number,
  records: Uint8Array,
  count: number,
): Map<number, string> {
  const lines = new Map<number, string>();
  if (btfId === 0 || count === 0 || records.length === 0) return lines;
  const fd = kernel.getFdById("btf", btfId);
  if (fd < 0) return lines;
  const { result, bytes } = kernel.btfInfo(fd);
  kernel.close(fd);
  if (result < 0) return lines;
  const btf = Btf.parse(bytes, { name: `BTF ${btfId}` });
  const size = records.length / count;
  const view = viewOf(records);
  const { insn_off, line_off } = structs.bpf_line_info;
  for (let at = 0; at + size <= records.length; at += size) {
    const text = btf.string(view.getUint32(at + line_off[0], true)).trimStart();
    if (text !== "") lines.set(view.getUint32(at + insn_off[0], true), text);
  }
  return lines;
}
