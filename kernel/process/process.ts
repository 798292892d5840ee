/**
 * Child processes that are made without any helper program: in namespaces of their own, with other
 * credentials, with the descriptors that they are meant to have.
 *
 * @module
 */

import type { ChildProgram, StartedChild, StartOptions, StepOutcome } from "./child_program.ts";
import { Errno } from "../../uapi/errno.ts";
import { check } from "../../errors/kernel_error.ts";
import type { Kernel } from "../kernel.ts";
import type { Child, ExitStatus, FailedStep } from "../processes.ts";
import type { Result } from "../result.ts";
import { native } from "../linux/ffi/native.ts";
import { __WALL, CLD_EXITED, P_PIDFD, SIGKILL, WEXITED, WNOHANG } from "../../uapi/processes.ts";
import { O_CLOEXEC } from "../../uapi/files.ts";
import { systemCalls } from "../linux/ffi/syscalls.ts";
import { getNumber, getSigned, viewOf } from "../../uapi/fields.ts";
import { systemStructs, systemStructSizes } from "../../uapi/system_layouts.ts";

/**
 * A process that this one started. Disposing it kills it when it is still running, and closes its
 * descriptor; {@linkcode wait} for it first.
 */
export class ChildProcess implements Child {
  /** Its pid, as this process sees it. */
  readonly pid: number;
  /** A descriptor of it: readable when it has ended. */
  readonly pidfd: number;
  readonly #kernel: Kernel;
  readonly #started: StartedChild;
  #status: ExitStatus | undefined;
  #closed = false;

  /** Takes over a child that was started. */
  constructor(kernel: Kernel, started: StartedChild) {
    this.#kernel = kernel;
    this.#started = started;
    this.pid = started.pid;
    this.pidfd = started.pidfd;
  }

  /** What its steps have answered by now. */
  outcomes(): readonly StepOutcome[] {
    return this.#started.outcomes();
  }

  /** The step that ended it, if one did. */
  failure(): FailedStep | undefined {
    const failed = this.outcomes().find((outcome) => outcome.failed);
    return failed === undefined ? undefined : { step: failed.name, result: failed.result ?? 0 };
  }

  /** Waits for its end, without blocking the event loop. */
  async wait(): Promise<ExitStatus> {
    while (this.#status === undefined) {
      await this.#kernel.poller.wait(this.pidfd);
      this.#status ??= this.#reap();
    }
    return this.#status;
  }

  /** Waits for its end on this thread: for children that only make system calls. */
  waitSync(): ExitStatus {
    while (this.#status === undefined) this.#status = this.#reap(0);
    return this.#status;
  }

  /** Sends a signal: 0, or `-errno`. It cannot reach another process that got the pid later. */
  signal(number: number): number {
    if (this.#closed || this.#status !== undefined) return -Errno.ESRCH;
    return native().call(systemCalls.pidfd_send_signal, this.pidfd, number, 0, 0);
  }

  /** Kills it when it is still running, reaps it and closes its descriptor. */
  [Symbol.dispose](): void {
    if (this.#closed) return;
    if (this.#status === undefined) {
      this.signal(SIGKILL);
      this.waitSync();
    }
    this.#closed = true;
    this.#started.release();
    this.#kernel.poller.forget(this.pidfd);
    this.#kernel.close(this.pidfd);
  }

  #reap(flags: number = WNOHANG): ExitStatus | undefined {
    using frame = native().frame();
    const info = frame.room(systemStructSizes.siginfo);
    const result = native().call(
      systemCalls.waitid,
      P_PIDFD,
      this.pidfd,
      info.address,
      WEXITED | __WALL | flags,
      0,
    );
    if (result === -Errno.EINTR) return undefined;
    check(result, { doing: "wait for", subject: `process ${this.pid}`, command: "waitid" });
    const view = viewOf(info.bytes);
    const field = systemStructs.siginfo;
    if (getNumber(view, field.si_signo) === 0) return undefined;
    const status = getSigned(view, field._sifields__sigchld__status);
    return getNumber(view, field.si_code) === CLD_EXITED
      ? { code: status, signal: 0 }
      : { code: 128 + status, signal: status };
  }
}

/** Starts a child that runs the steps. */
export function startChild(
  kernel: Kernel,
  program: ChildProgram,
  options?: StartOptions,
): ChildProcess {
  return new ChildProcess(kernel, program.start(options));
}

/**
 * Runs steps in a child that shares this process's descriptors, and gives back what the last one
 * answered. For the few calls that a process with threads cannot make: entering a user namespace.
 *
 * Blocks this thread for the time of the calls.
 */
export function runSteps(kernel: Kernel, program: ChildProgram): Result | FailedStep {
  using child = startChild(kernel, program, { shareFiles: true });
  child.waitSync();
  const outcomes = child.outcomes();
  const last = outcomes.at(-1);
  return child.failure() ?? last?.result ?? { step: last?.name ?? "clone3", result: -Errno.ESRCH };
}

/** pidfd_open(2): a descriptor of a running process, or `-errno`. */
export function openProcess(pid: number): number {
  return native().call(systemCalls.pidfd_open, pid, 0);
}

/** pidfd_send_signal(2): 0, or `-errno`. */
export function signalProcess(pidfd: number, number: number): number {
  return native().call(systemCalls.pidfd_send_signal, pidfd, number, 0, 0);
}

/** pipe2(2), close-on-exec: the end to read from, the end to write to; or `-errno`. */
export function openPipe(): readonly [reading: number, writing: number] | Result {
  using frame = native().frame();
  const pair = frame.room(8);
  const result = native().call(systemCalls.pipe2, pair.address, O_CLOEXEC);
  if (result < 0) return result;
  const view = new DataView(pair.bytes.buffer, pair.bytes.byteOffset, 8);
  return [view.getInt32(0, true), view.getInt32(4, true)];
}
