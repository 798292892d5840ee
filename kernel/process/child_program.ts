/**
 * A list of system calls that a new process makes before it executes a program.
 *
 * A multithreaded process such as Deno cannot enter a user namespace and cannot safely run its code after a
 * fork. So the child runs only these calls, from machine code, with all their memory prepared in advance.
 *
 * @module
 */

import { childStub } from "./child_stub.ts";
import { KernelError } from "../../errors/kernel_error.ts";
import { Errno } from "../../uapi/errno.ts";
import type { Frame, Place } from "../linux/ffi/memory.ts";
import { native } from "../linux/ffi/native.ts";
import {
  CLONE_CLEAR_SIGHAND,
  CLONE_INTO_CGROUP,
  CLONE_NEWPID,
  CLONE_PIDFD,
  SIGCHLD,
} from "../../uapi/processes.ts";
import type { FailedStep } from "../processes.ts";
import { systemCalls } from "../linux/ffi/syscalls.ts";

/** Words of an encoded step: number, six arguments, stores, flags. */
const STEP_WORDS = 9;
const FLAG_TOLERATE = 1n;
const FLAG_STOP_AT_ZERO = 2n;
const FLAG_REPEAT = 8n;
/** Position of the number of steps to skip when the result is zero. */
const SKIP_SHIFT = 16n;
/** The argument that holds the result which ends a repetition. */
const REPEAT_ARGUMENT = 5;
/**
 * Size in bytes of the memory that parent and children share: results, then
 * {@linkcode ChildProgram.shared}.
 */
const SHARED_SIZE = 16384;
/** Size of `struct clone_args` with the cgroup's descriptor (CLONE_ARGS_SIZE_VER2, Linux 5.7), in bytes. */
const CLONE_ARGS_SIZE = 88;

/** Options of one step. */
export interface StepOptions {
  /** Continues after an error. */
  readonly tolerate?: boolean | undefined;
  /** Treats the result 0 as an error: for read(2) it means that the peer closed. */
  readonly stopAtZero?: boolean | undefined;
  /**
   * Repeats the call until it fails or returns the result of this earlier step. The call has at most five
   * arguments.
   */
  readonly repeatUntil?: StepResult | undefined;
}

/** An argument: a number, a text (passed as its address), or the result of an earlier step. */
export type StepArgument = number | bigint | string | StepResult;

/** The result of a step, as an argument of later steps. */
export class StepResult {
  /** The step's position. */
  readonly index: number;
  /** Addresses that the result is written to. */
  readonly stores: number[] = [];

  /** Refers to the step at `index`. */
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
  /** Number of following steps to skip when the result is zero. */
  skip: number;
}

/** Eight bytes shared by this process, the child, and the processes that the child forks. */
export interface SharedWord {
  /** The address, the same in all of them. */
  readonly address: number;
  /** The position in {@linkcode StartedChild.sharedWord}. */
  readonly index: number;
}

/** Options of {@linkcode ChildProgram.start}. */
export interface StartOptions {
  /**
   * Makes it the init of a new pid namespace (needs CAP_SYS_ADMIN): when it ends, every process in the
   * namespace is killed.
   */
  readonly newPidNamespace?: boolean | undefined;
  /** Descriptor of the directory of a version 2 cgroup that the child starts in (Linux 5.7). */
  readonly cgroupFd?: number | undefined;
}

/** The result of a step. */
export interface StepOutcome {
  /** The step's name. */
  readonly name: string;
  /** The result or `-errno`; undefined when the child has not completed the step. */
  readonly result: number | undefined;
  /** Whether the step ended the child: an error that is not tolerated. */
  readonly failed: boolean;
}

/** A started process, as its parent sees it. */
export interface StartedChild {
  /** Its pid. */
  readonly pid: number;
  /** Its pidfd. */
  readonly pidfd: number;
  /** Returns the results of its steps so far. */
  readonly outcomes: () => readonly StepOutcome[];
  /** Reads a shared word. */
  readonly sharedWord: (word: SharedWord) => bigint;
  /** Frees the memory of the results; `outcomes()` then keeps returning the last ones. */
  readonly release: () => void;
}

/** A value that no system call returns: the step has not completed. */
const UNANSWERED = -0x7fff_ffff_ffff_0000n;

/**
 * Collects the steps of a new process, then starts it. The memory is freed by {@linkcode start} or
 * disposal.
 */
export class ChildProgram implements Disposable {
  readonly #frame: Frame = native().ownFrame();
  readonly #steps: Step[] = [];
  readonly #shared: SharedMemory = new SharedMemory();
  #started = false;

  /** Appends a system call. `name` is for errors. */
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
   * Clones the child. `parent` appends the steps that the child makes afterwards, the last of which must
   * not return; steps appended later are made by the new process only.
   *
   * @param pidfdAt Address at which the child finds a pidfd of the new process, four bytes.
   */
  fork(name: string, pidfdAt: number, parent: (pid: StepResult) => void): void {
    const cloneArguments = this.#frame.longs(cloneArgs(CLONE_PIDFD, pidfdAt));
    const pid = this.step(name, systemCalls.clone3, [cloneArguments, CLONE_ARGS_SIZE]);
    const before = this.#steps.length;
    parent(pid);
    const clone = this.#steps[pid.index];
    if (clone !== undefined) clone.skip = this.#steps.length - before;
  }

  /** Allocates eight zeroed bytes shared with the child and the processes that it forks. */
  shared(): SharedWord {
    return this.#shared.word();
  }

  /** Allocates zeroed memory that the child sees at the same address. */
  room(size: number): Place {
    return this.#frame.room(size);
  }

  /** Copies text with a terminating NUL and returns its address. */
  text(text: string): number {
    return this.#frame.text(text);
  }

  /**
   * Builds a NULL-terminated array of pointers to texts (argv or envp), with the addresses `more` at its
   * end.
   */
  texts(texts: readonly string[], more: readonly number[] = []): number {
    const addresses = [...texts.map((text) => this.#frame.text(text)), ...more];
    return this.#frame.longs([...addresses.map(BigInt), 0n]);
  }

  /** Starts the process; returns the refused step when it cannot be created. */
  start(options: StartOptions = {}): StartedChild | FailedStep {
    const stub = childStub();
    const steps = this.#steps;
    const count = steps.length;
    const shared = this.#shared;
    shared.expect(count);
    const pidfd = this.#frame.room(8);
    // Without CLONE_FILES: whoever takes over a child that shares the descriptor table would have every
    // open descriptor.
    const flags = CLONE_PIDFD + CLONE_CLEAR_SIGHAND +
      (options.newPidNamespace === true ? CLONE_NEWPID : 0) +
      (options.cgroupFd === undefined ? 0 : CLONE_INTO_CGROUP);
    const program = this.#frame.longs([
      BigInt(this.#frame.longs(cloneArgs(flags, pidfd.address, options.cgroupFd))),
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
    // The results are used after the program was freed.
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

  /** Frees the memory. The child has its own copy. */
  [Symbol.dispose](): void {
    this.#frame[Symbol.dispose]();
    if (!this.#started) this.#shared[Symbol.dispose]();
  }

  /** Encodes the steps and returns their address. */
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
    // The destinations of a result are known only after all steps were encoded.
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

/** Memory shared at one address by this process, the child and the processes that it forks. */
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

  /** Allocates a word from the end. */
  word(): SharedWord {
    const index = SHARED_SIZE / 8 - ++this.#taken;
    return { address: this.address + index * 8, index };
  }

  /** Reserves the results of the steps at the beginning. */
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

/** `struct clone_args` with flags and the address of the pidfd; the child's exit signal is SIGCHLD. */
function cloneArgs(flags: number, pidfdAt: number, cgroupFd: number = 0): bigint[] {
  const setTid = [0n, 0n];
  return [
    BigInt(flags),
    BigInt(pidfdAt),
    0n,
    0n,
    BigInt(SIGCHLD),
    0n,
    0n,
    0n,
    ...setTid,
    BigInt(cgroupFd),
  ];
}

function refused(command: string, result: number): KernelError {
  return new KernelError({ doing: "start", subject: "a process", command, result });
}
