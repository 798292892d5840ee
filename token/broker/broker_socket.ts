/**
 * The socket that a broker listens at.
 *
 * @module
 */

import { KernelError } from "../../errors/kernel_error.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import { isFailedStep } from "../../kernel/processes.ts";
import { Errno, failed } from "../../uapi/errno.ts";
import { O_PATH, S_IFMT, S_IFSOCK } from "../../uapi/files.ts";

/** Where a broker listens: at a path, or on a listening socket that it was started with. */
export type BrokerAddress = string | { readonly fd: number };

/** Milliseconds that a socket's file may take to be removed. */
const PATIENCE = 500;

/** A listening socket, and its file. */
export class BrokerSocket implements AsyncDisposable {
  /** The descriptor. */
  readonly fd: number;
  readonly #kernel: Kernel;
  /** Where it was bound; a socket that was inherited is somebody else's to remove. */
  readonly #file: BoundFile | undefined;
  #remover: number | undefined;
  /** Kept free, to accept and turn away with when there is no other left. */
  #spare: number;

  /** Listens. Throws a {@linkcode KernelError} where that cannot be. */
  constructor(kernel: Kernel, address: BrokerAddress) {
    this.#kernel = kernel;
    this.fd = typeof address === "string" ? listen(kernel, address) : adopt(kernel, address.fd);
    if (typeof address === "string") {
      const fd = kernel.open(address, O_PATH);
      this.#file = { path: address, fd, link: linkOf(kernel, fd) };
    }
    this.#spare = kernel.open("/dev/null");
  }

  /** Keeps the right to remove the file, for when this process has given up its own. */
  keepRemover(): void {
    if (this.#file === undefined) return;
    const remover = this.#kernel.processes.children.startRemover(this.#file.path);
    if (!isFailedStep(remover)) this.#remover = remover;
  }

  /** The next connection, or `-errno`: EAGAIN when there is none. */
  accept(): number {
    return this.#kernel.processes.sockets.accept(this.fd);
  }

  /** Accepts a connection when no descriptor is left for it; `-errno` where even that fails. `use` may not keep it. */
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

  /** Closes it, and removes its file if it is still this socket's: a successor's is left alone. */
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
  /** An O_PATH descriptor of it. */
  readonly fd: number;
  /** Where the kernel said that it was when it was bound. */
  readonly link: string | undefined;
}

/** Where a file is now, by the kernel's own account: another text once it was renamed, removed or replaced. */
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
      ? "it is no listening socket of AF_UNIX and SOCK_SEQPACKET"
      : undefined,
    fix: failed(socket, Errno.EINVAL) ? "use ListenSequentialPacket= in the unit" : undefined,
    stage: "usage",
  });
}

function listen(kernel: Kernel, path: string): number {
  const { sockets } = kernel.processes;
  let socket = sockets.listen(path);
  const isSocket = (kernel.stat(path).mode & S_IFMT) === S_IFSOCK;
  // What is no socket refuses connections too, and is nobody's to remove.
  if (failed(socket, Errno.EADDRINUSE) && isSocket) {
    const other = sockets.connect(path);
    if (failed(other, Errno.ECONNREFUSED)) {
      // Nobody listens: it was left by one that did not end by itself.
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
        : "there is something that is no socket",
      fix: taken && !isSocket ? "name another path" : undefined,
      stage: "usage",
    });
  }
  // Anybody may ask: the policy decides.
  sockets.setMode(path, 0o666);
  return socket;
}
