/**
 * The {@linkcode Kernel} that makes system calls.
 *
 * @module
 */

import { Command } from "../../uapi/enums.ts";
import { EpollPoller } from "./epoll.ts";
import type * as K from "../kernel.ts";
import * as files from "./files.ts";
import * as links from "./links.ts";
import { machineFacts } from "./machine.ts";
import { descriptorNumber } from "../arguments.ts";
import { closeUsers } from "./map_room.ts";
import * as maps from "./maps.ts";
import { mapFile } from "./mappings.ts";
import * as network from "./network.ts";
import * as objects from "./objects.ts";
import { perfEventOpen } from "./perf.ts";
import * as programs from "./programs.ts";
import { HeldDescriptors } from "./held.ts";
import type { HeldDescriptor, HoldsDescriptors } from "../leaks.ts";
import type { Poller } from "../poller.ts";
import type { Mapping } from "../mapping.ts";
import type { Processes } from "../processes.ts";
import { linuxProcesses } from "../process/linux_processes.ts";
import { type Native, native } from "./ffi/native.ts";
import { systemCalls } from "./ffi/syscalls.ts";

/**
 * The kernel that this process runs on, through libc.
 *
 * Needs `--allow-ffi` and no other permission. libc is opened by the first call, not by the import. One
 * instance serves the whole process (or worker): {@linkcode linuxKernel}.
 *
 * @example
 * ```ts ignore
 * import { linuxKernel } from "@skep/skep";
 *
 * const kernel = linuxKernel();
 * console.log(kernel.machine.release);
 * const map = kernel.mapCreate({ type: 1, keySize: 4, valueSize: 8, maxEntries: 16 });
 * if (map >= 0) kernel.close(map);
 * ```
 */
export class LinuxKernel implements K.Kernel, HoldsDescriptors {
  #poller: EpollPoller | undefined;
  #machine: K.MachineFacts | undefined;
  #processes: Processes | undefined;
  #descriptors: HeldDescriptors | undefined;

  /** libc, opened on first use. */
  get #native(): Native {
    return native();
  }

  get #held(): HeldDescriptors {
    return this.#descriptors ??= new HeldDescriptors(this.#native);
  }

  /** Returns the open descriptors of BPF objects in the order of opening. */
  heldDescriptors(): readonly HeldDescriptor[] {
    return this.#held.list();
  }

  /** Records where descriptors are opened, until disposal: see {@linkcode leakCheck}. */
  trackDescriptors(): Disposable {
    return this.#held.track();
  }

  /** Facts that do not change while the process runs, read on first use. */
  get machine(): K.MachineFacts {
    return this.#machine ??= machineFacts(this.#native);
  }

  /** Waits for descriptors; `parked` says whether a thread is blocked in epoll_wait. */
  get poller(): Poller & { readonly parked: boolean } {
    return this.#poller ??= new EpollPoller(this.#native);
  }

  /** Children, user namespaces, mounts and sockets. */
  get processes(): Processes {
    return this.#processes ??= linuxProcesses(this);
  }

  /** BPF_MAP_CREATE. */
  mapCreate(attributes: K.MapCreate): K.Result {
    return this.#held.opened(maps.mapCreate(this.#native, attributes), "map");
  }
  /** Allocates the buffers of one element of a map. */
  mapElements(mapFd: number, keySize: number, valueSize: number): K.MapElements {
    return new maps.LinuxMapElements(this.#native, descriptorNumber(mapFd), keySize, valueSize);
  }
  /** Allocates the buffers of a batch of elements. */
  mapBatch(mapFd: number, keySize: number, valueSize: number, capacity: number): K.MapBatch {
    return new maps.LinuxMapBatch(
      this.#native,
      descriptorNumber(mapFd),
      keySize,
      valueSize,
      capacity,
    );
  }
  /** BPF_MAP_FREEZE. */
  mapFreeze(mapFd: number): K.Result {
    return maps.mapFreeze(this.#native, mapFd);
  }
  /**
   * BPF_PROG_LOAD off the event loop.
   *
   * Programs of up to 384 instructions without a backward jump are loaded on this thread, unless `onPool`
   * is set: that takes 40 to 200 µs, about as long as the switch to another thread and back.
   */
  async programLoad(attributes: K.ProgramLoad): Promise<K.LoadResult> {
    const loaded = await programs.programLoad(this.#native, attributes);
    this.#held.opened(loaded.result, "program");
    return loaded;
  }
  /** BPF_PROG_LOAD on this thread. */
  programLoadSync(attributes: K.ProgramLoad): K.LoadResult {
    const loaded = programs.programLoadSync(this.#native, attributes);
    this.#held.opened(loaded.result, "program");
    return loaded;
  }
  /** BPF_BTF_LOAD. */
  btfLoad(attributes: K.BtfLoad): K.LoadResult {
    const loaded = programs.btfLoad(this.#native, attributes);
    this.#held.opened(loaded.result, "btf");
    return loaded;
  }
  /** BPF_*_GET_FD_BY_ID. */
  getFdById(kind: K.ObjectKind, id: number, tokenFd?: number): K.Result {
    return this.#held.opened(objects.getFdById(this.#native, kind, id, tokenFd), kind);
  }
  /** BPF_*_GET_NEXT_ID. */
  getNextId(kind: K.ObjectKind, id: number): K.Result {
    return objects.getNextId(this.#native, kind, id);
  }
  /** BPF_OBJ_GET_INFO_BY_FD. */
  objectInfo(
    fd: number,
    size: number,
    text?: { readonly pointer: number; readonly length: number },
  ): K.BytesResult & { readonly text?: string | undefined } {
    return objects.objectInfo(this.#native, fd, size, text);
  }
  /** BPF_OBJ_GET_INFO_BY_FD of a BTF. */
  btfInfo(btfFd: number): ReturnType<K.Kernel["btfInfo"]> {
    return objects.btfInfo(this.#native, btfFd);
  }
  /** BPF_OBJ_GET_INFO_BY_FD of a program with its arrays. */
  programInfo(
    programFd: number,
    arrays?: Parameters<K.Kernel["programInfo"]>[1],
  ): K.ProgramInfoResult {
    return objects.programInfo(this.#native, programFd, arrays);
  }
  /** Calls bpf(2) with attributes larger than any kernel accepts. */
  probeCommand(command: number): K.Result {
    return objects.probeCommand(this.#native, command);
  }
  /** BPF_OBJ_PIN. */
  objectPin(fd: number, path: string, directoryFd?: number): K.Result {
    return objects.objectPin(this.#native, fd, path, directoryFd);
  }
  /** BPF_OBJ_GET. */
  objectGet(path: string, flags?: number, directoryFd?: number): K.Result {
    return this.#held.opened(
      objects.objectGet(this.#native, path, flags, directoryFd),
      "pinned object",
    );
  }
  /** BPF_LINK_CREATE. */
  linkCreate(attributes: K.LinkCreate): K.Result {
    return this.#held.opened(links.linkCreate(this.#native, attributes), "link");
  }
  /** BPF_LINK_UPDATE. */
  linkUpdate(linkFd: number, newFd: number, oldFd?: number): K.Result {
    return links.linkUpdate(this.#native, linkFd, newFd, oldFd);
  }
  /** BPF_LINK_DETACH. */
  linkDetach(linkFd: number): K.Result {
    return links.linkDetach(this.#native, linkFd);
  }
  /** BPF_RAW_TRACEPOINT_OPEN. */
  rawTracepointOpen(programFd: number, name?: string, cookie?: bigint): K.Result {
    return this.#held.opened(
      links.rawTracepointOpen(this.#native, programFd, name, cookie),
      "link",
    );
  }
  /** BPF_PROG_ATTACH. */
  programAttach(attributes: K.ProgramAttach): K.Result {
    return links.programAttach(this.#native, Command.prog_attach, attributes);
  }
  /** BPF_PROG_DETACH. */
  programDetach(attributes: K.ProgramAttach): K.Result {
    return links.programAttach(this.#native, Command.prog_detach, attributes);
  }
  /** BPF_PROG_QUERY. */
  programQuery(target: number, attachType: number, flags?: number): K.ProgramQuery {
    return links.programQuery(this.#native, target, attachType, flags);
  }
  /** BPF_PROG_TEST_RUN. */
  programTestRun(attributes: K.TestRun): K.TestRunResult {
    return programs.programTestRun(this.#native, attributes);
  }
  /** BPF_PROG_BIND_MAP. */
  programBindMap(programFd: number, mapFd: number): K.Result {
    return programs.programBindMap(this.#native, programFd, mapFd);
  }
  /** BPF_PROG_STREAM_READ_BY_FD. */
  programStreamRead(programFd: number, stream: number, size: number): K.BytesResult {
    return programs.programStreamRead(this.#native, programFd, stream, size);
  }
  /** BPF_ITER_CREATE. */
  iteratorCreate(linkFd: number): K.Result {
    return this.#held.opened(links.iteratorCreate(this.#native, linkFd), "iterator");
  }
  /** BPF_ENABLE_STATS. */
  enableStatistics(type: number): K.Result {
    return this.#held.opened(links.enableStatistics(this.#native, type), "statistics");
  }
  /** BPF_TOKEN_CREATE. */
  tokenCreate(bpffsFd: number): K.Result {
    return this.#held.opened(links.tokenCreate(this.#native, bpffsFd), "token");
  }

  /** open(2) with O_CLOEXEC. */
  open(path: string, flags?: number, directoryFd?: number): K.Result {
    return files.open(this.#native, path, flags, directoryFd);
  }
  /** close(2); pending waits for the descriptor end with `false` first. */
  close(fd: number): K.Result {
    descriptorNumber(fd);
    this.#held.closed(fd);
    this.#poller?.forget(fd);
    closeUsers(fd);
    return this.#native.call(systemCalls.close, fd);
  }
  /** Gives up ownership of a descriptor: another owner closes it. */
  handOver(fd: number): void {
    this.#held.closed(fd);
  }
  /** Takes ownership of a descriptor that was opened elsewhere. */
  takeOver(fd: number, kind: string): void {
    this.#held.opened(fd, kind);
  }
  /** fcntl(F_DUPFD_CLOEXEC). */
  dup(fd: number): K.Result {
    return this.#held.copied(files.dup(this.#native, descriptorNumber(fd)), fd);
  }
  /** read(2). */
  read(fd: number, size: number): K.BytesResult {
    return files.read(this.#native, descriptorNumber(fd), size);
  }
  /** write(2). */
  write(fd: number, bytes: Uint8Array): K.Result {
    return files.write(this.#native, descriptorNumber(fd), bytes);
  }
  /** Reads a whole file. */
  readFile(path: string, limit?: number): K.BytesResult {
    return files.readFile(this.#native, path, limit);
  }
  /** Lists the names in a directory. */
  readDirectory(path: string): readonly string[] | undefined {
    return files.readDirectory(this.#native, path);
  }
  /** readlink(2). */
  readLink(path: string): string | undefined {
    return files.readLink(this.#native, path);
  }
  /** stat(2) or fstat(2). */
  stat(pathOrFd: string | number): ReturnType<K.Kernel["stat"]> {
    return files.stat(this.#native, pathOrFd);
  }
  /** statfs(2)'s f_type. */
  filesystemType(pathOrFd: string | number): number {
    return files.filesystemType(this.#native, pathOrFd);
  }
  /** mkdir(2). */
  makeDirectory(path: string, mode?: number): K.Result {
    return files.makeDirectory(this.#native, path, mode);
  }
  /** unlink(2) or rmdir(2). */
  unlink(path: string): K.Result {
    return files.unlink(this.#native, path);
  }
  /** mmap(2) of a descriptor; read-only and file mappings are copies. */
  map(
    fd: number,
    size: number,
    options?: Parameters<K.Kernel["map"]>[2],
  ): Mapping | K.Result {
    return mapFile(this.#native, descriptorNumber(fd), size, options);
  }
  /** ioctl(2). */
  ioctl(fd: number, request: number, argument?: number): K.Result {
    return this.#native.call(systemCalls.ioctl, descriptorNumber(fd), request, argument);
  }

  /** perf_event_open(2). */
  perfEventOpen(event: K.PerfEvent): K.Result {
    return this.#held.opened(perfEventOpen(this.#native, event), "perf event");
  }
  /** if_nametoindex(3). */
  interfaceIndex(name: string): K.Result {
    return network.interfaceIndex(this.#native, name);
  }
  /** Sends one netlink request and returns its answers. */
  netlink(message: Uint8Array, protocol?: number): ReturnType<K.Kernel["netlink"]> {
    return network.netlink(this.#native, message, protocol);
  }
  /** setsockopt(SOL_SOCKET). */
  setSocketOption(fd: number, option: number, value: number): K.Result {
    return network.setSocketOption(this.#native, descriptorNumber(fd), option, value);
  }
  /** Makes a system call by number. */
  call(number: number, ...words: readonly (number | bigint)[]): K.Result {
    const [a, b, c, d, e, f] = words;
    return this.#native.call(number, a, b, c, d, e, f);
  }
}

let instance: LinuxKernel | undefined;

/** Returns the {@linkcode LinuxKernel} of this isolate, created on first use. */
export function linuxKernel(): LinuxKernel {
  return instance ??= new LinuxKernel();
}
