/**
 * Loads one program: arguments, retries, and the verifier's log when it is refused.
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

/** Room for the first log: libbpf's figure. Only what the kernel writes is ever backed by memory. */
const FIRST_LOG = (1 << 24) - 1;
/** The kernel accepts logs up to this. */
const LARGEST_LOG = 2 ** 30;
/** How often EAGAIN is tried again: libbpf's figure. */
const AGAIN = 5;
/** Bytes of `struct bpf_func_info` and `struct bpf_line_info` that every kernel knows. */
const FUNC_INFO = 8;
const LINE_INFO = 16;

/** All that a program's load takes beside its spec. */
export interface ProgramToLoad {
  /** The program and its code. */
  readonly linked: RelocatedProgram;
  /** The code with every reference resolved. */
  readonly instructions: Uint8Array<ArrayBuffer>;
  /** The object's BTF in the kernel. */
  readonly btfFd: number | undefined;
  /** What it attaches to. */
  readonly target: AttachTarget | undefined;
  /** The struct_ops member that it serves. */
  readonly structOps: StructOpsTarget | undefined;
  /** Descriptors that kfunc calls index; the first stands for vmlinux. */
  readonly descriptors: readonly number[];
  /** What a poisoned call in its code stands for. */
  readonly poison: PoisonReader;
}

/** How the load is called: on this thread, or off the event loop. */
export type LoadCall = (attributes: ProgramLoad) => LoadResult | Promise<LoadResult>;

/**
 * Refuses what libbpf refuses before it asks the kernel: a program without a type or code, and a struct_ops
 * program that no map names. Throws a {@linkcode SkepError} with EINVAL.
 */
export function checkProgram(program: ProgramSpec, structOps: StructOpsTarget | undefined): void {
  if (program.type === "unspec") {
    throw programError(
      program,
      `its section ${program.section} tells no program type`,
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

/** The arguments of BPF_PROG_LOAD for a program. */
function programLoadArguments(state: LoadContext, parts: ProgramToLoad): ProgramLoad {
  const { linked, instructions, btfFd, target, structOps, descriptors } = parts;
  const { program } = linked;
  const attachBtfId = structOps?.typeId ?? target?.attachBtfId;
  const attachProgramFd = structOps?.moduleFd ?? target?.attachProgramFd;
  // Line info without func info is refused by the kernel.
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

/** The number of the expected attach type: always sent, never dropped after a refused probe. */
export function expectedAttachType(
  state: LoadContext,
  program: ProgramSpec,
  structOps: StructOpsTarget | undefined,
): number {
  if (structOps !== undefined) return structOps.member;
  if (program.expectedAttachType !== undefined) return AttachType[program.expectedAttachType];
  // USDT probes are attached many at once where the kernel can (Linux 6.6).
  const many = program.attach.kind === "usdt" &&
    features(state.kernel).has("attach", "trace_uprobe_multi");
  return many ? AttachType.trace_uprobe_multi : 0;
}

/** A loaded program. */
export interface ProgramLoaded {
  /** Its descriptor. */
  readonly descriptor: Descriptor;
  /** The verifier's log, when it was asked for. */
  readonly log: string;
}

/**
 * Loads a program, first without a log.
 *
 * Refused, it is loaded a second time with one, in a buffer that grows to what the kernel says the log takes.
 * Throws a {@linkcode VerifierError}, or with a token the error that names the missing word.
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
    // The log's end is there, and why it was refused is known from before.
    if (failed(answer.result, Errno.ENOSPC)) answer = { ...answer, result };
  } else if (failed(result, Errno.ENOSPC) && level > 0) {
    // No buffer takes that log: without one the program may well load.
    answer = await retryAgain(attributes, call);
  }
  if (answer.result < 0) throw refusal(state, parts, answer, attributes);
  return { descriptor: new Descriptor(state.kernel, answer.result), log: answer.log };
}

/** Loads, with ever more room for the log while it does not fit. */
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
 * The verifier gives up with EAGAIN when a signal waits for its thread (`signal_pending()` in do_check()): the
 * next tries run on the runtime's pool, whose threads a profiler's timer does not interrupt.
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

/** The size to try after a log did not fit: what the kernel says, else twice as much; undefined at the end. */
export function nextLogSize(size: number, trueSize: number): number | undefined {
  const wanted = trueSize > size ? trueSize : size * 2;
  return wanted > LARGEST_LOG ? undefined : wanted;
}

/** Whether func or line info has records longer than the first kernels knew, which they refuse with E2BIG. */
function hasLongRecords({ funcInfo, lineInfo }: ProgramLoad): boolean {
  return (funcInfo?.recordSize ?? 0) > FUNC_INFO || (lineInfo?.recordSize ?? 0) > LINE_INFO;
}

/** The same load with records cut to what every kernel knows. */
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
  // The log ends at whatever instruction the signal came at: none of them is to blame.
  if (failed(answer.result, Errno.EAGAIN)) return interrupted(program, answer, data);
  // Without a log nothing was verified: the kernel refused the command itself.
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
    fix: "load it while no profiler or timer sends signals to this process",
    data: { ...data, log: answer.log },
  });
}
