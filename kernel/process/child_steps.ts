/**
 * Steps that several child programs share: dropping privileges and sending a descriptor.
 *
 * @module
 */

import type { ChildProgram, StepResult } from "./child_program.ts";
import { systemCalls } from "../linux/ffi/syscalls.ts";
import {
  _LINUX_CAPABILITY_VERSION_3,
  PR_SET_DUMPABLE,
  PR_SET_NO_NEW_PRIVS,
  PR_SET_PDEATHSIG,
  SIGKILL,
} from "../../uapi/processes.ts";
import { SCM_RIGHTS, SOL_SOCKET } from "../../uapi/sockets.ts";
import { getNumber, setField, viewOf } from "../../uapi/fields.ts";
import { systemStructs, systemStructSizes } from "../../uapi/system_layouts.ts";

const LAST_DESCRIPTOR = 0xffffffff;
const { cmsghdr, iovec, user_msghdr } = systemStructs;

/** Closes all descriptors except `kept`. */
export function closeAllBut(program: ChildProgram, kept: readonly number[]): void {
  let from = 0;
  for (const fd of [...new Set(kept)].sort((a, b) => a - b)) {
    if (fd > from) program.step("close_range", systemCalls.close_range, [from, fd - 1, 0]);
    from = fd + 1;
  }
  program.step("close_range", systemCalls.close_range, [from, LAST_DESCRIPTOR, 0]);
}

/**
 * Makes the child undumpable, so that other processes cannot trace it or read its memory and descriptors,
 * and ends it with its parent.
 *
 * A change of credentials undoes both: commit_creds() sets dumpable to fs.suid_dumpable and clears the
 * death signal when the ids change or the capabilities are not a subset of the old ones. So these steps
 * come before such a change and again after it.
 */
export function guard(program: ChildProgram): void {
  const { prctl } = systemCalls;
  program.step("prctl", prctl, [PR_SET_DUMPABLE, 0, 0, 0, 0]);
  program.step("prctl", prctl, [PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0]);
}

/** Sets no_new_privs: execve(2) then grants no privileges. */
export function setNoNewPrivileges(program: ChildProgram): void {
  program.step("prctl", systemCalls.prctl, [PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0]);
}

/** Sets the permitted and effective capabilities, and clears the inheritable ones. */
export function keepCapabilities(program: ChildProgram, capabilities: readonly number[]): void {
  const header = program.room(systemStructSizes.__user_cap_header_struct);
  const { version } = systemStructs.__user_cap_header_struct;
  setField(viewOf(header.bytes), version, _LINUX_CAPABILITY_VERSION_3);
  const data = program.room(2 * systemStructSizes.__user_cap_data_struct);
  data.bytes.set(capabilitySets(capabilities));
  program.step("capset", systemCalls.capset, [header.address, data.address]);
}

/**
 * Returns `struct __user_cap_data_struct[2]` with these capabilities permitted and effective, and none
 * inheritable.
 */
export function capabilitySets(capabilities: readonly number[]): Uint8Array<ArrayBuffer> {
  const size = systemStructSizes.__user_cap_data_struct;
  const { permitted, effective } = systemStructs.__user_cap_data_struct;
  const bytes = new Uint8Array(2 * size);
  for (const number of capabilities) {
    const view = new DataView(bytes.buffer, (number >> 5) * size, size);
    for (const set of [permitted, effective]) {
      setField(view, set, getNumber(view, set) | (1 << (number & 31)));
    }
  }
  return bytes;
}

/** A message with one descriptor whose number is known in the child only. */
export interface DescriptorMessage {
  /** Address of the descriptor's number, four bytes; written before the message is sent. */
  readonly descriptorAt: number;
  /** Appends the step that sends it with sendmsg(2). */
  readonly send: () => void;
}

/** Prepares a message with one descriptor. */
export function descriptorMessage(program: ChildProgram, socket: number): DescriptorMessage {
  const data = program.room(8);
  data.bytes[0] = 1;
  const vector = program.room(systemStructSizes.iovec);
  setField(viewOf(vector.bytes), iovec.iov_base, BigInt(data.address));
  setField(viewOf(vector.bytes), iovec.iov_len, 1n);
  const size = systemStructSizes.cmsghdr;
  const control = program.room(size + 8);
  setField(viewOf(control.bytes), cmsghdr.cmsg_len, BigInt(size + 4));
  setField(viewOf(control.bytes), cmsghdr.cmsg_level, SOL_SOCKET);
  setField(viewOf(control.bytes), cmsghdr.cmsg_type, SCM_RIGHTS);
  const header = program.room(systemStructSizes.user_msghdr);
  setField(viewOf(header.bytes), user_msghdr.msg_iov, BigInt(vector.address));
  setField(viewOf(header.bytes), user_msghdr.msg_iovlen, 1n);
  setField(viewOf(header.bytes), user_msghdr.msg_control, BigInt(control.address));
  setField(viewOf(header.bytes), user_msghdr.msg_controllen, BigInt(size + 8));
  return {
    // A step's result has eight bytes, of which sendmsg reads four; the rest is padding.
    descriptorAt: control.address + size,
    send: () => {
      program.step("sendmsg", systemCalls.sendmsg, [socket, header.address, 0]);
    },
  };
}

/** Sends a descriptor that an earlier step opened, with sendmsg(2). */
export function sendDescriptor(program: ChildProgram, socket: number, fd: StepResult): void {
  const message = descriptorMessage(program, socket);
  fd.stores.push(message.descriptorAt);
  message.send();
}
