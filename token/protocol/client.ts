/**
 * Requests a token from a broker.
 *
 * @module
 */

import { Errno, failed } from "../../uapi/errno.ts";
import { KernelError } from "../../errors/kernel_error.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import type { Delegation, DelegationMasks } from "../../plan/delegation.ts";
import { decodeAnswer, encodeRequest, LONGEST_MESSAGE } from "./protocol.ts";

/** The conventional path of a broker's socket. */
export const DEFAULT_BROKER = "/run/skep/broker.sock";

/** Milliseconds between attempts to connect. */
const RETRY = 5;

/**
 * Requests a token and waits for the answer.
 *
 * @throws {KernelError} with the broker's reason when it refuses, or when it cannot be reached.
 */
export function requestToken(
  kernel: Kernel,
  path: string,
  options: {
    readonly need?: DelegationMasks | undefined;
    readonly label?: string | undefined;
    readonly timeout?: number | undefined;
  },
): { readonly fd: number; readonly delegation: Delegation } {
  const { need, label = "", timeout = 5000 } = options;
  const { sockets } = kernel.processes;
  const end = performance.now() + timeout;
  let socket = sockets.connect(path);
  while (failed(socket, Errno.EAGAIN) && performance.now() < end) {
    // The accept queue is full, and the kernel reports no event for free space, so the connection is
    // retried.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, RETRY);
    socket = sockets.connect(path);
  }
  if (socket < 0) throw refusal(path, "connect", socket, "no broker listens there");
  try {
    const sent = sockets.send(socket, encodeRequest(need, label));
    // A client refused on connection finds the answer in its receive queue.
    if (sent < 0 && !failed(sent, Errno.EPIPE)) throw refusal(path, "sendmsg", sent);
    if (!kernel.poller.poll(socket, timeout)) {
      throw refusal(path, "recvmsg", -Errno.ETIMEDOUT, "the broker did not answer in time");
    }
    let message = sockets.receive(socket, LONGEST_MESSAGE);
    // Refused before the request was read: ECONNRESET comes first, then the answer.
    if (failed(message, Errno.ECONNRESET)) message = sockets.receive(socket, LONGEST_MESSAGE);
    if (typeof message === "number") {
      throw refusal(path, "recvmsg", message, "the broker closed the connection without an answer");
    }
    const [fd, ...others] = message.descriptors;
    for (const other of others) kernel.close(other);
    const answer = decodeAnswer(message.bytes);
    if (typeof answer !== "string" && "granted" in answer && fd !== undefined) {
      return { fd, delegation: answer.granted };
    }
    if (fd !== undefined) kernel.close(fd);
    const why = typeof answer === "string"
      ? `its answer cannot be read: ${answer}`
      : "refused" in answer
      ? `the broker refused: ${answer.refused}`
      : "the broker granted the request but sent no token";
    throw refusal(path, "recvmsg", -Errno.EPERM, why);
  } finally {
    kernel.close(socket);
  }
}

function refusal(path: string, command: string, number: number, why?: string): KernelError {
  return new KernelError({
    doing: "get a token from",
    subject: `broker ${path}`,
    command,
    result: number,
    why,
    stage: "token",
  });
}
