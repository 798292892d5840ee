/**
 * The listening socket of a broker.
 *
 * @module
 */

import { KernelError } from "../../errors/kernel_error.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import { isFailedStep } from "../../kernel/processes.ts";
import { Errno, failed } from "../../uapi/errno.ts";
import { O_PATH, S_IFMT, S_IFSOCK } from "../../uapi/files.ts";

/** Address of a broker: a path to bind, or an inherited listening socket. */
export type BrokerAddress = string | { readonly fd: number };

/** Milliseconds to wait for the removal of the socket's file. */
const PATIENCE = 500;

/** A listening socket and its file. */
export class BrokerSocket implements AsyncDisposable {
  /** The descriptor. */
  readonly fd: number;
  readonly #kernel: Kernel;
  /** The file that was bound; undefined for an inherited socket, whose creator removes it. */
  readonly #file: BoundFile | undefined;
  #remover: number | undefined;
  /** Reserve descriptor, freed to accept and refuse a connection when no other is left. */
  #spare: number;

  /**
   * Binds and listens.
   *
   * @throws {KernelError} when that fails.
   */
  constructor(kernel: Kernel, address: BrokerAddress) {
    this.#kernel = kernel;
    this.fd = typeof address === "string" ? listen(kernel, address) : adopt(kernel, address.fd);
    if (typeof address === "string") {
      const fd = kernel.open(address, O_PATH);
      this.#file = { path: address, fd, link: linkOf(kernel, fd) };
    }
    this.#spare = kernel.open("/dev/null");
  }

  /** Keeps a process that may remove the file after this one has dropped its privileges. */
  keepRemover(): void {
    if (this.#file === undefined) return;
    const remover = this.#kernel.processes.children.startRemover(this.#file.path);
    if (!isFailedStep(remover)) this.#remover = remover;
  }

  /** Accepts a connection; returns `-errno` on failure, EAGAIN when none waits. */
  accept(): number {
    return this.#kernel.processes.sockets.accept(this.fd);
  }

  /**
   * Accepts a connection with the reserve descriptor; returns `-errno` when that fails. `use` must
   * not keep the connection.
   */
  acceptWithSpare(use: (connection: number) => void): number {
    if (this.#spare >= 0) this.#kernel.close(this.#spare);
    const connection = this.accept();
    if (connection >= 0) {
      use(connection);
      this.#kernel.close(connection);
    }
    this.#spare = this.#kernel.open("/dev/null");
    return connection;
  }

  /** Closes the socket, and removes its file unless another broker has replaced it. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#removeFile();
    if (this.#spare >= 0) this.#kernel.close(this.#spare);
    this.#kernel.poller.forget(this.fd);
    this.#kernel.close(this.fd);
  }

  async #removeFile(): Promise<void> {
    const file = this.#file;
    const remover = this.#remover;
    if (file === undefined) return;
    const ours = linkOf(this.#kernel, file.fd) === file.link;
    if (file.fd >= 0) this.#kernel.close(file.fd);
    if (remover !== undefined) {
      if (ours) {
        this.#kernel.processes.sockets.send(remover, new Uint8Array(1));
        await this.#kernel.poller.wait(remover, { timeout: PATIENCE });
      }
      this.#kernel.poller.forget(remover);
      this.#kernel.close(remover);
    } else if (ours) this.#kernel.unlink(file.path);
  }
}

/** The file of a socket. */
interface BoundFile {
  readonly path: string;
  /** An O_PATH descriptor of the file. */
  readonly fd: number;
  /** Path of the file when it was bound, from /proc/self/fd. */
  readonly link: string | undefined;
}

/**
 * Returns the current path of a file from /proc/self/fd; it differs once the file is renamed,
 * removed or replaced.
 */
function linkOf(kernel: Kernel, fd: number): string | undefined {
  return fd < 0 ? undefined : kernel.readLink(`/proc/self/fd/${fd}`);
}

function adopt(kernel: Kernel, fd: number): number {
  const socket = kernel.processes.sockets.adopt(fd);
  if (socket >= 0) return socket;
  throw new KernelError({
    doing: "listen on",
    subject: `descriptor ${fd}`,
    command: "getsockopt",
    result: socket,
    why: failed(socket, Errno.EINVAL)
      ? "the descriptor is no listening AF_UNIX socket of type SOCK_SEQPACKET"
      : undefined,
    fix: failed(socket, Errno.EINVAL) ? "use ListenSequentialPacket= in the unit" : undefined,
    stage: "usage",
  });
}

function listen(kernel: Kernel, path: string): number {
  const { sockets } = kernel.processes;
  let socket = sockets.listen(path);
  const isSocket = (kernel.stat(path).mode & S_IFMT) === S_IFSOCK;
  // Connecting to other files fails too; those must not be removed.
  if (failed(socket, Errno.EADDRINUSE) && isSocket) {
    const other = sockets.connect(path);
    if (failed(other, Errno.ECONNREFUSED)) {
      // No process listens: a broker that was killed left the file.
      kernel.unlink(path);
      socket = sockets.listen(path);
    } else if (other >= 0) kernel.close(other);
  }
  if (socket < 0) {
    const taken = failed(socket, Errno.EADDRINUSE);
    throw new KernelError({
      doing: "listen at",
      subject: path,
      command: "bind",
      result: socket,
      why: !taken
        ? undefined
        : isSocket
        ? "another broker listens there"
        : "the path exists and is no socket",
      fix: taken && !isSocket ? "pass another path" : undefined,
      stage: "usage",
    });
  }
  // Every user may connect; the policy decides.
  sockets.setMode(path, 0o666);
  return socket;
}
