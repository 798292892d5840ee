/**
 * BPF_PROG_LOAD, BPF_BTF_LOAD, and the commands on loaded programs.
 *
 * @module
 */

import { wholeNumber } from "../arguments.ts";
import { Command } from "../../uapi/enums.ts";
import { Attributes, copyOf, textUpToNul } from "./ffi/attributes.ts";
import type {
  BtfLoad,
  BytesResult,
  LoadResult,
  ProgramLoad,
  Result,
  TestRun,
  TestRunResult,
} from "../kernel.ts";
import type { Frame, Place } from "./ffi/memory.ts";
import type { Native } from "./ffi/native.ts";
import { systemCalls } from "./ffi/syscalls.ts";
import { loadSyscallStub } from "./ffi/syscall_stub.ts";
import { attributes } from "../../uapi/layouts.ts";
import { BPF_F_TOKEN_FD } from "../../uapi/bpf_flags.ts";

const DEFAULT_LOG_SIZE = 64 * 1024;
const EMPTY: Uint8Array<ArrayBuffer> = new Uint8Array(0);

/** BPF_PROG_LOAD on this thread. */
export function programLoadSync(native: Native, program: ProgramLoad): LoadResult {
  using frame = native.frame();
  const attr = native.attributes;
  const log = fillProgram(attr, frame, program);
  return loadResult(
    attr.command(Command.prog_load),
    log,
    attr.number(attributes.program_load.log_true_size),
  );
}

/**
 * BPF_PROG_LOAD on a thread of the runtime's pool.
 *
 * A stub that makes the system call itself returns that thread's errno. Where the stub cannot be loaded, a
 * refused load is repeated on this thread to get its errno.
 */
export async function programLoad(native: Native, program: ProgramLoad): Promise<LoadResult> {
  if (program.onPool !== true && isSmall(program.instructions)) {
    return programLoadSync(native, program);
  }
  // Loads are concurrent, so each has memory of its own.
  using frame = native.ownFrame();
  using block = native.memory.allocate(Attributes.size);
  const attr = new Attributes(native, block);
  const log = fillProgram(attr, frame, program);
  const stub = loadSyscallStub(native);
  const call = stub ?? native.syscall32Async;
  const result = await call(systemCalls.bpf, Command.prog_load, attr.pointer, Attributes.size);
  if (result < 0 && stub === undefined) return programLoadSync(native, program);
  return loadResult(result, log, attr.number(attributes.program_load.log_true_size));
}

/**
 * Returns whether verifying a program takes about as long as switching to another thread and back.
 *
 * The switch takes 50 to 150 µs, more on a busy machine; 384 instructions without a backward jump are
 * verified in about that time (libxdp's dispatcher, 214 instructions: 165 µs). Subprograms are part of the
 * same instructions, so they are counted.
 */
export function isSmall(instructions: Uint8Array): boolean {
  if (instructions.length > SMALL) return false;
  for (let at = 0; at < instructions.length; at += 8) {
    const code = instructions[at] as number;
    const kind = code & 0x07;
    if (kind !== JMP && kind !== JMP32) continue;
    const operation = code & 0xf0;
    // The offset of a call is not a jump; for kfuncs it is an index.
    if (operation === CALL) continue;
    // The offset's high byte holds its sign; JA32 has the offset in the immediate.
    const high = instructions[at + (kind === JMP32 && operation === 0 ? 7 : 3)] as number;
    if (high >= 0x80) return false;
  }
  return true;
}

const SMALL = 384 * 8;
const JMP = 0x05;
const JMP32 = 0x06;
const CALL = 0x80;

function fillProgram(attr: Attributes, frame: Frame, program: ProgramLoad): Place | undefined {
  const field = attributes.program_load;
  const { tokenFd, funcInfo, lineInfo, fdArray, logLevel = 0 } = program;
  const flags = program.flags ?? 0;
  attr.begin().set(field.prog_type, program.type)
    .set(field.insns, frame.bytes(program.instructions))
    .set(field.insn_cnt, program.instructions.length >>> 3)
    .set(field.license, frame.text(program.license)).name(field.prog_name, program.name)
    .set(field.expected_attach_type, program.expectedAttachType)
    .set(field.prog_flags, tokenFd === undefined ? flags : flags | BPF_F_TOKEN_FD)
    .set(field.prog_token_fd, tokenFd).set(field.kern_version, program.kernelVersion)
    .set(field.prog_ifindex, program.ifindex).set(field.prog_btf_fd, program.btfFd)
    .set(field.attach_btf_id, program.attachBtfId)
    .set(field.attach_prog_fd, program.attachProgramFd)
    .set(field.fd_array_cnt, program.fdArrayCount);
  if (funcInfo !== undefined && funcInfo.records.length > 0) {
    attr.set(field.func_info, frame.bytes(funcInfo.records))
      .set(field.func_info_rec_size, funcInfo.recordSize)
      .set(field.func_info_cnt, Math.floor(funcInfo.records.length / funcInfo.recordSize));
  }
  if (lineInfo !== undefined && lineInfo.records.length > 0) {
    attr.set(field.line_info, frame.bytes(lineInfo.records))
      .set(field.line_info_rec_size, lineInfo.recordSize)
      .set(field.line_info_cnt, Math.floor(lineInfo.records.length / lineInfo.recordSize));
  }
  if (fdArray !== undefined) attr.set(field.fd_array, frame.words(fdArray));
  if (logLevel === 0) return undefined;
  const log = frame.room(program.logSize ?? DEFAULT_LOG_SIZE);
  attr.set(field.log_level, logLevel).set(field.log_size, log.bytes.length)
    .set(field.log_buf, log.address);
  return log;
}

function loadResult(result: number, log: Place | undefined, logTrueSize: number): LoadResult {
  return { result, log: log === undefined ? "" : textUpToNul(log.bytes), logTrueSize };
}

/** BPF_BTF_LOAD. */
export function btfLoad(native: Native, btf: BtfLoad): LoadResult {
  using frame = native.frame();
  const field = attributes.btf_load;
  const { logLevel = 0, tokenFd } = btf;
  const attr = native.attributes.begin().set(field.btf, frame.bytes(btf.bytes))
    .set(field.btf_size, btf.bytes.length)
    .set(field.btf_flags, tokenFd === undefined ? 0 : BPF_F_TOKEN_FD)
    .set(field.btf_token_fd, tokenFd);
  let log: Place | undefined;
  if (logLevel !== 0) {
    log = frame.room(btf.logSize ?? DEFAULT_LOG_SIZE);
    attr.set(field.btf_log_level, logLevel).set(field.btf_log_size, log.bytes.length)
      .set(field.btf_log_buf, log.address);
  }
  return loadResult(
    attr.command(Command.btf_load),
    log,
    attr.number(field.btf_log_true_size),
  );
}

/** BPF_PROG_TEST_RUN. */
export function programTestRun(native: Native, run: TestRun): TestRunResult {
  using frame = native.frame();
  const field = attributes.test_run;
  const { dataIn = EMPTY, contextIn = EMPTY, dataOutSize = 0, contextOutSize = 0 } = run;
  const { repeat = 0, cpu = 0, batchSize = 0 } = run;
  // The kernel reads -1 as 4294967295 runs.
  wholeNumber(repeat, "the number of runs");
  wholeNumber(cpu, "a CPU");
  wholeNumber(batchSize, "the size of a batch of frames");
  const dataOut = dataOutSize > 0 ? frame.room(dataOutSize) : undefined;
  const contextOut = contextOutSize > 0 ? frame.room(contextOutSize) : undefined;
  const context = contextIn.length > 0 ? frame.room(contextIn.length) : undefined;
  context?.bytes.set(contextIn);
  const attr = native.attributes.begin().set(field.prog_fd, run.programFd)
    .set(field.data_in, frame.bytes(dataIn)).set(field.data_size_in, dataIn.length)
    .set(field.data_out, dataOut?.address).set(field.data_size_out, dataOutSize)
    .set(field.ctx_in, context?.address).set(field.ctx_size_in, contextIn.length)
    .set(field.ctx_out, contextOut?.address).set(field.ctx_size_out, contextOutSize)
    .set(field.repeat, repeat).set(field.flags, run.flags).set(field.cpu, cpu)
    .set(field.batch_size, batchSize);
  const result = attr.command(Command.prog_test_run);
  return {
    result,
    returnValue: attr.number(field.retval),
    duration: attr.number(field.duration),
    // With ENOSPC the kernel filled the buffer and returned the full size.
    dataOut: dataOut === undefined
      ? EMPTY
      : copyOf(dataOut, Math.min(dataOutSize, attr.number(field.data_size_out))),
    // Without an output buffer, the context is as a syscall program left it, or unchanged.
    contextOut: contextOut === undefined
      ? context === undefined ? EMPTY : copyOf(context, contextIn.length)
      : copyOf(contextOut, Math.min(contextOutSize, attr.number(field.ctx_size_out))),
  };
}

/** BPF_PROG_BIND_MAP. */
export function programBindMap(native: Native, programFd: number, mapFd: number): Result {
  const field = attributes.program_bind_map;
  return native.attributes.begin().set(field.prog_fd, programFd).set(field.map_fd, mapFd)
    .command(Command.prog_bind_map);
}

/** BPF_PROG_STREAM_READ_BY_FD. */
export function programStreamRead(
  native: Native,
  programFd: number,
  stream: number,
  size: number,
): BytesResult {
  using frame = native.frame();
  const field = attributes.program_stream_read;
  const room = frame.room(size);
  const result = native.attributes.begin().set(field.stream_buf, room.address)
    .set(field.stream_buf_len, size).set(field.stream_id, stream).set(field.prog_fd, programFd)
    .command(Command.prog_stream_read_by_fd);
  return result < 0
    ? { result, bytes: EMPTY }
    : { result: 0, bytes: copyOf(room, Math.min(result, size)) };
}
