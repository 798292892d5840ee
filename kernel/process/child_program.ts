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
import { Errno } from "../../uapi/errno.ts";
import type { Frame, Place } from "../linux/ffi/memory.ts";
import { native } from "../linux/ffi/native.ts";
import { CLONE_CLEAR_SIGHAND, CLONE_NEWPID, CLONE_PIDFD, SIGCHLD } from "../../uapi/processes.ts";
import type { FailedStep } from "../processes.ts";
import { systemCalls } from "../linux/ffi/syscalls.ts";

/** Words of a step in memory: number, six arguments, stores, flags. */
const STEP_WORDS = 9;
const FLAG_TOLERATE = 1n;
const FLAG_STOP_AT_ZERO = 2n;
const FLAG_REPEAT = 8n;
/** From this bit on: how many steps are skipped when the result is zero. */
const SKIP_SHIFT = 16n;
/** Which of a step's arguments holds the result that ends its repetition. */
const REPEAT_ARGUMENT = 5;
/** Bytes of the memory that parent and children share: results, then {@linkcode ChildProgram.shared}. */
const SHARED_SIZE = 16384;
/** Bytes of `struct clone_args` before Linux 5.5 added to it (CLONE_ARGS_SIZE_VER0). */
const CLONE_ARGS_SIZE = 64;

/** How a step ends. */
export interface StepOptions {
  /** Goes on after an error. */
  readonly tolerate?: boolean | undefined;
  /** Takes the result 0 for an error: for read, where it is the end of the other side. */
  readonly stopAtZero?: boolean | undefined;
  /** Repeats the call until it fails or returns the result of this earlier step; it has at most five arguments. */
  readonly repeatUntil?: StepResult | undefined;
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
  /** How many of the following steps are skipped when the result is zero. */
  skip: number;
}

/** Eight bytes that stay shared between this process, the child, and what the child forks. */
export interface SharedWord {
  /** The address, the same in all of them. */
  readonly address: number;
  /** The position in {@linkcode StartedChild.sharedWord}. */
  readonly index: number;
}

/** How the process is made. */
export interface StartOptions {
  /** Whether it is the init of a new pid namespace (needs CAP_SYS_ADMIN): its end kills every process in there. */
  readonly newPidNamespace?: boolean | undefined;
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
  /** Reads a shared word. */
  readonly sharedWord: (word: SharedWord) => bigint;
  /** Gives back the memory in which the answers are; outcomes() then keeps its last answer. */
  readonly release: () => void;
}

/** A result that no system call gives: the step has not answered. */
const UNANSWERED = -0x7fff_ffff_ffff_0000n;

/** Collects the steps of a new process, then starts it. Its memory ends with {@linkcode start} or disposal. */
export class ChildProgram implements Disposable {
  readonly #frame: Frame = native().ownFrame();
  readonly #steps: Step[] = [];
  readonly #shared: SharedMemory = new SharedMemory();
  #started = false;

  /** Adds a system call. `name` is for errors. */
  step(
    name: string,
    number: number,
    args: readonly StepArgument[],
    options: StepOptions = {},
  ): StepResult {
    const result = new StepResult(this.#steps.length);
    this.#steps.push({ name, number, arguments: args, options, result, skip: 0 });
    return result;
  }

  /**
   * Clones the child. `parent` adds the steps that the child makes after that, the last of which must not
   * return; steps that are added later are made by the new process alone.
   *
   * @param pidfdAt Where the child finds a descriptor of the new process: four bytes.
   */
  fork(name: string, pidfdAt: number, parent: (pid: StepResult) => void): void {
    const cloneArguments = this.#frame.longs(cloneArgs(CLONE_PIDFD, pidfdAt));
    const pid = this.step(name, systemCalls.clone3, [cloneArguments, CLONE_ARGS_SIZE]);
    const before = this.#steps.length;
    parent(pid);
    const clone = this.#steps[pid.index];
    if (clone !== undefined) clone.skip = this.#steps.length - before;
  }

  /** Eight zero bytes that stay shared with the child and with what it forks. */
  shared(): SharedWord {
    return this.#shared.word();
  }

  /** Zeroed memory that the child will see at the same address. */
  room(size: number): Place {
    return this.#frame.room(size);
  }

  /** The address of a text with its NUL. */
  text(text: string): number {
    return this.#frame.text(text);
  }

  /** The address of an array of pointers to texts, ended by NULL: argv or envp. Addresses of more may follow. */
  texts(texts: readonly string[], more: readonly number[] = []): number {
    const addresses = [...texts.map((text) => this.#frame.text(text)), ...more];
    return this.#frame.longs([...addresses.map(BigInt), 0n]);
  }

  /** Starts the process; what was refused, when none can be made. */
  start(options: StartOptions = {}): StartedChild | FailedStep {
    const stub = childStub();
    const steps = this.#steps;
    const count = steps.length;
    const shared = this.#shared;
    shared.expect(count);
    const pidfd = this.#frame.room(8);
    // Not CLONE_FILES: who gets hold of a child that shares the descriptor table has all that is open here.
    const flags = CLONE_PIDFD + CLONE_CLEAR_SIGHAND +
      (options.newPidNamespace === true ? CLONE_NEWPID : 0);
    const program = this.#frame.longs([
      BigInt(this.#frame.longs(cloneArgs(flags, pidfd.address))),
      BigInt(CLONE_ARGS_SIZE),
      BigInt(this.#encode()),
      BigInt(count),
      BigInt(shared.address),
      0n,
      (1n << 64n) - 1n,
    ]);
    const pid = stub(program);
    const fd = new DataView(pidfd.bytes.buffer, pidfd.bytes.byteOffset).getInt32(0, true);
    if (pid < 0) {
      this[Symbol.dispose]();
      return { step: "clone3", result: pid };
    }
    // The results outlive the program.
    this.#started = true;
    this[Symbol.dispose]();
    let last: readonly StepOutcome[] | undefined;
    const outcomes = (): readonly StepOutcome[] =>
      last ?? steps.map(({ name, options }, index) => {
        const result = shared.words[index] ?? UNANSWERED;
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
      shared[Symbol.dispose]();
    };
    return {
      pid,
      pidfd: fd,
      outcomes,
      sharedWord: ({ index }) => shared.words[index] ?? 0n,
      release,
    };
  }

  /** Gives back the memory. The child has its own copy of it. */
  [Symbol.dispose](): void {
    this.#frame[Symbol.dispose]();
    if (!this.#started) this.#shared[Symbol.dispose]();
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
    this.#steps.forEach(({ options }, index) => {
      const slot = place.address + index * STEP_WORDS * 8 + 8 + REPEAT_ARGUMENT * 8;
      options.repeatUntil?.stores.push(slot);
    });
    // Only now is it known where each result goes.
    this.#steps.forEach(({ result, options, skip }, index) => {
      const at = index * STEP_WORDS * 8;
      const stores = this.#frame.longs([...result.stores.map(BigInt), 0n]);
      view.setBigUint64(at + 56, BigInt(stores), true);
      const flags = (options.tolerate === true ? FLAG_TOLERATE : 0n) |
        (options.stopAtZero === true ? FLAG_STOP_AT_ZERO : 0n) |
        (options.repeatUntil === undefined ? 0n : FLAG_REPEAT) |
        BigInt(skip) << SKIP_SHIFT;
      view.setBigUint64(at + 64, flags, true);
    });
    return place.address;
  }
}

/** Memory that this process, the child and what the child forks see at one address and share. */
class SharedMemory implements Disposable {
  readonly address: number;
  readonly words: BigInt64Array<ArrayBuffer>;
  #taken = 0;
  #open = true;

  constructor() {
    const options = { fd: undefined, writable: true, offset: 0, private: false };
    this.address = native().map(SHARED_SIZE, options);
    if (this.address < 0) throw refused("mmap", this.address);
    this.words = new BigInt64Array(native().buffer(this.address, SHARED_SIZE));
  }

  /** Takes a word from the end. */
  word(): SharedWord {
    const index = SHARED_SIZE / 8 - ++this.#taken;
    return { address: this.address + index * 8, index };
  }

  /** Makes room for the results of so many steps at the beginning. */
  expect(steps: number): void {
    if (steps + this.#taken > SHARED_SIZE / 8) throw refused("mmap", -Errno.E2BIG);
    this.words.fill(UNANSWERED, 0, steps);
  }

  [Symbol.dispose](): void {
    if (!this.#open) return;
    this.#open = false;
    this.words.buffer.transfer(0);
    native().call(systemCalls.munmap, this.address, SHARED_SIZE);
  }
}

/** `struct clone_args`: flags and where the pidfd goes. The child ends with SIGCHLD. */
function cloneArgs(flags: number, pidfdAt: number): bigint[] {
  return [BigInt(flags), BigInt(pidfdAt), 0n, 0n, BigInt(SIGCHLD), 0n, 0n, 0n];
}

function refused(command: string, result: number): KernelError {
  return new KernelError({ doing: "start", subject: "a process", command, result });
}
