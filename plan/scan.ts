/**
 * Scans a program's instructions for helper calls and loops, which decide the privileges that it
 * needs.
 *
 * @module
 */

import { Helper, type HelperName, helperName, type ProgramTypeName } from "../uapi/enums.ts";
import type { BpfCapability } from "./bpf_capability.ts";

/** Size of an instruction in bytes. */
const INSTRUCTION = 8;
/** `call`. */
const CALL = 0x85;
/** `exit`. */
const EXIT = 0x95;
/** `gotol`, whose distance is in the immediate. */
const LONG_JUMP = 0x06;
/** `lddw`, which takes two instruction slots. */
const LOAD_64 = 0x18;
/** Class BPF_LD, its mode bits, and its modes that read a packet. */
const CLASS_LOAD = 0x00;
const MODE = 0xe0;
const PACKET_MODES: ReadonlySet<number> = new Set([0x20, 0x40]);
/** Instruction classes of jumps. */
const CLASS_JUMP = 0x05;
const CLASS_JUMP_32 = 0x06;

/**
 * Helpers that the kernel gives only to holders of CAP_PERFMON, in program types that do not need
 * it anyway.
 *
 * Measured on Linux 6.18 for all helpers and 14 program types. Only syscall programs differ: they
 * may call `skc_to_…` without it.
 */
const PERFMON_HELPERS: ReadonlySet<number> = new Set(
  [
    Helper.trace_printk,
    Helper.get_current_comm,
    Helper.perf_event_read,
    Helper.get_current_task,
    Helper.perf_event_read_value,
    Helper.send_signal,
    Helper.probe_read_user,
    Helper.probe_read_kernel,
    Helper.probe_read_user_str,
    Helper.probe_read_kernel_str,
    Helper.send_signal_thread,
    Helper.skc_to_tcp6_sock,
    Helper.skc_to_tcp_sock,
    Helper.skc_to_tcp_timewait_sock,
    Helper.skc_to_tcp_request_sock,
    Helper.skc_to_udp6_sock,
    Helper.get_task_stack,
    Helper.copy_from_user,
    Helper.snprintf_btf,
    Helper.get_current_task_btf,
    Helper.snprintf,
    Helper.sys_bpf,
    Helper.task_pt_regs,
    Helper.get_branch_snapshot,
    Helper.trace_vprintk,
    Helper.skc_to_unix_sock,
    Helper.find_vma,
    Helper.copy_from_user_task,
    Helper.skc_to_mptcp_sock,
  ] as readonly number[],
);

/** Helpers that take a callback, for which the kernel requires BTF and func_info. */
const CALLBACK_HELPERS: ReadonlySet<number> = new Set([
  Helper.for_each_map_elem,
  Helper.timer_set_callback,
  Helper.find_vma,
  Helper.loop,
  Helper.user_ringbuf_drain,
]);

/** Helpers that read memory of other processes or of the kernel. */
const READING_HELPERS: ReadonlySet<number> = new Set([
  Helper.probe_read,
  Helper.probe_read_str,
  Helper.probe_read_user,
  Helper.probe_read_user_str,
  Helper.probe_read_kernel,
  Helper.probe_read_kernel_str,
  Helper.copy_from_user,
  Helper.copy_from_user_task,
]);

/** Result of {@linkcode scanInstructions}. */
export interface InstructionScan {
  /** Numbers of the called helpers, in ascending order. */
  readonly helpers: readonly number[];
  /** Whether a jump goes backward: a loop, which the verifier unrolls. */
  readonly loops: boolean;
  /**
   * Whether a function may be left other than by its exit: by a tail call, BPF_LD_ABS or
   * BPF_LD_IND. In a called function, the kernel allows this only with BTF
   * (`check_abnormal_return`).
   */
  readonly abnormalReturn: boolean;
}

/**
 * Finds helper calls and backward jumps in instructions of eight bytes, little-endian.
 *
 * Ignores a trailing incomplete instruction, which the verifier reports.
 */
export function scanInstructions(code: Uint8Array): InstructionScan {
  const view = new DataView(code.buffer, code.byteOffset, code.byteLength);
  const helpers = new Set<number>();
  let loops = false;
  let abnormalReturn = false;
  for (let at = 0; at + INSTRUCTION <= code.length; at += INSTRUCTION) {
    const opcode = view.getUint8(at);
    if (opcode === LOAD_64) {
      at += INSTRUCTION;
      continue;
    }
    if (opcode === CALL) {
      const source = view.getUint8(at + 1) >> 4;
      // Source 0 marks a helper call, 1 a call of a program function, 2 a kernel function.
      if (source === 0) helpers.add(view.getInt32(at + 4, true));
      continue;
    }
    const kind = opcode & 7;
    if (kind === CLASS_LOAD && PACKET_MODES.has(opcode & MODE)) abnormalReturn = true;
    if (opcode === EXIT || (kind !== CLASS_JUMP && kind !== CLASS_JUMP_32)) continue;
    const distance = opcode === LONG_JUMP
      ? view.getInt32(at + 4, true)
      : view.getInt16(at + 2, true);
    if (distance < 0) loops = true;
  }
  if (helpers.has(Helper.tail_call)) abnormalReturn = true;
  return { helpers: [...helpers].sort((left, right) => left - right), loops, abnormalReturn };
}

/** Returns the name of a helper; `#number` when this version has no name for it. */
export function helperText(number: number): HelperName | `#${number}` {
  return helperName(number) ?? `#${number}`;
}

/**
 * Returns the capability that a helper needs in the user namespace in addition to CAP_BPF, if any;
 * without `type`, what it needs in most program types.
 */
export function helperCapability(
  number: number,
  type?: ProgramTypeName,
): BpfCapability | undefined {
  if (number === Helper.probe_write_user) return "sys_admin";
  if (type === "syscall" && helperName(number)?.startsWith("skc_to_") === true) return undefined;
  return PERFMON_HELPERS.has(number) ? "perfmon" : undefined;
}

/** Returns whether a helper takes a callback. */
export function helperTakesCallback(number: number): boolean {
  return CALLBACK_HELPERS.has(number);
}

/** Returns whether a helper reads memory of other processes or of the kernel. */
export function helperReadsMemory(number: number): boolean {
  return READING_HELPERS.has(number);
}
