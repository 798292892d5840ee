/**
 * A poller with one epoll, one eventfd, and one blocked `epoll_wait` while there are pending waits.
 *
 * A blocked call occupies one of the runtime's 32 pool threads, so one call serves all descriptors.
 * Descriptors are armed for one event (EPOLLONESHOT): a descriptor that stays readable without a pending
 * wait causes no wake-ups.
 *
 * @module
 */

import { check, KernelError } from "../../errors/kernel_error.ts";
import { descriptorNumber, limitOf } from "../arguments.ts";
import type { Block } from "./ffi/memory.ts";
import type { Native } from "./ffi/native.ts";
import type { Poller, WaitOptions } from "../poller.ts";
import { systemCalls as nr } from "./ffi/syscalls.ts";
import {
  EFD_CLOEXEC,
  EFD_NONBLOCK,
  EPOLL_CLOEXEC,
  EPOLL_CTL_ADD,
  EPOLL_CTL_DEL,
  EPOLL_CTL_MOD,
  EPOLLERR,
  EPOLLHUP,
  EPOLLIN,
  EPOLLONESHOT,
  EPOLLOUT,
  EPOLLRDHUP,
  POLLIN,
  POLLOUT,
} from "../../uapi/files.ts";
import { architectures } from "../../uapi/architecture.ts";
import { getNumber, setField, viewOf } from "../../uapi/fields.ts";
import { systemStructs, systemStructSizes } from "../../uapi/system_layouts.ts";
import { Errno, failed } from "../../uapi/errno.ts";

// struct epoll_event is packed on x86-64 only.
const { EPOLL_EVENT_SIZE: EVENT_SIZE, EPOLL_EVENT_DATA: DATA_OFFSET } =
  architectures[Deno.build.arch];
const MOST_EVENTS = 64;

interface Waiter {
  readonly events: number;
  finish(ready: boolean): void;
}

/** Implements {@linkcode Poller} with epoll. */
export class EpollPoller implements Poller {
  #native: Native;
  #waiting: Map<number, Set<Waiter>> = new Map();
  #registered: Set<number> = new Set();
  #epoll = -1;
  #wake = -1;
  #parked = false;
  #closed = false;
  #events: Block | undefined;

  /** Opens nothing: epoll and eventfd are created by the first wait. */
  constructor(native: Native) {
    this.#native = native;
  }

  /** Whether a thread is blocked in epoll_wait, which is so exactly while there are pending waits. */
  get parked(): boolean {
    return this.#parked;
  }

  wait(fd: number, options: WaitOptions = {}): Promise<boolean> {
    const { signal, timeout, writable } = options;
    descriptorNumber(fd);
    if (signal?.aborted) return Promise.reject(signal.reason);
    if (this.#closed) return Promise.resolve(false);
    const { promise, resolve, reject } = Promise.withResolvers<boolean>();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const waiters = this.#waiting.get(fd) ?? new Set();
    const end = (): void => {
      if (timer !== undefined) clearTimeout(timer);
      signal?.removeEventListener("abort", abort);
      waiters.delete(waiter);
      if (waiters.size === 0 && this.#waiting.get(fd) === waiters) this.#waiting.delete(fd);
    };
    const abort = (): void => {
      end();
      reject(signal?.reason);
      this.#unparkIfIdle();
    };
    const waiter: Waiter = {
      events: writable ? EPOLLOUT : EPOLLIN,
      finish: (ready) => {
        end();
        resolve(ready);
      },
    };
    waiters.add(waiter);
    this.#waiting.set(fd, waiters);
    try {
      this.#arm(fd, waiters);
      // A descriptor that is already ready needs no thread; a blocked epoll_wait returns for it at once.
      if (!this.#parked) this.#collect(0);
    } catch (error) {
      end();
      return Promise.reject(error);
    }
    if (!waiters.has(waiter)) return promise;
    signal?.addEventListener("abort", abort, { once: true });
    if (timeout !== undefined) {
      timer = setTimeout(() => {
        waiter.finish(false);
        this.#unparkIfIdle();
      }, timeout);
    }
    this.#park();
    return promise;
  }

  forget(fd: number): void {
    if (this.#registered.delete(fd)) {
      this.#control(EPOLL_CTL_DEL, fd, 0);
    }
    const waiters = this.#waiting.get(fd);
    if (waiters === undefined) return;
    for (const waiter of [...waiters]) waiter.finish(false);
    this.#unparkIfIdle();
  }

  poll(fd: number, timeout: number = 0, writable: boolean = false): boolean {
    descriptorNumber(fd);
    limitOf(Math.max(0, Math.floor(timeout)), "a time to wait");
    using frame = this.#native.frame();
    const room = frame.room(systemStructSizes.pollfd);
    const view = viewOf(room.bytes);
    const field = systemStructs.pollfd;
    setField(view, field.fd, fd);
    setField(view, field.events, writable ? POLLOUT : POLLIN);
    const limit = timeout < 0 ? 0 : frame.longs([
      BigInt(Math.floor(timeout / 1000)),
      BigInt(Math.floor((timeout % 1000) * 1e6)),
    ]);
    const result = this.#native.call(nr.ppoll, room.address, 1, limit, 0, 8);
    // A signal (EINTR) counts as not ready.
    return result > 0 && getNumber(view, field.revents) !== 0;
  }

  [Symbol.dispose](): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const waiters of [...this.#waiting.values()]) {
      for (const waiter of [...waiters]) waiter.finish(false);
    }
    if (this.#parked) this.#unpark();
    else this.#release();
  }

  #open(): void {
    if (this.#epoll >= 0) return;
    const native = this.#native;
    const facts = { doing: "open", subject: "the poller" };
    const epoll = check(native.call(nr.epoll_create1, EPOLL_CLOEXEC), {
      ...facts,
      command: "epoll_create1",
    });
    const wake = native.call(nr.eventfd2, 0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (wake < 0) native.call(nr.close, epoll);
    this.#wake = check(wake, { ...facts, command: "eventfd2" });
    this.#epoll = epoll;
    this.#events = native.memory.allocate(EVENT_SIZE * MOST_EVENTS);
    this.#control(EPOLL_CTL_ADD, this.#wake, EPOLLIN);
  }

  #control(operation: number, fd: number, events: number): number {
    using frame = this.#native.frame();
    const room = frame.room(EVENT_SIZE);
    const view = new DataView(room.bytes.buffer, room.bytes.byteOffset, EVENT_SIZE);
    view.setUint32(0, events, true);
    view.setUint32(DATA_OFFSET, fd, true);
    return this.#native.call(nr.epoll_ctl, this.#epoll, operation, fd, room.address);
  }

  #arm(fd: number, waiters: ReadonlySet<Waiter>): void {
    this.#open();
    let events = EPOLLONESHOT | EPOLLRDHUP;
    for (const waiter of waiters) events |= waiter.events;
    // The descriptor may have been closed and its number reused since it was registered, so both operations
    // are tried.
    let result = this.#control(
      this.#registered.has(fd) ? EPOLL_CTL_MOD : EPOLL_CTL_ADD,
      fd,
      events,
    );
    if (failed(result, Errno.ENOENT)) result = this.#control(EPOLL_CTL_ADD, fd, events);
    else if (failed(result, Errno.EEXIST)) result = this.#control(EPOLL_CTL_MOD, fd, events);
    if (result < 0) {
      this.#registered.delete(fd);
      throw new KernelError({
        doing: "wait for",
        subject: `descriptor ${fd}`,
        command: "epoll_ctl",
        result,
        why: failed(result, Errno.EPERM)
          ? "epoll does not support files of this type: they are always ready"
          : undefined,
      });
    }
    this.#registered.add(fd);
  }

  /** Dispatches the events that are ready, without waiting. */
  #collect(timeout: number): void {
    const events = this.#events as Block;
    const count = this.#native.call(
      nr.epoll_pwait,
      this.#epoll,
      events.address,
      MOST_EVENTS,
      timeout,
      0,
      8,
    );
    if (count > 0) this.#dispatch(count);
  }

  #dispatch(count: number): void {
    const { view } = this.#events as Block;
    for (let index = 0; index < count; index++) {
      const got = view.getUint32(index * EVENT_SIZE, true);
      const fd = view.getUint32(index * EVENT_SIZE + DATA_OFFSET, true);
      if (fd === this.#wake) {
        this.#drainWake();
        continue;
      }
      const waiters = this.#waiting.get(fd);
      if (waiters === undefined) continue;
      const always = got & (EPOLLERR | EPOLLHUP);
      // A half-close by the peer is read as an end of file.
      const readable = got & (EPOLLIN | EPOLLRDHUP);
      for (const waiter of [...waiters]) {
        const meant = waiter.events === EPOLLIN ? readable : got & EPOLLOUT;
        if (always || meant) waiter.finish(true);
      }
      // One event disarmed the descriptor for both directions; a waiter for the other one needs it armed
      // again.
      if (waiters.size > 0) {
        try {
          this.#arm(fd, waiters);
        } catch {
          for (const waiter of [...waiters]) waiter.finish(false);
        }
      }
    }
  }

  #drainWake(): void {
    using frame = this.#native.frame();
    this.#native.call(nr.read, this.#wake, frame.room(8).address, 8);
  }

  async #park(): Promise<void> {
    if (this.#parked) return;
    this.#parked = true;
    try {
      while (this.#waiting.size > 0 && !this.#closed) {
        const events = this.#events as Block;
        // The only error here is EINTR: the arguments are valid. The loop then waits again.
        const count = await this.#native.epollWaitAsync(
          this.#epoll,
          events.pointer,
          MOST_EVENTS,
          -1,
        );
        if (count > 0) this.#dispatch(count);
        // Handlers run now; a handler that waits again is seen before another thread is blocked.
        if (this.#waiting.size === 0) break;
      }
    } finally {
      this.#parked = false;
    }
    if (this.#closed) this.#release();
  }

  #unparkIfIdle(): void {
    if (this.#parked && this.#waiting.size === 0) this.#unpark();
  }

  #unpark(): void {
    using frame = this.#native.frame();
    this.#native.call(nr.write, this.#wake, frame.longs([1n]), 8);
  }

  #release(): void {
    if (this.#epoll >= 0) {
      this.#native.call(nr.close, this.#epoll);
      this.#native.call(nr.close, this.#wake);
      this.#events?.[Symbol.dispose]();
    }
    this.#epoll = this.#wake = -1;
    this.#events = undefined;
    this.#registered.clear();
  }
}
