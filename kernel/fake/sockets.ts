/**
 * In-memory sockets whose other ends tests can play.
 *
 * @module
 */

import { Errno, failed } from "../../uapi/errno.ts";
import type { FakeGround, FakeObject, FakeProcess } from "./ground.ts";
import type * as P from "../processes.ts";
import type { Result } from "../result.ts";

/** A message in flight; its descriptors have no numbers. */
interface Queued {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly objects: readonly FakeObject[];
}

/** One end of a connection. */
interface End {
  readonly queue: Queued[];
  /** The process that created it. */
  readonly process: FakeProcess;
  other: End | undefined;
  /** The end's descriptor, once accepted or connected. */
  fd: number | undefined;
}

/** A listening socket. */
interface Listener {
  readonly waiting: End[];
  fd: number;
}

/** Implements {@linkcode P.Sockets} for the fake kernel. */
export class FakeSockets implements P.Sockets {
  readonly #ground: FakeGround;
  readonly #self: FakeProcess;
  readonly #listeners: Map<string, Listener> = new Map();

  /** Creates the sockets of process `self`. */
  constructor(ground: FakeGround, self: FakeProcess) {
    this.#ground = ground;
    this.#self = self;
  }

  pair(): readonly [number, number] | Result {
    const result = this.#ground.run("socketpair", {}, () => 0);
    if (result < 0) return result;
    const [left, right] = this.#connected(this.#self, this.#self);
    return [this.#open(left), this.#open(right)];
  }

  listen(path: string): Result {
    return this.#ground.run("listen", { path }, () => {
      const known = this.#listeners.get(path);
      if (known !== undefined && this.#ground.object(known.fd) !== undefined) {
        return -Errno.EADDRINUSE;
      }
      const listener: Listener = { waiting: [], fd: -1 };
      listener.fd = this.#ground.add({ kind: "socket", name: path, attributes: listener });
      this.#listeners.set(path, listener);
      return listener.fd;
    });
  }

  adopt(fd: number): Result {
    return this.#ground.run("adopt", { fd }, () => {
      const object = this.#ground.object(fd);
      if (object === undefined) return -Errno.EBADF;
      return object.kind === "socket" && object.name !== "connection" ? fd : -Errno.EINVAL;
    });
  }

  notify(path: string, text: string): Result {
    return this.#ground.run("notify", { path, text }, () => text.length);
  }

  accept(socket: number): Result {
    return this.#ground.run("accept4", { socket }, () => {
      const listener = this.#ground.object(socket)?.attributes as Listener | undefined;
      const end = listener?.waiting.shift();
      return end === undefined ? -Errno.EAGAIN : this.#open(end);
    });
  }

  connect(path: string): Result {
    return this.#ground.run("connect", { path }, () => this.connectAs(path, this.#self));
  }

  /** Connects as another process and returns the descriptor of that process's end, for the test to use. */
  connectAs(path: string, process: FakeProcess): Result {
    const listener = this.#listeners.get(path);
    if (listener === undefined) return -Errno.ENOENT;
    if (this.#ground.object(listener.fd) === undefined) return -Errno.ECONNREFUSED;
    const [theirs, ours] = this.#connected(process, this.#self);
    listener.waiting.push(ours);
    this.#ground.poller.ready(listener.fd);
    return this.#open(theirs);
  }

  send(socket: number, bytes: Uint8Array, descriptors: readonly number[] = []): Result {
    const attributes = { socket, bytes: Uint8Array.from(bytes), descriptors };
    return this.#ground.run("sendmsg", attributes, () => {
      const end = this.#end(socket);
      if (end === undefined) return -Errno.EBADF;
      const other = end.other;
      if (other === undefined || !this.#isOpen(other)) return -Errno.EPIPE;
      const objects: FakeObject[] = [];
      for (const fd of descriptors) {
        const object = this.#ground.object(fd);
        if (object === undefined) return -Errno.EBADF;
        objects.push(object);
      }
      other.queue.push({ bytes: Uint8Array.from(bytes), objects });
      if (other.fd !== undefined) this.#ground.poller.ready(other.fd);
      return bytes.length;
    });
  }

  receive(socket: number, size: number): P.Message | Result {
    let message: P.Message | undefined;
    const result = this.#ground.run("recvmsg", { socket, size }, () => {
      const end = this.#end(socket);
      if (end === undefined) return -Errno.EBADF;
      const next = end.queue.shift();
      if (next === undefined && end.other !== undefined && this.#isOpen(end.other)) {
        return -Errno.EAGAIN;
      }
      const bytes = next?.bytes ?? new Uint8Array(0);
      message = {
        bytes: bytes.slice(0, size),
        descriptors: next?.objects.map((object) => this.#ground.add(object)) ?? [],
        truncated: bytes.length > size,
      };
      return bytes.length;
    });
    return message ?? result;
  }

  async receiveWithin(
    socket: number,
    size: number,
    timeout?: number,
  ): Promise<P.Message | Result> {
    for (;;) {
      const message = this.receive(socket, size);
      if (!failed(message, Errno.EAGAIN)) return message;
      if (!await this.#ground.poller.wait(socket, { timeout })) return -Errno.ETIMEDOUT;
    }
  }

  peerCredentials(socket: number): P.PeerCredentials | Result {
    const result = this.#ground.run("getsockopt", { socket, option: "SO_PEERCRED" }, () => 0);
    const process = this.#end(socket)?.other?.process;
    if (result < 0 || process === undefined) return result < 0 ? result : -Errno.ENOTCONN;
    return { pid: process.pid, uid: process.uid, gid: process.gid };
  }

  peerProcess(socket: number): Result {
    return this.#ground.run("getsockopt", { socket, option: "SO_PEERPIDFD" }, () => {
      const process = this.#end(socket)?.other?.process;
      if (process === undefined) return -Errno.ENOTCONN;
      return this.#ground.add({ kind: "process", name: `${process.pid}`, attributes: process });
    });
  }

  setMode(path: string, mode: number): Result {
    return this.#ground.run("fchmodat", { path, mode }, () => 0);
  }

  #connected(left: FakeProcess, right: FakeProcess): readonly [End, End] {
    const one: End = { queue: [], process: left, other: undefined, fd: undefined };
    const two: End = { queue: [], process: right, other: one, fd: undefined };
    one.other = two;
    return [one, two];
  }

  #open(end: End): number {
    end.fd = this.#ground.add({ kind: "socket", name: "connection", attributes: end });
    if (end.queue.length > 0) this.#ground.poller.ready(end.fd);
    return end.fd;
  }

  #end(socket: number): End | undefined {
    const object = this.#ground.object(socket);
    return object?.kind === "socket" && object.name === "connection"
      ? object.attributes as End
      : undefined;
  }

  /** An end that was not accepted yet counts as open. */
  #isOpen(end: End): boolean {
    return end.fd === undefined || this.#ground.object(end.fd)?.attributes === end;
  }
}
