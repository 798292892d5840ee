/**
 * The commands of `Processes` that tests use most, with errors thrown.
 *
 * @module
 */

import { Errno, failed } from "../../uapi/errno.ts";
import { KernelError } from "../../errors/kernel_error.ts";
import { linuxKernel } from "../../kernel/linux/linux.ts";
import type { Message } from "../../kernel/processes.ts";

/** Creates two connected sockets. */
export function socketPair(): readonly [number, number] {
  return checked(linuxKernel().processes.sockets.pair(), "socketpair");
}

/** Creates a pipe. */
export function openPipe(): readonly [reading: number, writing: number] {
  return checked(linuxKernel().processes.children.pipe(), "pipe2");
}

/** Waits for a message and receives it; undefined after `timeout` milliseconds. */
export async function waitForMessage(
  socket: number,
  size: number,
  timeout?: number,
): Promise<Message | undefined> {
  const { sockets } = linuxKernel().processes;
  const message = await sockets.receiveWithin(socket, size, timeout);
  return failed(message, Errno.ETIMEDOUT) ? undefined : checked(message, "recvmsg");
}

function checked<T extends object>(answer: T | number, command: string): T {
  if (typeof answer !== "number") return answer;
  throw new KernelError({ doing: "call", subject: command, command, result: answer });
}
