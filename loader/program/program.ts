/**
 * Inspects, test-runs, attaches and pins a loaded program.
 *
 * @module
 */

import type { Btf } from "../../btf/btf.ts";
import type { BtfRecord } from "../../btf/codec/mod.ts";
import { disposedError } from "../../errors/disposed.ts";
import { check } from "../../errors/kernel_error.ts";
import { Errno, failed } from "../../uapi/errno.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import { linuxKernel } from "../../kernel/linux/linux.ts";
import type { ProgramSpec, RelocatedProgram } from "../../object/spec/spec.ts";
import { attachProgram } from "../attach/attach.ts";
import type { AttachOptions } from "../attach/attach.ts";
import type { Link } from "../attach/link.ts";
import { Descriptor } from "../../kernel/descriptor.ts";
import { decodeProgramInfo, type ProgramInfo } from "./info.ts";
import { pinDescriptor } from "../../kernel/pin.ts";
import { ContextCodec, type ContextFields } from "./run_context.ts";
import { BPF_F_TEST_RUN_ON_CPU, BPF_F_TEST_XDP_LIVE_FRAMES } from "../../uapi/bpf_flags.ts";
import { runType } from "./run_types.ts";

/** Bytes of output space for data that a program adds before and after the input. */
const HEADROOM = 512;
/** Bytes of output space for a context: the kernel's struct may be larger than the object's. */
const CONTEXT_ROOM = 512;

/** Options of {@linkcode Program.testRun}. */
export interface TestRunOptions {
  /** Packet or other input; XDP and tc programs require at least 14 bytes (an Ethernet header). */
  readonly data?: Uint8Array | undefined;
  /**
   * Context: bytes, or named fields of the struct that the program takes (`struct xdp_md`, `struct __sk_buff`),
   * where fields left out are zero; for raw tracepoints the arguments.
   */
  readonly context?: Uint8Array | ContextFields | readonly bigint[] | undefined;
  /** Size in bytes of the buffer for output data. @default {data.length + 512; 0 without data or with liveFrames} */
  readonly dataOutSize?: number | undefined;
  /** Size in bytes of the buffer for the output context. @default {512 if the type returns a given context, else 0} */
  readonly contextOutSize?: number | undefined;
  /** Number of runs. @default {1} */
  readonly repeat?: number | undefined;
  /** CPU to run on (raw tracepoints, BPF_F_TEST_RUN_ON_CPU). */
  readonly cpu?: number | undefined;
  /** Runs XDP on frames that are then really sent or received (BPF_F_TEST_XDP_LIVE_FRAMES, Linux 5.18). @default {false} */
  readonly liveFrames?: boolean | undefined;
  /** With `liveFrames`: frames per batch. @default {64, in the kernel} */
  readonly batchSize?: number | undefined;
}

/** Result of {@linkcode Program.testRun}. */
export interface TestRunOutcome {
  /** Return value of the program, unsigned. */
  readonly returnValue: number;
  /** Mean duration of a run in nanoseconds. */
  readonly duration: number;
  /** Data after the run. */
  readonly data: Uint8Array;
  /** Context after the run; empty for types that do not return it. */
  readonly context: Uint8Array;
  /** Context after the run as named fields, when it was given as fields and the type returns it. */
  readonly fields?: BtfRecord | undefined;
}

/** Run statistics of a program, counted while statistics were enabled. */
export interface ProgramStatistics {
  /** Number of runs. */
  readonly runCount: bigint;
  /** Total run time in nanoseconds. */
  readonly runTime: bigint;
  /** Number of runs skipped because the program was already running. */
  readonly recursionMisses: bigint;
}

/** Constructor arguments of {@linkcode Program}. */
export interface ProgramParts {
  /** The kernel that it was loaded into. */
  readonly kernel: Kernel;
  /** Descriptor, which the program takes over. */
  readonly descriptor: Descriptor;
  /** Spec of the program. */
  readonly spec: ProgramSpec;
  /** Relocated code, before descriptors are filled in. */
  readonly linked: RelocatedProgram;
  /** Number of the attach type that it was loaded with. */
  readonly expectedAttachType: number;
  /** Verifier log, if requested. */
  readonly log?: string | undefined;
  /** BTF of the object. */
  readonly btf?: Btf | undefined;
  /** Maps of its object. */
  readonly maps?: { find(name: string): { readonly fd: number } | undefined } | undefined;
}

/**
 * A loaded program.
 *
 * @example
 * ```ts ignore
 * import { BpfObject } from "@skep/skep";
 *
 * using object = await BpfObject.load("xdp_count.bpf.o");
 * const program = object.programs.get("count");
 * const { returnValue } = program.testRun({ data: new Uint8Array(64) });
 * console.log(program.info().tag, returnValue);
 * ```
 */
export class Program implements Disposable {
  /** Name of the function. */
  readonly name: string;
  /**
   * Spec of the program. Loaded with a token, its type and expected attach type may differ from the object's:
   * they are those of the form that a token can attach (see `BpfObject.attachDecisions`).
   */
  readonly spec: ProgramSpec;
  /** Relocated code before descriptors are filled in, with subprograms, line info and CO-RE decisions. */
  readonly linked: RelocatedProgram;

  /** Number of the attach type that it was loaded with. Differs from the spec's for USDT, where it depends on the kernel. */
  readonly expectedAttachType: number;
  /** Verifier log of its load; empty unless requested by `logLevel`. */
  readonly log: string;
  /** Maps of its object. */
  readonly maps?: { find(name: string): { readonly fd: number } | undefined } | undefined;

  readonly #kernel: Kernel;
  readonly #descriptor: Descriptor;
  readonly #btf: Btf | undefined;

  /**
   * Takes over the descriptor. Called by `BpfObject.load`.
   *
   * @internal
   */
  constructor(parts: ProgramParts) {
    this.name = parts.spec.name;
    this.spec = parts.spec;
    this.linked = parts.linked;
    this.expectedAttachType = parts.expectedAttachType;
    this.log = parts.log ?? "";
    if (parts.maps !== undefined) this.maps = parts.maps;
    this.#kernel = parts.kernel;
    this.#descriptor = parts.descriptor;
    this.#btf = parts.btf;
  }

  /** Descriptor; -1 once disposed. */
  get fd(): number {
    return this.#descriptor.fd;
  }

  /** The kernel that it was loaded into. */
  get kernel(): Kernel {
    return this.#kernel;
  }

  /** Number of instructions loaded, including subprograms. */
  get instructions(): number {
    return this.linked.instructions.length / 8;
  }

  /**
   * Reads `bpf_prog_info`, with the ids of its maps when `mapIds` is true.
   *
   * @throws {KernelError} when the kernel refuses.
   */
  info(options: { readonly mapIds?: boolean | undefined } = {}): ProgramInfo {
    const raw = this.#kernel.programInfo(this.#open("inspect program"), {
      mapIds: options.mapIds === true,
    });
    check(raw.result, {
      doing: "inspect program",
      subject: this.name,
      command: "BPF_OBJ_GET_INFO_BY_FD",
    });
    return decodeProgramInfo(raw);
  }

  /** Program tag: the kernel's hash of the instructions. Calls {@linkcode info}. */
  get tag(): string {
    return this.info().tag;
  }

  /** Run statistics, counted while they were enabled by `enableStatistics`. Calls {@linkcode info}. */
  get statistics(): ProgramStatistics {
    const { runCount, runTime, recursionMisses } = this.info();
    return { runCount, runTime, recursionMisses };
  }

  /**
   * Runs the program once (or `repeat` times) on given data with BPF_PROG_TEST_RUN, without attaching it.
   *
   * @throws {KernelError} ENOTSUPP or EOPNOTSUPP for program types that the kernel cannot test-run, EINVAL for
   * input that the type does not accept.
   * @throws {SkepError} EINVAL for a context by fields when the object has no BTF for the program.
   */
  testRun(options: TestRunOptions = {}): TestRunOutcome {
    const programFd = this.#open("run program");
    const { data, repeat, cpu, liveFrames, batchSize } = options;
    const { codec, bytes: context } = this.#context(options);
    const flags = (cpu === undefined ? 0 : BPF_F_TEST_RUN_ON_CPU) |
      (liveFrames === true ? BPF_F_TEST_XDP_LIVE_FRAMES : 0);
    // Live frames are not returned: the kernel refuses an output buffer for them.
    const dataOutSize = options.dataOutSize ??
      (data === undefined || liveFrames === true ? 0 : data.length + HEADROOM);
    const contextOutSize = options.contextOutSize ??
      (context === undefined || liveFrames === true || !runType(this.spec.type).returnsContext
        ? 0
        : CONTEXT_ROOM);
    const answer = this.#kernel.programTestRun({
      programFd,
      dataIn: data,
      contextIn: context,
      dataOutSize: dataOutSize > 0 ? dataOutSize : undefined,
      contextOutSize: contextOutSize > 0 ? contextOutSize : undefined,
      repeat,
      cpu,
      flags: flags !== 0 ? flags : undefined,
      batchSize,
    });
    check(answer.result, {
      doing: "run program",
      subject: this.name,
      command: "BPF_PROG_TEST_RUN",
      why: failed(answer.result, Errno.ENOTSUPP, Errno.EOPNOTSUPP)
        ? `the kernel does not support test runs of ${this.spec.type} programs`
        : undefined,
    });
    return {
      returnValue: answer.returnValue >>> 0,
      duration: answer.duration,
      data: answer.dataOut,
      context: answer.contextOut,
      fields: codec?.fits(answer.contextOut) ? codec.decode(answer.contextOut) : undefined,
    };
  }

  /** Returns the descriptor, or throws when the program is disposed. */
  #open(doing: string): number {
    if (this.#descriptor.closed) throw disposedError(doing, this.name);
    return this.#descriptor.fd;
  }

  #context(
    { context, data }: TestRunOptions,
  ): { codec?: ContextCodec | undefined; bytes?: Uint8Array | undefined } {
    if (context === undefined) return {};
    if (context instanceof Uint8Array) return { bytes: context };
    if (isArguments(context)) {
      const words = BigUint64Array.from(context, (word) => BigInt.asUintN(64, word));
      return { bytes: new Uint8Array(words.buffer) };
    }
    const { name, spec: { type } } = this;
    const codec = new ContextCodec({ name, type, btf: this.#btf });
    return { codec, bytes: codec.encode(context, data?.length ?? 0) };
  }

  /**
   * Attaches the program as its section or `options` specify, until the returned link is disposed.
   *
   * @throws {AttachError} when an option is not one of its kind, or the target is missing or does not exist.
   * @throws {KernelError} when the kernel refuses.
   * @throws {DelegationError} when it refuses because a privilege is missing.
   */
  attach(options: AttachOptions = {}): Link {
    this.#open("attach program");
    return attachProgram(this, options);
  }

  /**
   * Pins the program in a BPF file system: it stays loaded until the file is removed.
   *
   * @throws {KernelError} when the kernel refuses.
   */
  pin(path: string): void {
    const result = pinDescriptor(this.#kernel, this.#open("pin program"), path, this.name);
    const subject = `${this.name} at ${path}`;
    check(result, { doing: "pin program", subject, command: "BPF_OBJ_PIN" });
  }

  /** Closes the descriptor. An attached or pinned program stays loaded. */
  [Symbol.dispose](): void {
    this.#descriptor[Symbol.dispose]();
  }
}

function isArguments(context: ContextFields | readonly bigint[]): context is readonly bigint[] {
  return Array.isArray(context);
}

/**
 * Enables run statistics of all programs until the returned object is disposed. Requires CAP_SYS_ADMIN.
 * Minimum kernel: Linux 5.8 (BPF_ENABLE_STATS).
 *
 * @throws {KernelError} when the kernel refuses.
 *
 * @example
 * ```ts ignore
 * import { enableStatistics } from "@skep/skep";
 *
 * using _on = enableStatistics();
 * program.testRun({ data: new Uint8Array(64), repeat: 1000 });
 * console.log(program.statistics);
 * ```
 */
export function enableStatistics(
  options: { readonly kernel?: Kernel | undefined } = {},
): Disposable {
  const kernel = options.kernel ?? linuxKernel();
  const fd = check(kernel.enableStatistics(0), {
    doing: "turn on statistics of",
    subject: "programs",
    command: "BPF_ENABLE_STATS",
  });
  return new Descriptor(kernel, fd);
}
