/**
 * A list of system calls for a new process to make before it becomes another program.
 *
 * A process with threads, as Deno is, cannot enter a user namespace and cannot safely run its own code
 * after a fork. So the child runs nothing but these calls, from machine code, with everything they
 * need put in place beforehand.
 *
 * @module
 */

import { childStub } from "./child_stub.ts";
import { KernelError } from "../../errors/kernel_error.ts";
import type { Frame, Place } from "../linux/ffi/memory.ts";
import { native } from "../linux/ffi/native.ts";
import { CLONE_CLEAR_SIGHAND, CLONE_FILES, CLONE_PIDFD, SIGCHLD } from "../../uapi/processes.ts";
import { systemCalls } from "../linux/ffi/syscalls.ts";

/** Words of a step in memory: number, six arguments, stores, flags. */
const STEP_WORDS = 9;
const FLAG_TOLERATE = 1n;
const FLAG_STOP_AT_ZERO = 2n;

/** How a step ends. */
export interface StepOptions {
  /** Goes on after an error. */
  readonly tolerate?: boolean;
  /** Takes the result 0 for an error: for read, where it is the end of the other side. */
  readonly stopAtZero?: boolean;
}

/** An argument: a number, the address of a text, or what an earlier step answered. */
export type StepArgument = number | bigint | string | StepResult;

/** Stands for the result of a step in the arguments of later ones. */
export class StepResult {
  /** Which step. */
  readonly index: number;
  /** Addresses to which the result is written. */
  readonly stores: number[] = [];

  /** Of the step with the number. */
  constructor(index: number) {
    this.index = index;
  }
}

interface Step {
  readonly name: string;
  readonly number: number;
  readonly arguments: readonly StepArgument[];
  readonly options: StepOptions;
  readonly result: StepResult;
}

/** How the process is made. */
export interface StartOptions {
  /** Whether it shares the descriptor table: what it opens is open here. */
  readonly shareFiles?: boolean;
}

/** What a step answered. */
export interface StepOutcome {
  /** The step's name. */
  readonly name: string;
  /** Its result or `-errno`; undefined when the child did not come that far (or is still in it). */
  readonly result: number | undefined;
  /** Whether it ended the child: an error that is not tolerated. */
  readonly failed: boolean;
}

/** A process that was started, by what its parent holds of it. */
export interface StartedChild {
  /** Its pid. */
  readonly pid: number;
  /** A descriptor of it. */
  readonly pidfd: number;
  /** What its steps have answered by now. */
  readonly outcomes: () => readonly StepOutcome[];
  /** Gives back the memory in which the answers are; outcomes() then keeps its last answer. */
  readonly release: () => void;
}

/** A result that no system call gives: the step has not answered. */
const UNANSWERED = -0x7fff_ffff_ffff_0000n;

/** Collects the steps of a new process, then starts it. Its memory ends with {@linkcode start} or disposal. */
export class ChildProgram implements Disposable {
  readonly #frame: Frame = native().ownFrame();
  readonly #steps: Step[] = [];

  /** Adds a system call. `name` is for errors. */
  step(
    name: string,
    number: number,
    args: readonly StepArgument[],
    options: StepOptions = {},
  ): StepResult {
    const result = new StepResult(this.#steps.length);
    this.#steps.push({ name, number, arguments: args, options, result });
    return result;
  }

  /** Zeroed memory that the child will see at the same address. */
  room(size: number): Place {
    return this.#frame.room(size);
  }

  /** The address of a text with its NUL. */
  text(text: string): number {
    return this.#frame.text(text);
  }

  /** The address of an array of pointers to texts, ended by NULL: argv or envp. */
  texts(texts: readonly string[]): number {
    return this.#frame.longs([...texts.map((text) => BigInt(this.#frame.text(text))), 0n]);
  }

  /** Starts the process; throws a {@linkcode KernelError} when none can be made. */
  start(options: StartOptions = {}): StartedChild {
    const stub = childStub();
    const libc = native();
    const count = this.#steps.length;
    const resultsSize = count * 8;
    const shared = libc.map(resultsSize, {
      fd: undefined,
      writable: true,
      offset: 0,
      private: false,
    });
    if (shared < 0) throw refused("mmap", shared);
    const results = new BigInt64Array(libc.buffer(shared, resultsSize));
    results.fill(UNANSWERED);

    const pidfd = this.#frame.room(8);
    const flags = BigInt(CLONE_PIDFD + CLONE_CLEAR_SIGHAND) |
      (options.shareFiles === true ? BigInt(CLONE_FILES) : 0n);
    const cloneArguments = this.#frame.longs([
      flags,
      BigInt(pidfd.address),
      0n,
      0n,
      BigInt(SIGCHLD),
      0n,
      0n,
      0n,
    ]);
    const program = this.#frame.longs([
      BigInt(cloneArguments),
      64n,
      BigInt(this.#encode()),
      BigInt(count),
      BigInt(shared),
      0n,
      (1n << 64n) - 1n,
    ]);
    const pid = stub(program);
    const fd = new DataView(pidfd.bytes.buffer, pidfd.bytes.byteOffset).getInt32(0, true);
    this[Symbol.dispose]();
    if (pid < 0) {
      results.buffer.transfer(0);
      libc.call(systemCalls.munmap, shared, resultsSize);
      throw refused("clone3", pid);
    }
    const steps = this.#steps;
    let last: readonly StepOutcome[] | undefined;
    const outcomes = (): readonly StepOutcome[] =>
      last ?? steps.map(({ name, options }, index) => {
        const result = results[index] as bigint;
        const answered = result !== UNANSWERED;
        return {
          name,
          result: answered ? Number(result) : undefined,
          failed: answered &&
            (result < 0n
              ? options.tolerate !== true
              : result === 0n && options.stopAtZero === true),
        };
      });
    const release = (): void => {
      if (last !== undefined) return;
      last = outcomes();
      results.buffer.transfer(0);
      libc.call(systemCalls.munmap, shared, resultsSize);
    };
    return { pid, pidfd: fd, outcomes, release };
  }

  /** Gives back the memory. The child has its own copy of it. */
  [Symbol.dispose](): void {
    this.#frame[Symbol.dispose]();
  }

  /** Writes the steps to memory and gives their address. */
  #encode(): number {
    const place = this.#frame.room(this.#steps.length * STEP_WORDS * 8);
    const view = new DataView(place.bytes.buffer, place.bytes.byteOffset, place.bytes.byteLength);
    this.#steps.forEach((step, index) => {
      const at = index * STEP_WORDS * 8;
      view.setBigInt64(at, BigInt(step.number), true);
      step.arguments.forEach((argument, position) => {
        const slot = at + 8 + position * 8;
        if (argument instanceof StepResult) argument.stores.push(place.address + slot);
        else {
          const word = typeof argument === "string" ? this.text(argument) : argument;
          view.setBigUint64(slot, BigInt.asUintN(64, BigInt(word)), true);
        }
      });
    });
    // Only now is it known where each result goes.
    this.#steps.forEach(({ result, options }, index) => {
      const at = index * STEP_WORDS * 8;
      const stores = this.#frame.longs([...result.stores.map(BigInt), 0n]);
      view.setBigUint64(at + 56, BigInt(stores), true);
      const flags = (options.tolerate === true ? FLAG_TOLERATE : 0n) |
        (options.stopAtZero === true ? FLAG_STOP_AT_ZERO : 0n);
      view.setBigUint64(at + 64, flags, true);
    });
    return place.address;
  }
}

function refused(command: string, number: number): KernelError {
  return new KernelError({ doing: "start", subject: "a process", command, number });
}
