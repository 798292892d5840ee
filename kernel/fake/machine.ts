/**
 * The base of {@linkcode FakeKernel}: descriptors, the log of commands, injected errors, and files.
 *
 * @module
 */

import { Errno, type ErrnoName } from "../../uapi/errno.ts";
import type { FakeObject, FakeUserNamespace } from "./ground.ts";
import { FakePoller } from "./poller.ts";
import { FakeProcesses } from "./processes.ts";
import type * as K from "../kernel.ts";
import { S_IFDIR, S_IFREG, TMPFS_MAGIC } from "../../uapi/files.ts";

/** One command that the fake kernel was called with. */
export interface FakeCall {
  /** The command: `"map_create"`, `"prog_load"`, `"open"` … */
  readonly command: string;
  /** The attributes as passed. */
  readonly attributes: unknown;
  /** The result. */
  readonly result: K.Result;
}

/** Refuses a command with an errno. */
export interface Injection {
  /** The command: `"map_create"`, `"prog_load"`, `"link_create"` …; `"*"` for all. */
  readonly command: string;
  /** The errno. */
  readonly errno: ErrnoName;
  /**
   * Refuses only the nth matching call, counted from 1.
   *
   * @default {undefined} every matching call
   */
  readonly nth?: number | undefined;
  /** Refuses only calls whose attributes satisfy this predicate. */
  readonly when?: ((attributes: never) => boolean) | undefined;
  /** The verifier log that comes with a refused load. */
  readonly log?: string | undefined;
}

/** Options of a {@linkcode FakeKernel}. */
export interface FakeKernelOptions {
  /** Files by path; their directories are created. */
  readonly files?: { readonly [path: string]: string | Uint8Array } | undefined;
  /** File system types (f_type) by mount point, for `filesystemType`. */
  readonly filesystems?: { readonly [path: string]: number } | undefined;
  /** Inodes by path, for the files of `/proc/PID/ns`. */
  readonly inodes?: { readonly [path: string]: bigint } | undefined;
  /** Namespaces by the path of their file. For a network namespace, the user namespace that owns it. */
  readonly namespaces?: { readonly [path: string]: FakeUserNamespace };
  /** Machine facts that override the defaults. */
  readonly machine?: Partial<K.MachineFacts> | undefined;
  /** Interfaces by name. */
  readonly interfaces?: { readonly [name: string]: number } | undefined;
  /** Verifies a program; a load without a `result` returns a descriptor. */
  readonly verify?:
    | ((
      program: K.ProgramLoad,
    ) => { result?: K.Result | undefined; log?: string | undefined } | undefined)
    | undefined;
  /** Returns the result of a test run. */
  readonly testRun?: ((run: K.TestRun) => Partial<K.TestRunResult>) | undefined;
  /** Returns the answers of a netlink request. */
  readonly netlink?: ((message: Uint8Array) => ReturnType<K.Kernel["netlink"]>) | undefined;
}

/** High enough that a descriptor of the process passed here by mistake is refused. */
const FIRST_DESCRIPTOR = 1000;
const EMPTY: Uint8Array<ArrayBuffer> = new Uint8Array(0);

/** Implements every part of {@linkcode K.Kernel} except the bpf(2) commands and mmap. */
export class FakeMachine implements Omit<K.Kernel, keyof K.BpfCommands | "map"> {
  /** Every command so far, element and batch commands included. */
  readonly calls: FakeCall[] = [];
  /** The poller. */
  readonly poller: FakePoller = new FakePoller();
  /** Children, user namespaces, mounts and sockets. */
  readonly processes: FakeProcesses = new FakeProcesses({
    poller: this.poller,
    run: (command, attributes, work) => this.run(command, attributes, work),
    add: (object) => this.addDescriptor(object),
    object: (fd) => this.object(fd),
    close: (fd) => this.close(fd),
  });
  /** The facts of the simulated machine. */
  readonly machine: K.MachineFacts;
  /** Pinned objects by path. */
  readonly pins: Map<string, FakeObject> = new Map();

  /** The options of the constructor. */
  protected readonly options: FakeKernelOptions;
  #injections: { readonly injection: Injection; seen: number }[] = [];
  /** Open descriptors. */
  protected readonly descriptors: Map<number, FakeObject> = new Map();
  #files: Map<string, Uint8Array<ArrayBuffer>> = new Map();
  #directories: Set<string> = new Set(["/"]);
  #positions: Map<number, number> = new Map();
  #lastId = 0;
  /** The log of the last injected refusal. */
  protected log: string = "";

  /** Starts with the files of the options. */
  constructor(options: FakeKernelOptions = {}) {
    this.options = options;
    this.machine = {
      machine: "x86_64",
      release: "6.18.0-fake",
      version: "#1 SMP",
      pageSize: 4096,
      possibleCpus: 2,
      onlineCpus: [0, 1],
      ...options.machine,
    };
    for (const [path, contents] of Object.entries(options.files ?? {})) {
      const bytes = typeof contents === "string" ? new TextEncoder().encode(contents) : contents;
      this.#files.set(path, Uint8Array.from(bytes));
      for (let up = parent(path); !this.#directories.has(up); up = parent(up)) {
        this.#directories.add(up);
      }
    }
  }

  /** Refuses commands from now on; the first matching injection applies. */
  inject(injection: Injection): this {
    this.#injections.push({ injection, seen: 0 });
    return this;
  }

  /** Returns the names of the commands so far, in order. */
  commands(): string[] {
    return this.calls.map(({ command }) => command);
  }

  /** Returns the object behind an open descriptor. */
  object(fd: number): FakeObject | undefined {
    return this.descriptors.get(fd);
  }

  /** Returns the descriptors that are still open, as `"map events"`; empty when nothing leaked. */
  leaks(): string[] {
    return [...this.descriptors.values()].map(({ kind, name }) => `${kind} ${name}`.trimEnd());
  }

  /** Adds an object of the test and returns the lowest free descriptor. */
  addDescriptor(object: Omit<FakeObject, "id"> & { readonly id?: number | undefined }): number {
    let fd = FIRST_DESCRIPTOR;
    while (this.descriptors.has(fd)) fd++;
    this.descriptors.set(fd, { ...object, id: object.id ?? 0 });
    return fd;
  }

  /** Logs a command and returns its result: the injected errno, or what `work` returns. */
  protected run(command: string, attributes: unknown, work: () => K.Result): K.Result {
    const result = this.#refusal(command, attributes) ?? work();
    this.calls.push({ command, attributes, result });
    return result;
  }

  #refusal(command: string, attributes: unknown): K.Result | undefined {
    this.log = "";
    for (const entry of this.#injections) {
      const { injection } = entry;
      if (injection.command !== "*" && injection.command !== command) continue;
      if (injection.when !== undefined && !injection.when(attributes as never)) continue;
      entry.seen++;
      if (injection.nth !== undefined && injection.nth !== entry.seen) continue;
      this.log = injection.log ?? "";
      return -Errno[injection.errno];
    }
    return undefined;
  }

  /** Returns the object behind a descriptor; -EBADF for a closed one, -EINVAL for one of another kind. */
  protected find(fd: number, ...kinds: FakeObject["kind"][]): FakeObject | K.Result {
    const object = this.descriptors.get(fd);
    if (object === undefined) return -Errno.EBADF;
    return kinds.length === 0 || kinds.includes(object.kind) ? object : -Errno.EINVAL;
  }

  /** Returns a descriptor for a new object with a new id. */
  protected make(object: Omit<FakeObject, "id">): number {
    return this.addDescriptor({ ...object, id: ++this.#lastId });
  }

  /** Runs `work` on the object behind a descriptor, or returns an errno. */
  protected on(
    fd: number,
    kind: FakeObject["kind"],
    work: (object: FakeObject) => K.Result,
  ): K.Result {
    const object = this.find(fd, kind);
    return typeof object === "number" ? object : work(object);
  }

  /** Implements open(2) for the files, directories and namespaces of the options. */
  open(path: string, flags?: number, directoryFd?: number): K.Result {
    return this.run("open", { path, flags, directoryFd }, () => {
      const namespace = this.options.namespaces?.[path];
      if (namespace !== undefined) {
        const { inode } = namespace;
        return this.addDescriptor({ kind: "namespace", name: path, inode, attributes: namespace });
      }
      const bytes = this.#files.get(path);
      const directory = this.#directories.has(path) ||
        this.options.filesystems?.[path] !== undefined;
      if (bytes === undefined && !directory) return -Errno.ENOENT;
      return this.addDescriptor({ kind: "file", name: path, bytes });
    });
  }

  /** Implements close(2). */
  close(fd: number): K.Result {
    return this.run("close", { fd }, () => {
      this.poller.forget(fd);
      this.#positions.delete(fd);
      return this.descriptors.delete(fd) ? 0 : -Errno.EBADF;
    });
  }

  /** Does nothing: the fake's descriptors have no owner. */
  handOver(_fd: number): void {}
  /** Does nothing: the fake's descriptors have no owner. */
  takeOver(_fd: number, _kind: string): void {}
  /** Implements fcntl(F_DUPFD_CLOEXEC). */
  dup(fd: number): K.Result {
    return this.run("duplicate", { fd }, () => {
      const object = this.find(fd);
      return typeof object === "number" ? object : this.addDescriptor(object);
    });
  }

  /** Implements read(2). */
  read(fd: number, size: number): K.BytesResult {
    let bytes = EMPTY;
    const result = this.run("read", { fd, size }, () => {
      const object = this.find(fd);
      if (typeof object === "number") return object;
      if (object.bytes === undefined) return -Errno.EISDIR;
      const at = this.#positions.get(fd) ?? 0;
      bytes = object.bytes.slice(at, at + size);
      this.#positions.set(fd, at + bytes.length);
      return 0;
    });
    return { result, bytes };
  }

  /** Implements write(2): the bytes are logged and discarded. */
  write(fd: number, bytes: Uint8Array): K.Result {
    return this.run("write", { fd, bytes: Uint8Array.from(bytes) }, () => {
      const object = this.find(fd);
      return typeof object === "number" ? object : bytes.length;
    });
  }

  /** Returns the contents of a file. */
  readFile(path: string, limit: number = Infinity): K.BytesResult {
    let bytes = EMPTY;
    const result = this.run("readFile", { path }, () => {
      const found = this.#files.get(path);
      if (found === undefined) {
        return this.#directories.has(path) ? -Errno.EISDIR : -Errno.ENOENT;
      }
      bytes = found.slice(0, limit);
      return 0;
    });
    return { result, bytes };
  }

  /** Returns the names in a directory, from the files, directories and pins. */
  readDirectory(path: string): readonly string[] | undefined {
    const prefix = path === "/" ? "/" : `${path}/`;
    const all = [...this.#files.keys(), ...this.#directories, ...this.pins.keys()];
    const names = all.filter((each) => each.startsWith(prefix) && each.length > prefix.length)
      .map((each) => each.slice(prefix.length).split("/")[0] as string);
    return names.length === 0 && !this.#directories.has(path)
      ? undefined
      : [...new Set(names)].sort();
  }

  /** Returns undefined: the fake kernel has no symbolic links. */
  readLink(_path: string): string | undefined {
    return undefined;
  }

  /** Implements stat(2). */
  stat(pathOrFd: string | number): ReturnType<K.Kernel["stat"]> {
    const answer = { device: 1n, inode: 0n, mode: 0, uid: 0 };
    const path = typeof pathOrFd === "string" ? pathOrFd : this.descriptors.get(pathOrFd)?.name;
    if (path === undefined) return { ...answer, result: -Errno.EBADF };
    const known = typeof pathOrFd === "number" ? this.descriptors.get(pathOrFd)?.inode : undefined;
    if (known !== undefined) return { ...answer, result: 0, inode: known, mode: S_IFREG | 0o444 };
    const inode = this.options.inodes?.[path] ?? BigInt(path.length + 1);
    if (this.#files.has(path)) return { ...answer, result: 0, inode, mode: S_IFREG | 0o644 };
    const directory = this.#directories.has(path) ||
      this.options.filesystems?.[path] !== undefined;
    return directory
      ? { ...answer, result: 0, inode, mode: S_IFDIR | 0o755 }
      : { ...answer, result: -Errno.ENOENT };
  }

  /** Returns the f_type of the mount point that holds the path. */
  filesystemType(pathOrFd: string | number): number {
    const path = typeof pathOrFd === "string" ? pathOrFd : this.descriptors.get(pathOrFd)?.name;
    if (path === undefined) return -Errno.EBADF;
    const mounts = Object.entries(this.options.filesystems ?? {})
      .filter(([mount]) => path === mount || path.startsWith(mount === "/" ? "/" : `${mount}/`))
      .sort(([a], [b]) => b.length - a.length);
    return mounts[0]?.[1] ?? (this.#directories.has(path) ? TMPFS_MAGIC : -Errno.ENOENT);
  }

  /** Implements mkdir(2). */
  makeDirectory(path: string, mode?: number): K.Result {
    return this.run("mkdir", { path, mode }, () => {
      if (this.#directories.has(path) || this.#files.has(path)) return -Errno.EEXIST;
      this.#directories.add(path);
      return 0;
    });
  }

  /** Implements unlink(2) for a file or pin, rmdir(2) for an empty directory. */
  unlink(path: string): K.Result {
    return this.run("remove", { path }, () => {
      if (this.pins.delete(path) || this.#files.delete(path)) return 0;
      if (!this.#directories.has(path)) return -Errno.ENOENT;
      if ((this.readDirectory(path)?.length ?? 0) > 0) return -Errno.ENOTEMPTY;
      this.#directories.delete(path);
      return 0;
    });
  }

  /** Implements ioctl(2): accepts every request. */
  ioctl(fd: number, request: number, argument?: number): K.Result {
    return this.run("ioctl", { fd, request, argument }, () => {
      const object = this.find(fd);
      return typeof object === "number" ? object : 0;
    });
  }

  /** Implements perf_event_open(2). */
  perfEventOpen(event: K.PerfEvent): K.Result {
    return this.run(
      "perf_event_open",
      event,
      () => this.make({ kind: "perf-event", name: event.name ?? "", attributes: event }),
    );
  }

  /** Implements if_nametoindex(3) for the interfaces of the options; `lo` has index 1. */
  interfaceIndex(name: string): K.Result {
    return this.options.interfaces?.[name] ?? (name === "lo" ? 1 : -Errno.ENODEV);
  }

  /** Passes a netlink request to the option `netlink`; without it, succeeds with no answers. */
  netlink(message: Uint8Array, protocol?: number): ReturnType<K.Kernel["netlink"]> {
    const answer = this.options.netlink?.(message) ?? { result: 0, answers: [] };
    const result = this.run(
      "netlink",
      { message: Uint8Array.from(message), protocol },
      () => answer.result,
    );
    return result < 0 ? { result, answers: [] } : { result, answers: answer.answers };
  }

  /** Implements setsockopt(SOL_SOCKET): accepts every option. */
  setSocketOption(fd: number, option: number, value: number): K.Result {
    return this.run("setsockopt", { fd, option, value }, () => 0);
  }

  /** Returns -ENOSYS for every system call number. */
  call(number: number, ...words: readonly (number | bigint)[]): K.Result {
    return this.run("call", { number, words }, () => -Errno.ENOSYS);
  }
}

function parent(path: string): string {
  return path.slice(0, path.lastIndexOf("/")) || "/";
}
