/**
 * A loaded program: inspect, run, attach, pin.
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

/** Room for what a program puts before and behind the data. */
const HEADROOM = 512;
/** Room for a context: the kernel's struct may be longer than the one that the object knows. */
const CONTEXT_ROOM = 512;

/** How a program is run for a test. */
export interface TestRunOptions {
  /** The packet or other input; XDP and tc need at least 14 bytes. */
  readonly data?: Uint8Array | undefined;
  /**
   * The context: bytes, or fields of the struct that the program takes by name (`struct xdp_md`,
   * `struct __sk_buff`), of which those left out are zero; for raw tracepoints the arguments.
   */
  readonly context?: Uint8Array | ContextFields | readonly bigint[] | undefined;
  /** Bytes of room for the data that comes back; default is the input's length and 512. */
  readonly dataOutSize?: number | undefined;
  /** Bytes of room for the context that comes back; default suits the type. */
  readonly contextOutSize?: number | undefined;
  /** How often; default 1. */
  readonly repeat?: number | undefined;
  /** On which CPU (raw tracepoints). */
  readonly cpu?: number | undefined;
  /** Sends XDP frames through the real network path (Linux 5.18). */
  readonly liveFrames?: boolean | undefined;
  /** With `liveFrames`: how many at once. */
  readonly batchSize?: number | undefined;
}

/** What a test run gave. */
export interface TestRunOutcome {
  /** What the program returned, unsigned. */
  readonly returnValue: number;
  /** Mean nanoseconds of one run. */
  readonly duration: number;
  /** What the program left of the data. */
  readonly data: Uint8Array;
  /** What the program left of the context. */
  readonly context: Uint8Array;
  /** The same by name, when it was given so and comes back. */
  readonly fields?: BtfRecord | undefined;
}

/** How often and how long a program ran, while statistics were on. */
export interface ProgramStatistics {
  /** Runs. */
  readonly runCount: bigint;
  /** Nanoseconds of all runs. */
  readonly runTime: bigint;
  /** Runs that were left out because the program was running already. */
  readonly recursionMisses: bigint;
}

/** What a live program is made from. */
export interface ProgramParts {
  /** The kernel. */
  readonly kernel: Kernel;
  /** Its descriptor, which the program will own. */
  readonly descriptor: Descriptor;
  /** Its spec. */
  readonly spec: ProgramSpec;
  /** Its code as it was loaded, before descriptors were put in. */
  readonly linked: RelocatedProgram;
  /** The number of the attach type that it was loaded for. */
  readonly expectedAttachType: number;
  /** The verifier's log, when it was asked for. */
  readonly log?: string | undefined;
  /** The object's BTF. */
  readonly btf?: Btf | undefined;
  /** The maps of its object. */
  readonly maps?: { find(name: string): { readonly fd: number } | undefined } | undefined;
}

/**
 * A program in the kernel.
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
  /** The function's name. */
  readonly name: string;
  /**
   * What the object says of it; loaded with a token, its type and expected attach type are those of the form
   * that a token can attach (see `BpfObject.attachDecisions`).
   */
  readonly spec: ProgramSpec;
  /** Its code as it was loaded, before descriptors were put in: subprograms, line info, CO-RE decisions. */
  readonly linked: RelocatedProgram;

  /** The number of the attach type that it was loaded for; the spec's, but for what this kernel decides (USDT). */
  readonly expectedAttachType: number;
  /** The verifier's log of its load; empty unless `logLevel` asked for it. */
  readonly log: string;
  /** The maps of its object. */
  readonly maps?: { find(name: string): { readonly fd: number } | undefined } | undefined;

  readonly #kernel: Kernel;
  readonly #descriptor: Descriptor;
  readonly #btf: Btf | undefined;

  /**
   * Takes over the parts' descriptor. Made by `BpfObject.load`.
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

  /** The descriptor; -1 once disposed. */
  get fd(): number {
    return this.#descriptor.fd;
  }

  /** The kernel that it is in. */
  get kernel(): Kernel {
    return this.#kernel;
  }

  /** How many instructions were handed to the kernel, subprograms included. */
  get instructions(): number {
    return this.linked.instructions.length / 8;
  }

  /** What the kernel says about it, with the ids of its maps when `mapIds` is set. */
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

  /** The hash of its instructions, as the kernel shows it. */
  get tag(): string {
    return this.info().tag;
  }

  /** How often and how long it ran, while statistics were on (see `enableStatistics`). */
  get statistics(): ProgramStatistics {
    const { runCount, runTime, recursionMisses } = this.info();
    return { runCount, runTime, recursionMisses };
  }

  /**
   * Runs it once (or `repeat` times) on given data, without attaching it.
   *
   * Throws a `KernelError`: ENOTSUPP or EOPNOTSUPP for program types that the kernel cannot run so, EINVAL
   * for input that does not suit the type.
   */
  testRun(options: TestRunOptions = {}): TestRunOutcome {
    const programFd = this.#open("run program");
    const { data, repeat, cpu, liveFrames, batchSize } = options;
    const { codec, bytes: context } = this.#context(options);
    const flags = (cpu === undefined ? 0 : BPF_F_TEST_RUN_ON_CPU) |
      (liveFrames === true ? BPF_F_TEST_XDP_LIVE_FRAMES : 0);
    // Live frames go away, and the kernel then wants no room for data.
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
        ? `the kernel cannot run ${this.spec.type} programs this way`
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

  /** The descriptor, or an error that says that the program was disposed of. */
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
   * Attaches it where its section or `options` say, and gives the link: attached until that is disposed of.
   *
   * @throws AttachError for an option that programs of its kind do not read.
   */
  attach(options: AttachOptions = {}): Link {
    this.#open("attach program");
    return attachProgram(this, options);
  }

  /** Pins it in a BPF file system: it outlives this process until the file is removed. */
  pin(path: string): void {
    const result = pinDescriptor(this.#kernel, this.#open("pin program"), path, this.name);
    const subject = `${this.name} at ${path}`;
    check(result, { doing: "pin program", subject, command: "BPF_OBJ_PIN" });
  }

  /** Closes it. What is attached or pinned lives on in the kernel. */
  [Symbol.dispose](): void {
    this.#descriptor[Symbol.dispose]();
  }
}

function isArguments(context: ContextFields | readonly bigint[]): context is readonly bigint[] {
  return Array.isArray(context);
}

/**
 * Turns run statistics of all programs on (Linux 5.8) until what it gives is disposed of. Needs
 * CAP_SYS_ADMIN.
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
