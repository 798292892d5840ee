/**
 * A child that can only remove one file, with the privileges that this process has when it starts the
 * child.
 *
 * @module
 */

import { ChildProgram } from "./child_program.ts";
import { closeAllBut, guard, keepCapabilities, setNoNewPrivileges } from "./child_steps.ts";
import type { Kernel } from "../kernel.ts";
import { type FailedStep, isFailedStep } from "../processes.ts";
import type { Result } from "../result.ts";
import { startChild } from "./process.ts";
import { socketPair } from "./sockets.ts";
import { systemCalls } from "../linux/ffi/syscalls.ts";
import { AT_FDCWD } from "../../uapi/files.ts";
import { CAP_DAC_OVERRIDE } from "../../uapi/processes.ts";

/**
 * Starts the child and returns a socket: a byte sent to it removes the file, closing it ends the child
 * without.
 */
export function startRemover(kernel: Kernel, path: string): Result | FailedStep {
  const pair = socketPair();
  if (typeof pair === "number") return { step: "socketpair", result: pair };
  const [ours, theirs] = pair;
  using program = new ChildProgram();
  const byte = program.room(8);
  closeAllBut(program, [theirs]);
  guard(program);
  setNoNewPrivileges(program);
  keepCapabilities(program, [CAP_DAC_OVERRIDE]);
  program.step("read", systemCalls.read, [theirs, byte.address, 8], { stopAtZero: true });
  program.step("unlinkat", systemCalls.unlinkat, [AT_FDCWD, path, 0]);
  const child = startChild(kernel, program);
  kernel.close(theirs);
  if (isFailedStep(child)) {
    kernel.close(ours);
    return child;
  }
  const reap = async (): Promise<void> => {
    using ended = child;
    await ended.wait();
  };
  reap().catch(() => {});
  return ours;
}
