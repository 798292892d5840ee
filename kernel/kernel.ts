/**
 * The one seam to Linux: what skep asks of a kernel, as typed commands.
 *
 * Each command that can be refused answers with a number: zero or more for success (often a file
 * descriptor), less than zero for `-errno`. None throws for a refusal, so that a caller decides what
 * a refusal means, and a fake can answer anything. `LinuxKernel` speaks to Linux, `FakeKernel` and
 * `ReplayKernel` to nobody.
 *
 * @module
 */

import type { Mapping } from "./mapping.ts";
import type { Poller } from "./poller.ts";
import type { Processes } from "./processes.ts";
import type { Result } from "./result.ts";

export type { Result } from "./result.ts";

/** BPF_MAP_CREATE. Sizes in bytes; flags as in `enum` of `include/uapi/linux/bpf.h` without BPF_F_TOKEN_FD, which `tokenFd` implies. */
export interface MapCreate {
  /** The number of the map type. */
  readonly type: number;
  /** Bytes of a key. */
  readonly keySize: number;
  /** Bytes of a value. */
  readonly valueSize: number;
  /** Most elements it can hold. */
  readonly maxEntries: number;
  /** BPF_F_… */
  readonly flags?: number | undefined;
  /** At most 15 characters of `[A-Za-z0-9_.]`. */
  readonly name?: string | undefined;
  /** A map as the template of inner maps. */
  readonly innerMapFd?: number | undefined;
  /** With BPF_F_NUMA_NODE. */
  readonly numaNode?: number | undefined;
  /** Network device of an offloaded map. */
  readonly ifindex?: number | undefined;
  /** The BTF that key and value types are in. */
  readonly btfFd?: number | undefined;
  /** Type id of the key. */
  readonly keyTypeId?: number | undefined;
  /** Type id of the value. */
  readonly valueTypeId?: number | undefined;
  /** Type id of a struct_ops value in the kernel's BTF. */
  readonly vmlinuxValueTypeId?: number | undefined;
  /** Per-type extra: bloom hash count, arena address. */
  readonly mapExtra?: bigint | undefined;
  /** The module BTF of a struct_ops value. */
  readonly valueTypeBtfObjFd?: number | undefined;
  /** SHA-256 of the one program that may use the map (Linux 6.18). */
  readonly exclusiveProgramHash?: Uint8Array | undefined;
  /** A BPF token (Linux 6.9). */
  readonly tokenFd?: number | undefined;
}

/** BPF_PROG_LOAD. */
export interface ProgramLoad {
  /**
   * Whether it is verified on a thread of the runtime's pool, however small it is: there no signal that is sent to
   * this thread makes the verifier give up (EAGAIN).
   */
  readonly onPool?: boolean | undefined;
  /** The number of the program type. */
  readonly type: number;
  /** Instructions, eight bytes each, in the machine's byte order. */
  readonly instructions: Uint8Array;
  /** The license's text. */
  readonly license: string;
  /** At most 15 characters. */
  readonly name?: string | undefined;
  /** The number of the attach type. */
  readonly expectedAttachType?: number | undefined;
  /** BPF_F_SLEEPABLE and others, without BPF_F_TOKEN_FD. */
  readonly flags?: number | undefined;
  /** LINUX_VERSION_CODE for kernels before 5.0. */
  readonly kernelVersion?: number | undefined;
  /** Network device of an offloaded or device-bound program. */
  readonly ifindex?: number | undefined;
  /** The BTF of func_info and line_info. */
  readonly btfFd?: number | undefined;
  /** Records of func_info, one after the other. */
  readonly funcInfo?: { readonly recordSize: number; readonly records: Uint8Array } | undefined;
  /** Records of line_info, one after the other. */
  readonly lineInfo?: { readonly recordSize: number; readonly records: Uint8Array } | undefined;
  /** The type in the attach target's BTF. */
  readonly attachBtfId?: number | undefined;
  /** The target program (freplace, fentry on BPF), or the module BTF of the target: one field in the kernel. */
  readonly attachProgramFd?: number | undefined;
  /** Descriptor array that `BPF_PSEUDO_MAP_IDX` and kfunc calls into modules index. */
  readonly fdArray?: readonly number[] | undefined;
  /** `fd_array_cnt`: when given, the kernel binds every map and BTF of fdArray (Linux 6.14). */
  readonly fdArrayCount?: number | undefined;
  /** 0 none, 1 branches, 2 instructions, 4 statistics. */
  readonly logLevel?: number | undefined;
  /** Bytes for the log; default 64 KiB when logLevel is not 0. */
  readonly logSize?: number | undefined;
  /** A BPF token (Linux 6.9). */
  readonly tokenFd?: number | undefined;
}

/** What a load that has a verifier log answers. */
export interface LoadResult {
  /** A descriptor or `-errno`. */
  readonly result: Result;
  /** The log, as much of it as fit; empty without logLevel. */
  readonly log: string;
  /** Bytes the whole log takes (Linux 6.4), 0 where the kernel does not say. */
  readonly logTrueSize: number;
}

/** BPF_BTF_LOAD. */
export interface BtfLoad {
  /** The blob. */
  readonly bytes: Uint8Array;
  /** As for programs. */
  readonly logLevel?: number | undefined;
  /** Bytes for the log. */
  readonly logSize?: number | undefined;
  /** A BPF token (Linux 6.9). */
  readonly tokenFd?: number | undefined;
}

/** How a place among programs of one hook is named (mprog): at most one of before/after/replace. */
export interface Anchor {
  /** BPF_F_BEFORE, BPF_F_AFTER, BPF_F_REPLACE, BPF_F_LINK, BPF_F_ID … as a number. */
  readonly flags: number;
  /** Descriptor or id, as the flags say. */
  readonly relative?: number | undefined;
  /** Fails with ESTALE when the hook has changed since. */
  readonly expectedRevision?: bigint | undefined;
}

/** BPF_LINK_CREATE: the fields that all kinds share, and one of the kinds' own. */
export interface LinkCreate {
  /** The program, or for struct_ops the map. */
  readonly programFd: number;
  /** Descriptor of a cgroup, netns, perf event …, an interface index, or 0. */
  readonly target: number;
  /** The number of the attach type. */
  readonly attachType: number;
  /** Flags common to the command. */
  readonly flags?: number | undefined;
  /** The kind's own fields. */
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

/** BPF_PROG_ATTACH and BPF_PROG_DETACH. */
export interface ProgramAttach {
  /** Descriptor of a cgroup, netns, sockmap …, or an interface index. */
  readonly target: number;
  /** The program. */
  readonly programFd: number;
  /** The number of the attach type. */
  readonly attachType: number;
  /** BPF_F_ALLOW_MULTI … */
  readonly flags?: number | undefined;
  /** The program that BPF_F_REPLACE replaces. */
  readonly replaceProgramFd?: number | undefined;
  /** A place among others (mprog). */
  readonly anchor?: Anchor | undefined;
}

/** BPF_PROG_QUERY's answer. */
export interface ProgramQuery {
  /** 0 or `-errno`. */
  readonly result: Result;
  /** Ids of the programs attached. */
  readonly programIds: readonly number[];
  /** Ids of their links; 0 where there is none. */
  readonly linkIds: readonly number[];
  /** attach_flags of the hook. */
  readonly attachFlags: number;
  /** The hook's revision (mprog), 0 where it has none. */
  readonly revision: bigint;
}

/** BPF_PROG_TEST_RUN. */
export interface TestRun {
  /** The program. */
  readonly programFd: number;
  /** Packet or other input data. */
  readonly dataIn?: Uint8Array | undefined;
  /** Bytes to make room for in the answer. */
  readonly dataOutSize?: number | undefined;
  /** The context struct. */
  readonly contextIn?: Uint8Array | undefined;
  /** Bytes to make room for in the answer. */
  readonly contextOutSize?: number | undefined;
  /** Number of runs; 0 is one. */
  readonly repeat?: number | undefined;
  /** BPF_F_TEST_… */
  readonly flags?: number | undefined;
  /** With BPF_F_TEST_RUN_ON_CPU. */
  readonly cpu?: number | undefined;
  /** With BPF_F_TEST_XDP_LIVE_FRAMES. */
  readonly batchSize?: number | undefined;
}

/** BPF_PROG_TEST_RUN's answer. */
export interface TestRunResult {
  /** 0 or `-errno`. */
  readonly result: Result;
  /** What the program returned (u32). */
  readonly returnValue: number;
  /** Mean nanoseconds of one run. */
  readonly duration: number;
  /** What the program left of the data. */
  readonly dataOut: Uint8Array;
  /** What the program left of the context. */
  readonly contextOut: Uint8Array;
}

/** One element's key and value buffers, with the operations on them: no allocation per call. */
export interface MapElements extends Disposable {
  /** Bytes of the key: write here, then call an operation. Length is the key's size. */
  readonly key: Uint8Array<ArrayBuffer>;
  /** Bytes of the value: read after look-up, write before update. */
  readonly value: Uint8Array<ArrayBuffer>;
  /** Where {@linkcode next} puts the key that follows. */
  readonly nextKey: Uint8Array<ArrayBuffer>;
  /** BPF_MAP_LOOKUP_ELEM: value of key. */
  lookup(flags?: number): Result;
  /** BPF_MAP_LOOKUP_AND_DELETE_ELEM. */
  lookupAndDelete(flags?: number): Result;
  /** BPF_MAP_UPDATE_ELEM. */
  update(flags?: number): Result;
  /** BPF_MAP_DELETE_ELEM. */
  delete(): Result;
  /** BPF_MAP_GET_NEXT_KEY: nextKey of key, or the first one. */
  next(first: boolean): Result;
}

/** Room for a batch of elements. */
export interface MapBatch extends Disposable {
  /** Elements there is room for. */
  readonly capacity: number;
  /** Keys, one after the other. */
  readonly keys: Uint8Array<ArrayBuffer>;
  /** Values, one after the other. */
  readonly values: Uint8Array<ArrayBuffer>;
  /** Elements that the last operation moved. */
  readonly count: number;
  /** Starts the next {@linkcode lookup} at the beginning. */
  rewind(): void;
  /** Lets the next {@linkcode lookup} go on where that of a batch of the same map stands. */
  resume(from: MapBatch): void;
  /** BPF_MAP_LOOKUP_BATCH from the cursor on; -ENOENT with a count when the end is reached. */
  lookup(flags?: number): Result;
  /** BPF_MAP_LOOKUP_AND_DELETE_BATCH. */
  lookupAndDelete(flags?: number): Result;
  /** BPF_MAP_UPDATE_BATCH of the first `count` elements. */
  update(count: number, flags?: number): Result;
  /** BPF_MAP_DELETE_BATCH of the first `count` keys. */
  delete(count: number, flags?: number): Result;
}

/** What can be asked by id. */
export type ObjectKind = "program" | "map" | "link" | "btf";

/** An answer with bytes. */
export interface BytesResult {
  /** 0 or `-errno`. */
  readonly result: Result;
  /** What was read; empty on refusal. A copy, the caller's own. */
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** The commands of bpf(2), one method per command. */
export interface BpfCommands {
  /** BPF_MAP_CREATE. */
  mapCreate(attributes: MapCreate): Result;
  /** Room for one element of a map, with the element commands on it. Sizes in bytes as the system call moves them (per-CPU values: all CPUs). */
  mapElements(mapFd: number, keySize: number, valueSize: number): MapElements;
  /** Room for a batch, with the batch commands on it. */
  mapBatch(mapFd: number, keySize: number, valueSize: number, capacity: number): MapBatch;
  /** BPF_MAP_FREEZE: no more writes by bpf(). */
  mapFreeze(mapFd: number): Result;
  /** BPF_PROG_LOAD off the event loop: the verifier can take seconds. */
  programLoad(attributes: ProgramLoad): Promise<LoadResult>;
  /** BPF_PROG_LOAD on this thread: for small programs and probes. */
  programLoadSync(attributes: ProgramLoad): LoadResult;
  /** BPF_BTF_LOAD. */
  btfLoad(attributes: BtfLoad): LoadResult;
  /** BPF_*_GET_FD_BY_ID; the token is taken by `"btf"` alone (Linux 6.15). */
  getFdById(kind: ObjectKind, id: number, tokenFd?: number): Result;
  /** BPF_*_GET_NEXT_ID: the id, or -ENOENT at the end. */
  getNextId(kind: ObjectKind, id: number): Result;
  /**
   * BPF_OBJ_GET_INFO_BY_FD into `size` bytes; a program's arrays go through {@linkcode programInfo}.
   * With `text`, the struct's pointer and length at those offsets lead to room for a name, which comes
   * back as `text`.
   */
  objectInfo(
    fd: number,
    size: number,
    text?: { readonly pointer: number; readonly length: number },
  ): BytesResult & { readonly text?: string | undefined };
  /** BPF_OBJ_GET_INFO_BY_FD of a BTF: its id, name and raw bytes. */
  btfInfo(
    btfFd: number,
  ): {
    readonly result: Result;
    readonly id: number;
    readonly name: string;
    readonly kernel: boolean;
    readonly bytes: Uint8Array<ArrayBuffer>;
  };
  /** BPF_OBJ_GET_INFO_BY_FD of a program with its arrays (map ids, xlated instructions, func and line info) filled as asked. */
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
   * bpf(2) with this command and attributes of a size that no kernel takes. Changes nothing: -E2BIG when the
   * call reaches the kernel, another errno from what stands before it.
   */
  probeCommand(command: number): Result;
  /** BPF_OBJ_PIN. */
  objectPin(fd: number, path: string, directoryFd?: number): Result;
  /** BPF_OBJ_GET. */
  objectGet(path: string, flags?: number, directoryFd?: number): Result;
  /** BPF_LINK_CREATE. */
  linkCreate(attributes: LinkCreate): Result;
  /** BPF_LINK_UPDATE. `newFd` is a program, or a struct_ops map; with `oldFd`, BPF_F_REPLACE. */
  linkUpdate(linkFd: number, newFd: number, oldFd?: number): Result;
  /** BPF_LINK_DETACH. */
  linkDetach(linkFd: number): Result;
  /** BPF_RAW_TRACEPOINT_OPEN; without a name for tp_btf, fentry and LSM. */
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
  /** BPF_PROG_STREAM_READ_BY_FD (Linux 6.17): 1 stdout, 2 stderr. */
  programStreamRead(programFd: number, stream: number, size: number): BytesResult;
  /** BPF_ITER_CREATE. */
  iteratorCreate(linkFd: number): Result;
  /** BPF_ENABLE_STATS: 0 run time; the descriptor holds the statistics on. */
  enableStatistics(type: number): Result;
  /** BPF_TOKEN_CREATE (Linux 6.9). */
  tokenCreate(bpffsFd: number): Result;
}

/** `struct bpf_prog_info` and the arrays asked for. */
export interface ProgramInfoResult {
  /** 0 or `-errno`. */
  readonly result: Result;
  /** The struct's bytes as the kernel wrote them. */
  readonly info: Uint8Array<ArrayBuffer>;
  /** Ids of the maps used, when asked for. */
  readonly mapIds: readonly number[];
  /** Translated instructions, when asked for and allowed. */
  readonly xlated: Uint8Array<ArrayBuffer>;
  /** Machine code, when asked for and allowed. */
  readonly jited: Uint8Array<ArrayBuffer>;
  /** func_info records. */
  readonly funcInfo: Uint8Array<ArrayBuffer>;
  /** line_info records. */
  readonly lineInfo: Uint8Array<ArrayBuffer>;
  /** Addresses of the subprograms in the kernel; zero when hidden. */
  readonly jitedKsyms: readonly bigint[];
}

/** Descriptors and files, spoken through libc: Deno's own file calls refuse /sys and /proc without all permissions. */
export interface Files {
  /** open(2) with O_CLOEXEC; relative to a directory descriptor when given. */
  open(path: string, flags?: number, directoryFd?: number): Result;
  /** close(2). */
  close(fd: number): Result;
  /** fcntl(F_DUPFD_CLOEXEC). */
  dup(fd: number): Result;
  /** read(2) of at most `size` bytes. */
  read(fd: number, size: number): BytesResult;
  /** write(2). */
  write(fd: number, bytes: Uint8Array): Result;
  /** The whole file, at most `limit` bytes (default 256 MiB). */
  readFile(path: string, limit?: number): BytesResult;
  /** Names in a directory, without `.` and `..`; `undefined` when it cannot be read. */
  readDirectory(path: string): readonly string[] | undefined;
  /** readlink(2), or `undefined`. */
  readLink(path: string): string | undefined;
  /** fstat(2)/stat(2): what is used of it. */
  stat(
    pathOrFd: string | number,
  ): {
    readonly result: Result;
    readonly device: bigint;
    readonly inode: bigint;
    readonly mode: number;
    readonly uid: number;
  };
  /** statfs(2)'s f_type, or `-errno`; bpffs is 0xcafe4a11. */
  filesystemType(pathOrFd: string | number): number;
  /** mkdir(2). */
  makeDirectory(path: string, mode?: number): Result;
  /** unlink(2) or rmdir(2). */
  unlink(path: string): Result;
  /**
   * A mapping of a descriptor. What is mapped read-only, and every regular file, is a copy in this process's
   * own memory unless `inPlace` is set: writing to it does no harm, and a file that is cut meanwhile does not
   * end the process. -EINVAL for whole pages behind a file's end.
   */
  map(
    fd: number,
    size: number,
    options?: {
      /** Whether writes reach the kernel's memory: of maps and perf events, never of regular files. */
      readonly writable?: boolean | undefined;
      /** Bytes from the start, a multiple of the page size. */
      readonly offset?: number | undefined;
      /** MAP_PRIVATE: what some files want for being mapped at all. */
      readonly private?: boolean | undefined;
      /**
       * The kernel's own pages, though they are read-only and a write would end the process by SIGSEGV: what
       * is mapped so has no views outside of this package.
       */
      readonly inPlace?: boolean | undefined;
      /** Exactly where it must lie (arenas); -EEXIST when something lies there. */
      readonly address?: bigint | undefined;
    },
  ): Mapping | Result;
  /** ioctl(2) with a number argument. */
  ioctl(fd: number, request: number, argument?: number): Result;
}

/** `perf_event_open` in the words that skep needs. */
export interface PerfEvent {
  /** PERF_TYPE_… or a PMU's number. */
  readonly type: number;
  /** PERF_COUNT_… or a tracepoint id. */
  readonly config: bigint;
  /** config1 (kprobe: address of the name). */
  readonly name?: string | undefined;
  /** config2 (kprobe: offset or address). */
  readonly offset?: bigint | undefined;
  /** sample_period, or sample_freq with `frequency`. */
  readonly samplePeriod?: bigint | undefined;
  /** Whether samplePeriod is Hz. */
  readonly frequency?: boolean | undefined;
  /** PERF_SAMPLE_… */
  readonly sampleType?: bigint | undefined;
  /** wakeup_events, or wakeup_watermark with `watermark`. */
  readonly wakeup?: number | undefined;
  /** Whether wakeup is bytes. */
  readonly watermark?: boolean | undefined;
  /** exclude_kernel. */
  readonly excludeKernel?: boolean | undefined;
  /** -1 any, 0 this process. */
  readonly pid: number;
  /** -1 any. */
  readonly cpu: number;
}

/** What this machine is. */
export interface MachineFacts {
  /** `"x86_64"` or `"aarch64"` (uname). */
  readonly machine: string;
  /** uname -r. */
  readonly release: string;
  /** uname -v. */
  readonly version: string;
  /** Bytes. */
  readonly pageSize: number;
  /** Highest CPU that can ever be, plus one. */
  readonly possibleCpus: number;
  /** Those that are on. */
  readonly onlineCpus: readonly number[];
}

/** Everything that skep asks of Linux. */
export interface Kernel extends BpfCommands, Files {
  /** Facts that do not change while the process runs. */
  readonly machine: MachineFacts;
  /** Waits for descriptors without blocking the event loop: one epoll and one eventfd per kernel. */
  readonly poller: Poller;
  /** Children, user namespaces, mounts and sockets of the same machine. */
  readonly processes: Processes;
  /** perf_event_open(2), PERF_FLAG_FD_CLOEXEC. */
  perfEventOpen(event: PerfEvent): Result;
  /** if_nametoindex(3). */
  interfaceIndex(name: string): Result;
  /** Sends one netlink request (NETLINK_ROUTE unless told) and returns its answers, or -errno. */
  netlink(
    message: Uint8Array,
    protocol?: number,
  ): { readonly result: Result; readonly answers: readonly Uint8Array<ArrayBuffer>[] };
  /** setsockopt(SOL_SOCKET, name, int). */
  setSocketOption(fd: number, option: number, value: number): Result;
  /** A system call by number, for the rare ones that need no memory. */
  call(number: number, ...words: readonly (number | bigint)[]): Result;
}
