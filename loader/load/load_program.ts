/**
 * Loads one program: builds the arguments, retries, and fetches the verifier's log after a refusal.
 *
 * @module
 */

import { KernelError } from "../../errors/kernel_error.ts";
import { type JsonValue, SkepError } from "../../errors/skep_error.ts";
import { Errno, failed } from "../../uapi/errno.ts";
import type { LoadResult, ProgramLoad } from "../../kernel/kernel.ts";
import { AttachType, ProgramType } from "../../uapi/enums.ts";
import type { ProgramSpec, RelocatedProgram } from "../../object/spec/spec.ts";
import type { AttachTarget } from "./attach_target.ts";
import { Descriptor } from "../../kernel/descriptor.ts";
import { features } from "../features/features.ts";
import { sourceLine } from "../../explain/verifier/source_line.ts";
import type { PoisonReader } from "../../explain/verifier/poison.ts";
import type { LoadContext } from "./load_context.ts";
import type { StructOpsTarget } from "./struct_ops_layout.ts";
import { VerifierError } from "../../explain/verifier/error.ts";

/** Size of the first log buffer in bytes, as in libbpf. Pages that the kernel does not write take no memory. */
const FIRST_LOG = (1 << 24) - 1;
/** Limit of log buffers in bytes; the kernel accepts up to `UINT_MAX >> 2` (kernel/bpf/log.c). */
const LARGEST_LOG = 2 ** 30 - 1;
/** Number of tries on EAGAIN, as in libbpf (PROG_LOAD_ATTEMPTS). */
const AGAIN = 5;
/** Record sizes in bytes of `struct bpf_func_info` and `struct bpf_line_info` that every kernel accepts. */
const FUNC_INFO = 8;
const LINE_INFO = 16;

/** A program that is ready to be loaded. */
export interface ProgramToLoad {
  /** The program and its relocated code. */
  readonly linked: RelocatedProgram;
  /** The code with every reference resolved. */
  readonly instructions: Uint8Array<ArrayBuffer>;
  /** The descriptor of the object's BTF; undefined when it has none or the kernel refused it. */
  readonly btfFd: number | undefined;
  /** Its attach target; undefined for programs that need none. */
  readonly target: AttachTarget | undefined;
  /** The struct_ops member that it implements. */
  readonly structOps: StructOpsTarget | undefined;
  /** `fd_array`: descriptors of modules' BTF that kfunc calls index; the first entry is vmlinux. */
  readonly descriptors: readonly number[];
  /** Decodes what poisoned instructions in its code refer to. */
  readonly poison: PoisonReader;
}

/** Issues BPF_PROG_LOAD, synchronously or off the event loop. */
export type LoadCall = (attributes: ProgramLoad) => LoadResult | Promise<LoadResult>;

/**
 * Refuses programs that libbpf refuses without a system call: those without a type, and struct_ops programs
 * that no map names.
 *
 * @throws {SkepError} EINVAL.
 */
export function checkProgram(program: ProgramSpec, structOps: StructOpsTarget | undefined): void {
  if (program.type === "unspec") {
    throw programError(
      program,
      `its section ${program.section} implies no program type`,
      "use a section name that libbpf knows, or set the type on the program's spec",
    );
  }
  if (program.type === "struct_ops" && structOps === undefined) {
    throw programError(
      program,
      "no struct_ops map names it",
      "name it in a struct in .struct_ops or .struct_ops.link, or turn off its autoload",
    );
  }
}

function programError(program: ProgramSpec, why: string, fix: string): SkepError {
  return new SkepError({
    doing: "load program",
    subject: program.name,
    errno: "EINVAL",
    stage: "program",
    why,
    fix,
  });
}

/** Builds the arguments of BPF_PROG_LOAD. */
function programLoadArguments(state: LoadContext, parts: ProgramToLoad): ProgramLoad {
  const { linked, instructions, btfFd, target, structOps, descriptors } = parts;
  const { program } = linked;
  const attachBtfId = structOps?.typeId ?? target?.attachBtfId;
  const attachProgramFd = structOps?.moduleFd ?? target?.attachProgramFd;
  // The kernel refuses line info without func info.
  const withInfo = btfFd !== undefined && linked.funcInfo !== undefined;
  return {
    type: ProgramType[program.type],
    instructions,
    license: state.spec.license,
    name: program.name.slice(0, 15),
    expectedAttachType: expectedAttachType(state, program, structOps),
    flags: program.flags,
    kernelVersion: state.spec.kernelVersion !== 0 ? state.spec.kernelVersion : undefined,
    ifindex: program.ifindex,
    btfFd: withInfo ? btfFd : undefined,
    funcInfo: withInfo ? linked.funcInfo : undefined,
    lineInfo: withInfo ? linked.lineInfo : undefined,
    attachBtfId,
    attachProgramFd,
    fdArray: descriptors.length > 1 ? descriptors : undefined,
    tokenFd: state.tokenFd,
  };
}

/**
 * Returns the number of the expected attach type. Unlike libbpf's, it is never dropped because a feature probe
 * was refused.
 */
export function expectedAttachType(
  state: LoadContext,
  program: ProgramSpec,
  structOps: StructOpsTarget | undefined,
): number {
  if (structOps !== undefined) return structOps.member;
  if (program.expectedAttachType !== undefined) return AttachType[program.expectedAttachType];
  // USDT probes use one uprobe.multi link where the kernel has it (Linux 6.6).
  const many = program.attach.kind === "usdt" &&
    features(state.kernel).has("attach", "trace_uprobe_multi");
  return many ? AttachType.trace_uprobe_multi : 0;
}

/** A loaded program. */
export interface ProgramLoaded {
  /** The program's descriptor. */
  readonly descriptor: Descriptor;
  /** The verifier's log; empty when none was requested. */
  readonly log: string;
}

/**
 * Loads a program, without a log unless its spec's log level or `logLevel: "full"` requests one.
 *
 * A refused program is loaded a second time with a log, in a buffer that grows to the size that the kernel reports.
 *
 * @throws {VerifierError} when the verifier refuses it and wrote a log.
 * @throws {KernelError} when BPF_PROG_LOAD fails otherwise; a {@linkcode DelegationError} when a delegation is missing.
 */
export async function loadProgram(
  state: LoadContext,
  parts: ProgramToLoad,
  call: LoadCall,
): Promise<ProgramLoaded> {
  const level = parts.linked.program.logLevel ?? (state.logLevel === "full" ? 2 : 0);
  let attributes = programLoadArguments(state, parts);
  let answer = await grow(state, withLog(attributes, level), call);
  if (failed(answer.result, Errno.E2BIG) && hasLongRecords(attributes)) {
    attributes = trimRecords(attributes);
    answer = await grow(state, withLog(attributes, level), call);
  }
  const { result } = answer;
  if (result < 0 && level === 0 && state.logLevel !== "none") {
    answer = await grow(state, withLog(attributes, 1), call);
    // The end of the log is available; report the errno of the first load.
    if (failed(answer.result, Errno.ENOSPC)) answer = { ...answer, result };
  } else if (failed(result, Errno.ENOSPC) && level > 0) {
    // The log fits no buffer; without one the program may load.
    answer = await retryAgain(attributes, call);
  }
  if (answer.result < 0) throw refusal(state, parts, answer, attributes);
  return { descriptor: new Descriptor(state.kernel, answer.result), log: answer.log };
}

/** Loads, retrying with a larger log buffer while the kernel returns ENOSPC. */
async function grow(
  state: LoadContext,
  attributes: ProgramLoad,
  call: LoadCall,
): Promise<LoadResult> {
  let answer = await retryAgain(attributes, call);
  if ((attributes.logLevel ?? 0) === 0 || !state.wholeLog) return answer;
  let size: number | undefined = attributes.logSize ?? 0;
  while (failed(answer.result, Errno.ENOSPC)) {
    size = nextLogSize(size, answer.logTrueSize);
    if (size === undefined) break;
    answer = await retryAgain({ ...attributes, logSize: size }, call);
  }
  return answer;
}

/**
 * Loads, retrying on EAGAIN, which the verifier returns when its thread has a pending signal (`signal_pending()`
 * in do_check()). Retries run on the runtime's thread pool, whose threads a profiler's timer does not interrupt.
 */
async function retryAgain(attributes: ProgramLoad, call: LoadCall): Promise<LoadResult> {
  let answer = await call(attributes);
  for (let left = AGAIN - 1; left > 0 && failed(answer.result, Errno.EAGAIN); left--) {
    answer = await call({ ...attributes, onPool: true });
  }
  return answer;
}

function withLog(attributes: ProgramLoad, logLevel: number): ProgramLoad {
  return logLevel === 0 ? attributes : { ...attributes, logLevel, logSize: FIRST_LOG };
}

/**
 * Returns the buffer size in bytes to try after a log did not fit: `log_true_size` (Linux 6.4) if the kernel
 * reported one, else twice the size. Returns undefined past the kernel's limit.
 */
export function nextLogSize(size: number, trueSize: number): number | undefined {
  const wanted = trueSize > size ? trueSize : size * 2;
  return wanted > LARGEST_LOG ? undefined : wanted;
}

/** Returns whether func or line info has records longer than old kernels accept; they return E2BIG. */
function hasLongRecords({ funcInfo, lineInfo }: ProgramLoad): boolean {
  return (funcInfo?.recordSize ?? 0) > FUNC_INFO || (lineInfo?.recordSize ?? 0) > LINE_INFO;
}

/** Returns the arguments with records cut to the size that every kernel accepts. */
function trimRecords(attributes: ProgramLoad): ProgramLoad {
  const { funcInfo, lineInfo } = attributes;
  return {
    ...attributes,
    funcInfo: funcInfo && cutRecords(funcInfo, FUNC_INFO),
    lineInfo: lineInfo && cutRecords(lineInfo, LINE_INFO),
  };
}

interface Records {
  readonly recordSize: number;
  readonly records: Uint8Array;
}

function cutRecords({ recordSize, records }: Records, size: number): Records {
  if (recordSize <= size) return { recordSize, records };
  const count = Math.floor(records.length / recordSize);
  const cut = new Uint8Array(count * size);
  for (let i = 0; i < count; i++) {
    cut.set(records.subarray(i * recordSize, i * recordSize + size), i * size);
  }
  return { recordSize: size, records: cut };
}

function refusal(
  state: LoadContext,
  parts: ProgramToLoad,
  answer: LoadResult,
  attributes: ProgramLoad,
): SkepError {
  const { linked } = parts;
  const { program } = linked;
  const attachType = attributes.expectedAttachType ?? 0;
  const data = {
    section: program.section,
    type: program.type,
    expectedAttachType: program.expectedAttachType,
    instructions: parts.instructions.length / 8,
    logTrueSize: answer.logTrueSize,
  };
  const explained = state.refused({
    doing: "load program",
    subject: program.name,
    command: "BPF_PROG_LOAD",
    result: answer.result,
    stage: "program",
    data: answer.log === "" ? data : { ...data, log: answer.log },
  }, { kind: "program", program, attachType });
  // The log ends where the signal arrived, not at a faulty instruction.
  if (failed(answer.result, Errno.EAGAIN)) return interrupted(program, answer, data);
  // Without a log the kernel refused the command before verification.
  if (answer.log.trim() === "") return explained;
  const { fix } = explained;
  return new VerifierError({
    fix,
    program: program.name,
    result: answer.result,
    log: answer.log,
    sourceOf: (instruction) => sourceLine(linked, state.spec.btf, instruction),
    poison: parts.poison,
    data,
  });
}

function interrupted(
  program: ProgramSpec,
  answer: LoadResult,
  data: { readonly [key: string]: JsonValue | undefined },
): KernelError {
  return new KernelError({
    doing: "load program",
    subject: program.name,
    command: "BPF_PROG_LOAD",
    result: answer.result,
    stage: "program",
    why: `a signal interrupted the verifier in each of ${AGAIN} tries`,
    fix: "load it while no profiler or timer signals this process",
    data: { ...data, log: answer.log },
  });
}
