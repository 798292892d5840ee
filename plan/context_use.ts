/**
 * Finds out whether a program reads its context. One that does not can attach where the context
 * differs.
 *
 * @module
 */

import { decodeInstruction, InstructionClass, Opcode, Pseudo } from "../object/code/instruction.ts";
import type { Instruction } from "../object/code/instruction.ts";
import { Helper } from "../uapi/enums.ts";
import { helperText } from "./scan.ts";

/** A place where a program depends on the contents of its context. */
export interface ContextUse {
  /** Index of the instruction from the start of the program. */
  readonly instruction: number;
  /** What it does, as a predicate: `reads 8 bytes of its context`. */
  readonly text: string;
}

/**
 * Helpers that take the context as an opaque handle, in tracepoints, raw tracepoints and probes
 * alike.
 */
const HANDLE_HELPERS: ReadonlySet<number> = new Set([
  Helper.perf_event_output,
  Helper.get_stackid,
  Helper.get_stack,
  Helper.get_attach_cookie,
]);

/** Helpers without arguments: registers 1 to 5 may still hold earlier values. */
const BARE_HELPERS: ReadonlySet<number> = new Set([
  Helper.ktime_get_ns,
  Helper.ktime_get_boot_ns,
  Helper.ktime_get_coarse_ns,
  Helper.ktime_get_tai_ns,
  Helper.jiffies64,
  Helper.get_prandom_u32,
  Helper.get_smp_processor_id,
  Helper.get_numa_node_id,
  Helper.get_current_pid_tgid,
  Helper.get_current_uid_gid,
  Helper.get_current_task,
  Helper.get_current_task_btf,
  Helper.get_current_cgroup_id,
]);

/** Programs with more instructions count as using their context; the largest known have a tenth of it. */
const LONGEST = 1 << 16;
/** Size of the stack and of one slot, in bytes. */
const STACK = 512;
const SLOT = 8;
/** Register 10, the frame pointer. */
const FRAME = 10;
/** Mask of an opcode's mode bits (BPF_MODE), and their value for BPF_ATOMIC. */
const MODE = 0xe0;
const ATOMIC = 0xc0;
/** Access size in bytes by the size bits of the opcode. */
const SIZES: { readonly [bits: number]: number } = { 0x00: 4, 0x08: 2, 0x10: 1, 0x18: 8 };
/** ALU operation bits of an opcode. */
const OPERATION = 0xf0;
const ADD = 0x00;
const MOVE = 0xb0;
const SOURCE_REGISTER = 0x08;

/** What a register may hold. `stack` is meaningful for stack addresses only. */
interface Value {
  /** Whether it may be derived from the context's address. */
  readonly context: boolean;
  /**
   * Offset of a stack address from the frame pointer in bytes; `"somewhere"` when unknown; false
   * when it is no stack address.
   */
  readonly stack: number | "somewhere" | false;
}

const OTHER: Value = { context: false, stack: false };
const CONTEXT: Value = { context: true, stack: false };

/** Abstract state before an instruction. */
interface State {
  readonly registers: readonly Value[];
  /** Stack slots that may hold the context's address, counted from the lowest address. */
  readonly slots: ReadonlySet<number>;
}

/**
 * Returns a place where a program reads or writes its context or passes its address on; undefined when
 * it never does. Of several, the one that the analysis finds first, which need not be the lowest.
 *
 * `code` is the program's main function before relocation. The analysis is conservative: an address
 * that it cannot follow counts as used.
 */
export function contextUse(code: Uint8Array): ContextUse | undefined {
  const count = Math.floor(code.length / 8);
  if (count > LONGEST) {
    return { instruction: 0, text: "is too long to analyze whether it reads its context" };
  }
  const instructions = Array.from({ length: count }, (_, at) => decodeInstruction(code, at));
  const states: (State | undefined)[] = Array.from({ length: count });
  const start = Array.from<Value>({ length: 11 }).fill(OTHER);
  start[1] = CONTEXT;
  start[FRAME] = { context: false, stack: 0 };
  const work: number[] = [];
  const reach = (at: number, state: State): void => {
    if (at < 0 || at >= count) return;
    const before = states[at];
    const joined = before === undefined ? state : join(before, state);
    if (before !== undefined && same(before, joined)) return;
    states[at] = joined;
    work.push(at);
  };
  reach(0, { registers: start, slots: new Set() });
  for (let at = work.pop(); at !== undefined; at = work.pop()) {
    const instruction = instructions[at] as Instruction;
    const outcome = step(instruction, states[at] as State);
    if (typeof outcome === "string") return { instruction: at, text: outcome };
    for (const next of successors(instruction, at)) reach(next, outcome);
  }
  return undefined;
}

function successors({ opcode, offset, immediate }: Instruction, at: number): number[] {
  const kind = opcode & 7;
  if (opcode === Opcode.exit) return [];
  if (opcode === Opcode.loadImmediate64) return [at + 2];
  if (
    (kind !== InstructionClass.jmp && kind !== InstructionClass.jmp32) || opcode === Opcode.call
  ) {
    return [at + 1];
  }
  if (opcode === 0x05) return [at + 1 + offset];
  if (opcode === 0x06) return [at + 1 + immediate];
  return [at + 1, at + 1 + offset];
}

/** Returns the state after an instruction, or a description of how it uses the context. */
function step(instruction: Instruction, state: State): State | string {
  const { opcode, destination, source, offset } = instruction;
  const to = state.registers[destination] ?? OTHER;
  const from = state.registers[source] ?? OTHER;
  switch (opcode & 7) {
    case InstructionClass.ldx: {
      const size = SIZES[opcode & 0x18] ?? 0;
      if (from.context) return `reads ${bytes(size)} of its context`;
      return set(state, destination, loaded(from, offset, state));
    }
    case InstructionClass.st:
      return to.context ? "writes to its context" : stored(state, instruction, to, OTHER);
    case InstructionClass.stx:
      if (to.context) return "writes to its context";
      if ((opcode & MODE) === ATOMIC && from.context) return "keeps the address of its context";
      return stored(state, instruction, to, from);
    case InstructionClass.alu:
      // A 32-bit operation truncates: the result is no address.
      return set(state, destination, OTHER);
    case InstructionClass.alu64:
      return set(state, destination, computed(instruction, to, from));
    case InstructionClass.jmp:
    case InstructionClass.jmp32:
      return opcode === Opcode.call ? called(instruction, state) : state;
    default:
      return opcode === Opcode.loadImmediate64 ? set(state, destination, OTHER) : state;
  }
}

function computed({ opcode, immediate }: Instruction, to: Value, from: Value): Value {
  const byRegister = (opcode & SOURCE_REGISTER) !== 0;
  const operation = opcode & OPERATION;
  if (operation === MOVE) return byRegister ? from : OTHER;
  const other = byRegister ? from : OTHER;
  const moved = operation === ADD && !byRegister && typeof to.stack === "number";
  return {
    context: to.context || other.context,
    stack: moved
      ? to.stack + immediate
      : to.stack === false && other.stack === false
      ? false
      : "somewhere",
  };
}

function loaded({ stack }: Value, offset: number, { slots }: State): Value {
  if (stack === false || slots.size === 0) return OTHER;
  // An unknown stack offset may be the slot that holds the context.
  return stack === "somewhere" || slots.has(slotOf(stack + offset)) ? CONTEXT : OTHER;
}

function stored(
  state: State,
  { opcode, offset }: Instruction,
  to: Value,
  from: Value,
): State | string {
  if (to.stack === false || to.stack === "somewhere") {
    return from.context ? "keeps the address of its context" : state;
  }
  const slot = slotOf(to.stack + offset);
  // The verifier refuses accesses outside the stack.
  if (from.context && (slot < 0 || slot >= STACK / SLOT)) return "keeps the address of its context";
  if (from.context) return { ...state, slots: new Set([...state.slots, slot]) };
  if (!state.slots.has(slot) || (SIZES[opcode & 0x18] ?? 0) < SLOT) return state;
  return { ...state, slots: new Set([...state.slots].filter((other) => other !== slot)) };
}

function called({ source, immediate }: Instruction, state: State): State | string {
  const helper = source === 0 ? immediate : undefined;
  const callee = helper !== undefined
    ? helperText(helper)
    : source === Pseudo.kfuncCall
    ? "a kernel function"
    : "another function";
  const count = helper !== undefined && BARE_HELPERS.has(helper) ? 0 : 5;
  for (let argument = 1; argument <= count; argument++) {
    const { context, stack } = state.registers[argument] ?? OTHER;
    const handle = argument === 1 && helper !== undefined && HANDLE_HELPERS.has(helper);
    if (context && !handle) return `passes its context to ${callee}`;
    if (stack === false || state.slots.size === 0) continue;
    // A helper reads upward from the address; another function may read the whole stack.
    const passesBy = helper !== undefined && typeof stack === "number" &&
      [...state.slots].every((slot) => slot < slotOf(stack));
    if (!passesBy) return `passes memory that holds the address of its context to ${callee}`;
  }
  const registers = state.registers.map((value, index) => index <= 5 ? OTHER : value);
  return { ...state, registers };
}

function slotOf(offset: number): number {
  return Math.floor((offset + STACK) / SLOT);
}

function set(state: State, register: number, value: Value): State {
  // The verifier refuses register numbers above 10.
  if (register > FRAME) return state;
  const registers = [...state.registers];
  registers[register] = value;
  return { ...state, registers };
}

function join(left: State, right: State): State {
  return {
    registers: left.registers.map((value, index) => {
      const other = right.registers[index] ?? OTHER;
      return {
        context: value.context || other.context,
        stack: value.stack === other.stack
          ? value.stack
          : value.stack === false
          ? other.stack
          : other.stack === false
          ? value.stack
          : "somewhere",
      };
    }),
    slots: new Set([...left.slots, ...right.slots]),
  };
}

function same(left: State, right: State): boolean {
  return left.slots.size === right.slots.size &&
    left.registers.every((value, index) => {
      const other = right.registers[index];
      return value.context === other?.context && value.stack === other.stack;
    });
}

function bytes(count: number): string {
  return count === 1 ? "1 byte" : `${count} bytes`;
}
