/**
 * The interface to Linux: the system calls that skep makes, as typed commands.
 *
 * A command returns zero or more for success (often a file descriptor) and `-errno` for a refusal. None
 * throws for a refusal: the caller decides what it means. `LinuxKernel` makes the system calls;
 * `FakeKernel` and `ReplayKernel` make none.
 *
 * @module
 */

import type { Mapping } from "./mapping.ts";
import type { Poller } from "./poller.ts";
import type { Processes } from "./processes.ts";
import type { Result } from "./result.ts";

export type { Result } from "./result.ts";

/**
 * Attributes of BPF_MAP_CREATE. `flags` are those of `include/uapi/linux/bpf.h` without BPF_F_TOKEN_FD,
 * which `tokenFd` implies.
 */
export interface MapCreate {
  /** The map type. */
  readonly type: number;
  /** Size of a key in bytes. */
  readonly keySize: number;
  /** Size of a value in bytes. */
  readonly valueSize: number;
  /** Maximum number of elements. */
  readonly maxEntries: number;
  /** BPF_F_… flags. */
  readonly flags?: number | undefined;
  /** At most 15 characters of `[A-Za-z0-9_.]`. */
  readonly name?: string | undefined;
  /** A map that serves as template for inner maps. */
  readonly innerMapFd?: number | undefined;
  /** The NUMA node to allocate on; used with BPF_F_NUMA_NODE. */
  readonly numaNode?: number | undefined;
  /** The network device of an offloaded map. */
  readonly ifindex?: number | undefined;
  /** The BTF that defines the key and value types. */
  readonly btfFd?: number | undefined;
  /** Type id of the key. */
  readonly keyTypeId?: number | undefined;
  /** Type id of the value. */
  readonly valueTypeId?: number | undefined;
  /** Type id of a struct_ops value in the kernel's BTF. */
  readonly vmlinuxValueTypeId?: number | undefined;
  /** A parameter of some map types: number of hash functions of a bloom filter, address of an arena. */
  readonly mapExtra?: bigint | undefined;
  /** The BTF of the module that defines a struct_ops value. */
  readonly valueTypeBtfObjFd?: number | undefined;
  /** SHA-256 of the one program that may use the map (Linux 6.18). */
  readonly exclusiveProgramHash?: Uint8Array | undefined;
  /** A BPF token (Linux 6.9). */
  readonly tokenFd?: number | undefined;
}

/** Attributes of BPF_PROG_LOAD. */
export interface ProgramLoad {
  /**
   * Verifies the program on a thread of the runtime's pool even when it is small. A signal sent to this
   * thread can then not abort the verifier with EAGAIN.
   *
   * @default {false}
   */
  readonly onPool?: boolean | undefined;
  /** The program type. */
  readonly type: number;
  /** Instructions, eight bytes each, in the machine's byte order. */
  readonly instructions: Uint8Array;
  /** The license's text. */
  readonly license: string;
  /** At most 15 characters. */
  readonly name?: string | undefined;
  /** The expected attach type. */
  readonly expectedAttachType?: number | undefined;
  /** BPF_F_SLEEPABLE and others, without BPF_F_TOKEN_FD. */
  readonly flags?: number | undefined;
  /** LINUX_VERSION_CODE; required for kprobes before Linux 5.0. */
  readonly kernelVersion?: number | undefined;
  /** The network device of an offloaded or device-bound program. */
  readonly ifindex?: number | undefined;
  /** The BTF that func_info and line_info refer to. */
  readonly btfFd?: number | undefined;
  /** The func_info records, concatenated. */
  readonly funcInfo?: { readonly recordSize: number; readonly records: Uint8Array } | undefined;
  /** The line_info records, concatenated. */
  readonly lineInfo?: { readonly recordSize: number; readonly records: Uint8Array } | undefined;
  /** Type id of the attach target in its BTF. */
  readonly attachBtfId?: number | undefined;
  /**
   * The target program (freplace, fentry on a BPF program) or the BTF of the target's module; one field in
   * `bpf_attr`.
   */
  readonly attachProgramFd?: number | undefined;
  /** The descriptors that `BPF_PSEUDO_MAP_IDX` and kfunc calls into modules index. */
  readonly fdArray?: readonly number[] | undefined;
  /**
   * `fd_array_cnt`: when set, the kernel binds every map and BTF of `fdArray` to the program (Linux 6.14).
   */
  readonly fdArrayCount?: number | undefined;
  /**
   * A bit mask: 1 branches, 2 instructions, 4 statistics. 0 disables the log.
   *
   * @default {0}
   */
  readonly logLevel?: number | undefined;
  /**
   * Size of the log buffer in bytes, used when `logLevel` is not 0.
   *
   * @default {65536}
   */
  readonly logSize?: number | undefined;
  /** A BPF token (Linux 6.9). */
  readonly tokenFd?: number | undefined;
}

/** The result of a load that can have a verifier log. */
export interface LoadResult {
  /** A descriptor or `-errno`. */
  readonly result: Result;
  /** The log, truncated to the buffer; empty without `logLevel`. */
  readonly log: string;
  /** Size of the whole log in bytes (Linux 6.4); 0 on older kernels. */
  readonly logTrueSize: number;
}

/** Attributes of BPF_BTF_LOAD. */
export interface BtfLoad {
  /** The raw BTF. */
  readonly bytes: Uint8Array;
  /** As in {@linkcode ProgramLoad.logLevel}. */
  readonly logLevel?: number | undefined;
  /**
   * Size of the log buffer in bytes.
   *
   * @default {65536}
   */
  readonly logSize?: number | undefined;
  /** A BPF token (Linux 6.9). */
  readonly tokenFd?: number | undefined;
}

/** The position among the programs of a hook with mprog: at most one of before, after and replace. */
export interface Anchor {
  /** BPF_F_BEFORE, BPF_F_AFTER, BPF_F_REPLACE, BPF_F_LINK, BPF_F_ID … */
  readonly flags: number;
  /** A descriptor, or an id with BPF_F_ID. */
  readonly relative?: number | undefined;
  /** The revision that the hook must have; ESTALE otherwise. */
  readonly expectedRevision?: bigint | undefined;
}

/** Attributes of BPF_LINK_CREATE: the common fields, and those of one kind of link. */
export interface LinkCreate {
  /** The program; for struct_ops, the map. */
  readonly programFd: number;
  /** The descriptor of a cgroup, netns, perf event …, an interface index, or 0. */
  readonly target: number;
  /** The attach type. */
  readonly attachType: number;
  /** Flags of the command. */
  readonly flags?: number | undefined;
  /** The fields of one kind of link. */
  readonly extra?:
    | { readonly kind: "iter"; readonly info: Uint8Array }
    | { readonly kind: "perf"; readonly cookie: bigint }
    | {
      readonly kind: "kprobe-multi";
      readonly flags: number;
      readonly symbols?: readonly string[] | undefined;
      readonly addresses?: readonly bigint[] | undefined;
      readonly cookies?: readonly bigint[] | undefined;
    }
    | {
      readonly kind: "uprobe-multi";
      readonly flags: number;
      readonly path: string;
      readonly offsets: readonly bigint[];
      readonly referenceCounterOffsets?: readonly bigint[] | undefined;
      readonly cookies?: readonly bigint[] | undefined;
      readonly pid?: number | undefined;
    }
    | {
      readonly kind: "tracing";
      readonly targetBtfId: number;
      readonly cookie?: bigint | undefined;
    }
    | {
      readonly kind: "netfilter";
      readonly protocolFamily: number;
      readonly hook: number;
      readonly priority: number;
      readonly flags: number;
    }
    | { readonly kind: "anchor"; readonly anchor: Anchor }
    | undefined;
}

/** Attributes of BPF_PROG_ATTACH and BPF_PROG_DETACH. */
export interface ProgramAttach {
  /** The descriptor of a cgroup, netns, sockmap …, or an interface index. */
  readonly target: number;
  /** The program. */
  readonly programFd: number;
  /** The attach type. */
  readonly attachType: number;
  /** BPF_F_ALLOW_MULTI … flags. */
  readonly flags?: number | undefined;
  /** The program that BPF_F_REPLACE replaces. */
  readonly replaceProgramFd?: number | undefined;
  /** The position among other programs (mprog). */
  readonly anchor?: Anchor | undefined;
}

/** The result of BPF_PROG_QUERY. */
export interface ProgramQuery {
  /** 0 or `-errno`. */
  readonly result: Result;
  /** Ids of the attached programs. */
  readonly programIds: readonly number[];
  /** Ids of their links; 0 for programs attached without a link. */
  readonly linkIds: readonly number[];
  /** The hook's attach_flags. */
  readonly attachFlags: number;
  /** The hook's revision (mprog); 0 for hooks without one. */
  readonly revision: bigint;
}

/** Attributes of BPF_PROG_TEST_RUN. */
export interface TestRun {
  /** The program. */
  readonly programFd: number;
  /** The packet or other input data. */
  readonly dataIn?: Uint8Array | undefined;
  /** Size of the buffer for the output data, in bytes. */
  readonly dataOutSize?: number | undefined;
  /** The context struct (`struct __sk_buff`, `struct xdp_md` …). */
  readonly contextIn?: Uint8Array | undefined;
  /** Size of the buffer for the context after the run, in bytes. */
  readonly contextOutSize?: number | undefined;
  /** Number of runs; 0 means one. */
  readonly repeat?: number | undefined;
  /** BPF_F_TEST_… flags. */
  readonly flags?: number | undefined;
  /** The CPU to run on; used with BPF_F_TEST_RUN_ON_CPU. */
  readonly cpu?: number | undefined;
  /** Frames per batch; used with BPF_F_TEST_XDP_LIVE_FRAMES. */
  readonly batchSize?: number | undefined;
}

/** The result of BPF_PROG_TEST_RUN. */
export interface TestRunResult {
  /** 0 or `-errno`. */
  readonly result: Result;
  /** The program's return value (u32). */
  readonly returnValue: number;
  /** Mean duration of one run in nanoseconds. */
  readonly duration: number;
  /** The data after the run. */
  readonly dataOut: Uint8Array;
  /** The context after the run. */
  readonly contextOut: Uint8Array;
}

/** Buffers for the key and value of one element, with the commands on them. A call allocates nothing. */
export interface MapElements extends Disposable {
  /** The key; write it before a command. Its length is the map's key size. */
  readonly key: Uint8Array<ArrayBuffer>;
  /** The value; read it after a lookup, write it before an update. */
  readonly value: Uint8Array<ArrayBuffer>;
  /** The key that {@linkcode next} returned. */
  readonly nextKey: Uint8Array<ArrayBuffer>;
  /** BPF_MAP_LOOKUP_ELEM: reads the value of `key` into `value`. */
  lookup(flags?: number): Result;
  /** BPF_MAP_LOOKUP_AND_DELETE_ELEM. */
  lookupAndDelete(flags?: number): Result;
  /** BPF_MAP_UPDATE_ELEM. */
  update(flags?: number): Result;
  /** BPF_MAP_DELETE_ELEM. */
  delete(): Result;
  /** BPF_MAP_GET_NEXT_KEY: reads the key after `key`, or the first one, into `nextKey`. */
  next(first: boolean): Result;
}

/** Buffers for a batch of elements, with the batch commands on them. */
export interface MapBatch extends Disposable {
  /** Number of elements that the buffers hold. */
  readonly capacity: number;
  /** The keys, concatenated. */
  readonly keys: Uint8Array<ArrayBuffer>;
  /** The values, concatenated. */
  readonly values: Uint8Array<ArrayBuffer>;
  /** Number of elements that the last command processed. */
  readonly count: number;
  /** Makes the next {@linkcode lookup} start at the beginning of the map. */
  rewind(): void;
  /**
   * Copies the cursor of another batch of the same map: the next {@linkcode lookup} continues from there.
   */
  resume(from: MapBatch): void;
  /** BPF_MAP_LOOKUP_BATCH from the cursor; -ENOENT, with a count, at the end of the map. */
  lookup(flags?: number): Result;
  /** BPF_MAP_LOOKUP_AND_DELETE_BATCH. */
  lookupAndDelete(flags?: number): Result;
  /** BPF_MAP_UPDATE_BATCH of the first `count` elements. */
  update(count: number, flags?: number): Result;
  /** BPF_MAP_DELETE_BATCH of the first `count` keys. */
  delete(count: number, flags?: number): Result;
}

/** The kinds of objects that have ids. */
export type ObjectKind = "program" | "map" | "link" | "btf";

/** A result with bytes. */
export interface BytesResult {
  /** 0 or `-errno`. */
  readonly result: Result;
  /** The bytes read, as a copy; empty after a refusal. */
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** The commands of bpf(2), one method per command. */
export interface BpfCommands {
  /** BPF_MAP_CREATE. */
  mapCreate(attributes: MapCreate): Result;
  /**
   * Allocates the buffers of one element. Sizes in bytes as the system call copies them (per-CPU values:
   * all CPUs).
   */
  mapElements(mapFd: number, keySize: number, valueSize: number): MapElements;
  /** Allocates the buffers of a batch of `capacity` elements. */
  mapBatch(mapFd: number, keySize: number, valueSize: number, capacity: number): MapBatch;
  /** BPF_MAP_FREEZE: forbids later writes through bpf(2). */
  mapFreeze(mapFd: number): Result;
  /** BPF_PROG_LOAD off the event loop; the verifier can take seconds. */
  programLoad(attributes: ProgramLoad): Promise<LoadResult>;
  /** BPF_PROG_LOAD on this thread, for small programs and probes. */
  programLoadSync(attributes: ProgramLoad): LoadResult;
  /** BPF_BTF_LOAD. */
  btfLoad(attributes: BtfLoad): LoadResult;
  /** BPF_*_GET_FD_BY_ID; the kernel takes a token for `"btf"` only (Linux 6.15). */
  getFdById(kind: ObjectKind, id: number, tokenFd?: number): Result;
  /** BPF_*_GET_NEXT_ID: returns the next id, or -ENOENT at the end. */
  getNextId(kind: ObjectKind, id: number): Result;
  /**
   * BPF_OBJ_GET_INFO_BY_FD into `size` bytes; for a program's arrays use {@linkcode programInfo}. With
   * `text`, the pointer and length fields at those offsets are set to a buffer for a name, which is
   * returned as `text`.
   */
  objectInfo(
    fd: number,
    size: number,
    text?: { readonly pointer: number; readonly length: number },
  ): BytesResult & { readonly text?: string | undefined };
  /** BPF_OBJ_GET_INFO_BY_FD of a BTF: returns its id, name and raw bytes. */
  btfInfo(
    btfFd: number,
  ): {
    readonly result: Result;
    readonly id: number;
    readonly name: string;
    readonly kernel: boolean;
    readonly bytes: Uint8Array<ArrayBuffer>;
  };
  /**
   * BPF_OBJ_GET_INFO_BY_FD of a program, with the selected arrays (map ids, xlated instructions, func and
   * line info).
   */
  programInfo(
    programFd: number,
    arrays?: {
      readonly mapIds?: boolean | undefined;
      readonly xlated?: boolean | undefined;
      readonly jited?: boolean | undefined;
      readonly funcInfo?: boolean | undefined;
      readonly lineInfo?: boolean | undefined;
      readonly jitedKsyms?: boolean | undefined;
    },
  ): ProgramInfoResult;
  /**
   * Calls bpf(2) with this command and attributes larger than any kernel accepts. Changes nothing: -E2BIG
   * when the call reaches the kernel; another errno comes from a filter in front of it, such as seccomp.
   */
  probeCommand(command: number): Result;
  /** BPF_OBJ_PIN. */
  objectPin(fd: number, path: string, directoryFd?: number): Result;
  /** BPF_OBJ_GET. */
  objectGet(path: string, flags?: number, directoryFd?: number): Result;
  /** BPF_LINK_CREATE. */
  linkCreate(attributes: LinkCreate): Result;
  /** BPF_LINK_UPDATE. `newFd` is a program or a struct_ops map; `oldFd` implies BPF_F_REPLACE. */
  linkUpdate(linkFd: number, newFd: number, oldFd?: number): Result;
  /** BPF_LINK_DETACH. */
  linkDetach(linkFd: number): Result;
  /** BPF_RAW_TRACEPOINT_OPEN; tp_btf, fentry and LSM programs take no name. */
  rawTracepointOpen(programFd: number, name?: string, cookie?: bigint): Result;
  /** BPF_PROG_ATTACH. */
  programAttach(attributes: ProgramAttach): Result;
  /** BPF_PROG_DETACH. */
  programDetach(attributes: ProgramAttach): Result;
  /** BPF_PROG_QUERY. */
  programQuery(target: number, attachType: number, flags?: number): ProgramQuery;
  /** BPF_PROG_TEST_RUN. */
  programTestRun(attributes: TestRun): TestRunResult;
  /** BPF_PROG_BIND_MAP. */
  programBindMap(programFd: number, mapFd: number): Result;
  /** BPF_PROG_STREAM_READ_BY_FD (Linux 6.17): stream 1 is stdout, 2 is stderr. */
  programStreamRead(programFd: number, stream: number, size: number): BytesResult;
  /** BPF_ITER_CREATE. */
  iteratorCreate(linkFd: number): Result;
  /** BPF_ENABLE_STATS: type 0 is run time; statistics stay enabled until the descriptor is closed. */
  enableStatistics(type: number): Result;
  /** BPF_TOKEN_CREATE (Linux 6.9). */
  tokenCreate(bpffsFd: number): Result;
}

/** `struct bpf_prog_info` and the selected arrays. */
export interface ProgramInfoResult {
  /** 0 or `-errno`. */
  readonly result: Result;
  /** The struct as the kernel wrote it. */
  readonly info: Uint8Array<ArrayBuffer>;
  /** Ids of the maps that the program uses, when selected. */
  readonly mapIds: readonly number[];
  /** The translated instructions, when selected and permitted. */
  readonly xlated: Uint8Array<ArrayBuffer>;
  /** The JITed machine code, when selected and permitted. */
  readonly jited: Uint8Array<ArrayBuffer>;
  /** func_info records. */
  readonly funcInfo: Uint8Array<ArrayBuffer>;
  /** line_info records. */
  readonly lineInfo: Uint8Array<ArrayBuffer>;
  /** Addresses of the subprograms' JITed code; empty when the kernel hides them (kptr_restrict). */
  readonly jitedKsyms: readonly bigint[];
}

/**
 * Files and descriptors through libc: Deno's file functions refuse /sys and /proc unless all permissions
 * are granted.
 */
export interface Files {
  /** open(2) with O_CLOEXEC, relative to `directoryFd` when given. */
  open(path: string, flags?: number, directoryFd?: number): Result;
  /** close(2). */
  close(fd: number): Result;
  /**
   * Gives up ownership of a descriptor: another owner closes it, and neither the leak check nor the end of this
   * isolate considers it.
   */
  handOver(fd: number): void;
  /** Takes ownership of a descriptor that was opened elsewhere; the leak check reports it as `kind`. */
  takeOver(fd: number, kind: string): void;
  /** fcntl(F_DUPFD_CLOEXEC). */
  dup(fd: number): Result;
  /** read(2) of at most `size` bytes. */
  read(fd: number, size: number): BytesResult;
  /** write(2). */
  write(fd: number, bytes: Uint8Array): Result;
  /** Reads a whole file, at most `limit` bytes (256 MiB when omitted). */
  readFile(path: string, limit?: number): BytesResult;
  /** Returns the names in a directory without `.` and `..`; undefined when it cannot be read. */
  readDirectory(path: string): readonly string[] | undefined;
  /** readlink(2); undefined when it fails. */
  readLink(path: string): string | undefined;
  /** stat(2) or fstat(2), with the fields that skep uses. */
  stat(
    pathOrFd: string | number,
  ): {
    readonly result: Result;
    readonly device: bigint;
    readonly inode: bigint;
    readonly mode: number;
    readonly uid: number;
  };
  /** statfs(2)'s f_type, or `-errno`; bpffs has 0xcafe4a11. */
  filesystemType(pathOrFd: string | number): number;
  /** mkdir(2). */
  makeDirectory(path: string, mode?: number): Result;
  /** unlink(2) or rmdir(2). */
  unlink(path: string): Result;
  /**
   * Maps memory of a descriptor. Read-only mappings and mappings of regular files are copies in private
   * memory, unless `inPlace` is set: a write to them is harmless, and truncating the file does not raise
   * SIGBUS. Returns -EINVAL for pages past the end of a file.
   */
  map(
    fd: number,
    size: number,
    options?: {
      /**
       * Makes writes reach the kernel's memory. Refused for regular files.
       *
       * @default {false}
       */
      readonly writable?: boolean | undefined;
      /**
       * Offset in bytes, a multiple of the page size.
       *
       * @default {0}
       */
      readonly offset?: number | undefined;
      /**
       * Maps with MAP_PRIVATE, which some files require.
       *
       * @default {false}
       */
      readonly private?: boolean | undefined;
      /**
       * Maps the kernel's own pages although they are read-only and a write would raise SIGSEGV; such a
       * mapping exposes no views outside this package.
       *
       * @default {false}
       */
      readonly inPlace?: boolean | undefined;
      /** The required address (arenas); -EEXIST when it is occupied. */
      readonly address?: bigint | undefined;
    },
  ): Mapping | Result;
  /** ioctl(2) with a number argument. */
  ioctl(fd: number, request: number, argument?: number): Result;
}

/** Parameters of perf_event_open(2), as far as skep uses them. */
export interface PerfEvent {
  /** The event's type: PERF_TYPE_…, or the number of a PMU. */
  readonly type: number;
  /** The event: PERF_COUNT_…, or the id of a tracepoint. */
  readonly config: bigint;
  /** config1: the function of a kprobe, or the file of a uprobe. */
  readonly name?: string | undefined;
  /** config2: the offset or address of a kprobe or uprobe. */
  readonly offset?: bigint | undefined;
  /** sample_period, or sample_freq with `frequency`. */
  readonly samplePeriod?: bigint | undefined;
  /** Whether `samplePeriod` is a frequency in Hz. */
  readonly frequency?: boolean | undefined;
  /** PERF_SAMPLE_… */
  readonly sampleType?: bigint | undefined;
  /** wakeup_events, or wakeup_watermark with `watermark`. */
  readonly wakeup?: number | undefined;
  /** Whether `wakeup` is in bytes. */
  readonly watermark?: boolean | undefined;
  /** exclude_kernel. */
  readonly excludeKernel?: boolean | undefined;
  /** -1 for any process, 0 for this one. */
  readonly pid: number;
  /** -1 for any CPU. */
  readonly cpu: number;
}

/** Facts of the running machine. */
export interface MachineFacts {
  /** The architecture, `"x86_64"` or `"aarch64"` (`uname -m`). */
  readonly machine: string;
  /** The kernel release (`uname -r`). */
  readonly release: string;
  /** The kernel version (`uname -v`). */
  readonly version: string;
  /** Size of a page in bytes. */
  readonly pageSize: number;
  /** Number of possible CPUs: the highest possible CPU plus one. */
  readonly possibleCpus: number;
  /** The CPUs that are online. */
  readonly onlineCpus: readonly number[];
}

/** Every operation that skep performs on Linux. */
export interface Kernel extends BpfCommands, Files {
  /** Facts that do not change while the process runs. */
  readonly machine: MachineFacts;
  /** Waits for descriptors without blocking the event loop, with one epoll and one eventfd per kernel. */
  readonly poller: Poller;
  /** Children, user namespaces, mounts and sockets of the same machine. */
  readonly processes: Processes;
  /** perf_event_open(2), PERF_FLAG_FD_CLOEXEC. */
  perfEventOpen(event: PerfEvent): Result;
  /** if_nametoindex(3). */
  interfaceIndex(name: string): Result;
  /** Sends one netlink request, NETLINK_ROUTE by default, and returns the answers. */
  netlink(
    message: Uint8Array,
    protocol?: number,
  ): { readonly result: Result; readonly answers: readonly Uint8Array<ArrayBuffer>[] };
  /** setsockopt(SOL_SOCKET, name, int). */
  setSocketOption(fd: number, option: number, value: number): Result;
  /** Makes a system call by number, for calls that pass no memory. */
  call(number: number, ...words: readonly (number | bigint)[]): Result;
}
