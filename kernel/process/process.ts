/**
 * Child processes made without a helper program: in new namespaces, with other credentials and selected
 * descriptors.
 *
 * @module
 */

import type {
  ChildProgram,
  SharedWord,
  StartedChild,
  StartOptions,
  StepOutcome,
} from "./child_program.ts";
import { Errno, failed } from "../../uapi/errno.ts";
import { KernelError } from "../../errors/kernel_error.ts";
import type { Kernel } from "../kernel.ts";
import type { Child, ExitStatus, FailedStep } from "../processes.ts";
import type { Result } from "../result.ts";
import { native } from "../linux/ffi/native.ts";
import { systemCalls } from "../linux/ffi/syscalls.ts";
import { getNumber, getSigned, viewOf } from "../../uapi/fields.ts";
import { systemStructs, systemStructSizes } from "../../uapi/system_layouts.ts";
import { O_CLOEXEC } from "../../uapi/files.ts";
import {
  __WALL,
  CLD_EXITED,
  CLD_STOPPED,
  LOCK_EX,
  LOCK_NB,
  P_PIDFD,
  SIGKILL,
  WEXITED,
  WNOHANG,
  WNOWAIT,
  WSTOPPED,
} from "../../uapi/processes.ts";

/** Milliseconds to wait for a killed process; after that it is reaped in the background. */
const PATIENCE = 1000;

/** A child of this process. */
export class ChildProcess implements Child {
  /** Its pid in this process's pid namespace. */
  readonly pid: number;
  /** Its pidfd: readable when it has ended. */
  readonly pidfd: number;
  readonly #kernel: Kernel;
  readonly #started: StartedChild;
  #status: ExitStatus | undefined;
  #closed = false;

  /** Takes ownership of a started child. */
  constructor(kernel: Kernel, started: StartedChild) {
    this.#kernel = kernel;
    this.#started = started;
    this.pid = started.pid;
    this.pidfd = started.pidfd;
  }

  /** Returns the results of its steps so far. */
  outcomes(): readonly StepOutcome[] {
    return this.#started.outcomes();
  }

  /** Reads a word that the child shares with this process. */
  sharedWord(word: SharedWord): bigint {
    return this.#started.sharedWord(word);
  }

  /** Returns the step that ended it; undefined when none did. */
  failure(): FailedStep | undefined {
    const failed = this.outcomes().find((outcome) => outcome.failed);
    return failed === undefined ? undefined : { step: failed.name, result: failed.result ?? 0 };
  }

  /** Returns the step that ended it, or else the step that it is in, with the result `otherwise`. */
  stuckAt(otherwise: Result): FailedStep {
    const at = this.outcomes().find(({ result }) => result === undefined);
    return this.failure() ?? { step: at?.name ?? "exit_group", result: otherwise };
  }

  /** Waits until it has ended, without blocking the event loop. */
  async wait(): Promise<ExitStatus> {
    for (;;) {
      const status = this.#reap();
      if (status !== undefined) return status;
      await this.#kernel.poller.wait(this.pidfd);
    }
  }

  /**
   * Sends a signal; returns 0 or `-errno`. The pidfd cannot refer to another process that reuses the pid.
   */
  signal(number: number): number {
    if (this.#closed || this.#status !== undefined) return -Errno.ESRCH;
    return native().call(systemCalls.pidfd_send_signal, this.pidfd, number, 0, 0);
  }

  /**
   * Kills it if it is alive, stopped or not, waits for at most a second until it has ended, and closes its
   * pidfd. Does not block the event loop.
   */
  async end(): Promise<void> {
    if (this.#closed) return;
    this.signal(SIGKILL);
    if (this.#reap() === undefined) {
      await this.#kernel.poller.wait(this.pidfd, { timeout: PATIENCE });
    }
    this.#close();
  }

  /** Kills it if it is alive, reaps it and closes its pidfd. */
  [Symbol.dispose](): void {
    if (this.#closed) return;
    this.signal(SIGKILL);
    // A killed process ends within microseconds, unless it is in an uninterruptible sleep.
    if (this.#reap() === undefined) this.#kernel.poller.poll(this.pidfd, PATIENCE);
    this.#close();
  }

  #close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#started.release();
    if (this.#reap() === undefined) this.#reapLater();
    else this.#closeDescriptor();
  }

  /** Tries once a second, without keeping this process alive. */
  #reapLater(): void {
    const timer = setInterval(() => {
      if (this.#reap() === undefined) return;
      clearInterval(timer);
      this.#closeDescriptor();
    }, 1000);
    Deno.unrefTimer(timer);
  }

  #closeDescriptor(): void {
    this.#kernel.poller.forget(this.pidfd);
    this.#kernel.close(this.pidfd);
  }

  /** Returns whether a signal has stopped it. */
  hasStopped(): boolean {
    // Without WEXITED, waitid(2) returns ECHILD for a process that has ended.
    const what = WSTOPPED | WEXITED | WNOWAIT;
    return this.#status === undefined && this.#waitFor(what)?.code === CLD_STOPPED;
  }

  /** Reaps it if it has ended; never blocks. */
  #reap(): ExitStatus | undefined {
    if (this.#status !== undefined) return this.#status;
    const change = this.#waitFor(WEXITED);
    if (change === undefined) return undefined;
    const { code, status } = change;
    return this.#status = code === CLD_EXITED
      ? { code: status, signal: 0 }
      : { code: 128 + status, signal: status };
  }

  /** waitid(2) with WNOHANG: returns code and status of `siginfo_t`; undefined when nothing changed. */
  #waitFor(what: number): { readonly code: number; readonly status: number } | undefined {
    using frame = native().frame();
    const info = frame.room(systemStructSizes.siginfo);
    const flags = what | __WALL | WNOHANG;
    const { waitid } = systemCalls;
    const result = native().call(waitid, P_PIDFD, this.pidfd, info.address, flags, 0);
    if (failed(result, Errno.EINTR)) return undefined;
    if (result < 0) {
      throw new KernelError({
        doing: "wait for",
        subject: `process ${this.pid}`,
        command: "waitid",
        result,
      });
    }
    const view = viewOf(info.bytes);
    const field = systemStructs.siginfo;
    if (getNumber(view, field.si_signo) === 0) return undefined;
    const status = getSigned(view, field._sifields__sigchld__status);
    return { code: getNumber(view, field.si_code), status };
  }
}

/** Starts a child that makes the steps; returns the refused step when it cannot be created. */
export function startChild(
  kernel: Kernel,
  program: ChildProgram,
  options?: StartOptions,
): ChildProcess | FailedStep {
  const started = program.start(options);
  return "step" in started ? started : new ChildProcess(kernel, started);
}

/** pidfd_open(2): returns a pidfd or `-errno`. */
export function openProcess(pid: number): Result {
  return native().call(systemCalls.pidfd_open, pid, 0);
}

/** pidfd_send_signal(2): returns 0 or `-errno`. */
export function signalProcess(pidfd: number, number: number): Result {
  return native().call(systemCalls.pidfd_send_signal, pidfd, number, 0, 0);
}

/** flock(2) with LOCK_EX and LOCK_NB: returns 0 or `-errno`. */
export function lockFile(fd: number): Result {
  return native().call(systemCalls.flock, fd, LOCK_EX | LOCK_NB);
}

/** pipe2(2) with O_CLOEXEC: returns the reading and the writing end, or `-errno`. */
export function openPipe(): readonly [reading: number, writing: number] | Result {
  using frame = native().frame();
  const pair = frame.room(8);
  const result = native().call(systemCalls.pipe2, pair.address, O_CLOEXEC);
  if (result < 0) return result;
  const view = new DataView(pair.bytes.buffer, pair.bytes.byteOffset, 8);
  return [view.getInt32(0, true), view.getInt32(4, true)];
}
