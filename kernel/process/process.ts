/**
 * Child processes that are made without any helper program: in namespaces of their own, with other
 * credentials, with the descriptors that they are meant to have.
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

/** Milliseconds that somebody waits for the end of a killed process; later it is reaped in the background. */
const PATIENCE = 1000;

/** A process that this one started. */
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

  /** A word that the child shares with this process. */
  sharedWord(word: SharedWord): bigint {
    return this.#started.sharedWord(word);
  }

  /** The step that ended it, if one did. */
  failure(): FailedStep | undefined {
    const failed = this.outcomes().find((outcome) => outcome.failed);
    return failed === undefined ? undefined : { step: failed.name, result: failed.result ?? 0 };
  }

  /** The step that ended it or in which it is, with `otherwise` as the result of the latter. */
  stuckAt(otherwise: Result): FailedStep {
    const at = this.outcomes().find(({ result }) => result === undefined);
    return this.failure() ?? { step: at?.name ?? "exit_group", result: otherwise };
  }

  /** Waits for its end, without blocking the event loop. */
  async wait(): Promise<ExitStatus> {
    for (;;) {
      const status = this.#reap();
      if (status !== undefined) return status;
      await this.#kernel.poller.wait(this.pidfd);
    }
  }

  /** Sends a signal: 0, or `-errno`. It cannot reach another process that got the pid later. */
  signal(number: number): number {
    if (this.#closed || this.#status !== undefined) return -Errno.ESRCH;
    return native().call(systemCalls.pidfd_send_signal, this.pidfd, number, 0, 0);
  }

  /**
   * Kills it when it still runs, stopped or not, waits a second at most for it to be gone, and closes its
   * descriptor. Does not block the event loop.
   */
  async end(): Promise<void> {
    if (this.#closed) return;
    this.signal(SIGKILL);
    if (this.#reap() === undefined) {
      await this.#kernel.poller.wait(this.pidfd, { timeout: PATIENCE });
    }
    this.#close();
  }

  /** Kills it when it is still running, reaps it and closes its descriptor. */
  [Symbol.dispose](): void {
    if (this.#closed) return;
    this.signal(SIGKILL);
    // A killed process is gone within microseconds, unless it is in the kernel and cannot be interrupted there.
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

  /** Looks once a second, without keeping this process alive for it. */
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

  /** Whether a signal has stopped it. */
  hasStopped(): boolean {
    // Without WEXITED it would be ECHILD for one that has ended.
    const what = WSTOPPED | WEXITED | WNOWAIT;
    return this.#status === undefined && this.#waitFor(what)?.code === CLD_STOPPED;
  }

  /** Takes its status if it has ended. Never waits. */
  #reap(): ExitStatus | undefined {
    if (this.#status !== undefined) return this.#status;
    const change = this.#waitFor(WEXITED);
    if (change === undefined) return undefined;
    const { code, status } = change;
    return this.#status = code === CLD_EXITED
      ? { code: status, signal: 0 }
      : { code: 128 + status, signal: status };
  }

  /** waitid(2) without waiting: the code and status of `siginfo_t`, or undefined when nothing has changed. */
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

/** Starts a child that runs the steps; what clone3(2) refused, otherwise. */
export function startChild(
  kernel: Kernel,
  program: ChildProgram,
  options?: StartOptions,
): ChildProcess | FailedStep {
  const started = program.start(options);
  return "step" in started ? started : new ChildProcess(kernel, started);
}

/** pidfd_open(2): a descriptor of a running process, or `-errno`. */
export function openProcess(pid: number): Result {
  return native().call(systemCalls.pidfd_open, pid, 0);
}

/** pidfd_send_signal(2): 0, or `-errno`. */
export function signalProcess(pidfd: number, number: number): Result {
  return native().call(systemCalls.pidfd_send_signal, pidfd, number, 0, 0);
}

/** flock(2) with LOCK_EX and LOCK_NB: 0, or `-errno`. */
export function lockFile(fd: number): Result {
  return native().call(systemCalls.flock, fd, LOCK_EX | LOCK_NB);
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
