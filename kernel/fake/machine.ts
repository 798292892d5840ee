/**
 * The ground of the {@linkcode FakeKernel}: descriptors, the log of commands, the script of refusals,
 * and files.
 *
 * @module
 */

import { Errno, type ErrnoName } from "../../uapi/errno.ts";
import type { FakeObject, FakeUserNamespace } from "./ground.ts";
import { FakePoller } from "./poller.ts";
import { FakeProcesses } from "./processes.ts";
import type * as K from "../kernel.ts";
import { S_IFDIR, S_IFREG, TMPFS_MAGIC } from "../../uapi/files.ts";

/** One command that the fake kernel was given. */
export interface FakeCall {
  /** The command: `"map_create"`, `"prog_load"`, `"open"` … */
  readonly command: string;
  /** Its attributes as they came. */
  readonly attributes: unknown;
  /** What was answered. */
  readonly result: K.Result;
}

/** When a command is to be refused, and how. */
export interface Injection {
  /** The command: `"map_create"`, `"prog_load"`, `"link_create"` …; `"*"` for all. */
  readonly command: string;
  /** What to answer. */
  readonly errno: ErrnoName;
  /** Only the nth matching call, counted from 1; every one without it. */
  readonly nth?: number | undefined;
  /** Only where this holds of the command's attributes. */
  readonly when?: ((attributes: never) => boolean) | undefined;
  /** A log to give with the refusal of a load. */
  readonly log?: string | undefined;
}

/** How a {@linkcode FakeKernel} starts. */
export interface FakeKernelOptions {
  /** Files by path; directories come from the paths. */
  readonly files?: { readonly [path: string]: string | Uint8Array } | undefined;
  /** File system types by mount point, for `filesystemType`. */
  readonly filesystems?: { readonly [path: string]: number } | undefined;
  /** Inodes by path, for the files of `/proc/PID/ns`. */
  readonly inodes?: { readonly [path: string]: bigint } | undefined;
  /** Namespaces by the path of their file; of a network namespace, the user namespace that owns it. */
  readonly namespaces?: { readonly [path: string]: FakeUserNamespace };
  /** Facts of the machine that differ from the fake's own. */
  readonly machine?: Partial<K.MachineFacts> | undefined;
  /** Interfaces by name. */
  readonly interfaces?: { readonly [name: string]: number } | undefined;
  /** The verifier: what a load answers; without a result, a descriptor. */
  readonly verify?:
    | ((
      program: K.ProgramLoad,
    ) => { result?: K.Result | undefined; log?: string | undefined } | undefined)
    | undefined;
  /** What a test run answers. */
  readonly testRun?: ((run: K.TestRun) => Partial<K.TestRunResult>) | undefined;
  /** What netlink answers. */
  readonly netlink?: ((message: Uint8Array) => ReturnType<K.Kernel["netlink"]>) | undefined;
}

/** Descriptors begin here, so that a real one in their place is noticed. */
const FIRST_DESCRIPTOR = 1000;
const EMPTY: Uint8Array<ArrayBuffer> = new Uint8Array(0);

/** All of a fake kernel but bpf(2). */
export class FakeMachine implements Omit<K.Kernel, keyof K.BpfCommands | "map"> {
  /** Every command so far, element and batch commands too. */
  readonly calls: FakeCall[] = [];
  /** Says what is ready. */
  readonly poller: FakePoller = new FakePoller();
  /** Children, user namespaces, mounts and sockets. */
  readonly processes: FakeProcesses = new FakeProcesses({
    poller: this.poller,
    run: (command, attributes, work) => this.run(command, attributes, work),
    add: (object) => this.addDescriptor(object),
    object: (fd) => this.object(fd),
    close: (fd) => this.close(fd),
  });
  /** What this machine pretends to be. */
  readonly machine: K.MachineFacts;
  /** Pins by path. */
  readonly pins: Map<string, FakeObject> = new Map();

  /** As it was started. */
  protected readonly options: FakeKernelOptions;
  #injections: { readonly injection: Injection; seen: number }[] = [];
  /** Open descriptors. */
  protected readonly descriptors: Map<number, FakeObject> = new Map();
  #files: Map<string, Uint8Array<ArrayBuffer>> = new Map();
  #directories: Set<string> = new Set(["/"]);
  #positions: Map<number, number> = new Map();
  #lastId = 0;
  /** The log of the refusal that was injected last. */
  protected log: string = "";

  /** Starts with nothing but the files given. */
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

  /** Refuses commands from now on; the first injection that fits wins. */
  inject(injection: Injection): this {
    this.#injections.push({ injection, seen: 0 });
    return this;
  }

  /** The commands given, in order, by name alone. */
  commands(): string[] {
    return this.calls.map(({ command }) => command);
  }

  /** What an open descriptor leads to. */
  object(fd: number): FakeObject | undefined {
    return this.descriptors.get(fd);
  }

  /** Descriptors that are still open, as `"map events"`: none when nothing leaks. */
  leaks(): string[] {
    return [...this.descriptors.values()].map(({ kind, name }) => `${kind} ${name}`.trimEnd());
  }

  /** Gives out the lowest free descriptor for an object of the test's own. */
  addDescriptor(object: Omit<FakeObject, "id"> & { readonly id?: number | undefined }): number {
    let fd = FIRST_DESCRIPTOR;
    while (this.descriptors.has(fd)) fd++;
    this.descriptors.set(fd, { ...object, id: object.id ?? 0 });
    return fd;
  }

  /** Logs a command with its answer: the script's refusal, or what `work` gives. */
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

  /** What a descriptor leads to, or EBADF; EINVAL when it is of another kind. */
  protected find(fd: number, ...kinds: FakeObject["kind"][]): FakeObject | K.Result {
    const object = this.descriptors.get(fd);
    if (object === undefined) return -Errno.EBADF;
    return kinds.length === 0 || kinds.includes(object.kind) ? object : -Errno.EINVAL;
  }

  /** A descriptor for a new object with an id of its own. */
  protected make(object: Omit<FakeObject, "id">): number {
    return this.addDescriptor({ ...object, id: ++this.#lastId });
  }

  /** Does the work on what a descriptor leads to. */
  protected on(
    fd: number,
    kind: FakeObject["kind"],
    work: (object: FakeObject) => K.Result,
  ): K.Result {
    const object = this.find(fd, kind);
    return typeof object === "number" ? object : work(object);
  }

  /** open(2) of the files given. */
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

  /** close(2). */
  close(fd: number): K.Result {
    return this.run("close", { fd }, () => {
      this.poller.forget(fd);
      this.#positions.delete(fd);
      return this.descriptors.delete(fd) ? 0 : -Errno.EBADF;
    });
  }

  /** fcntl(F_DUPFD_CLOEXEC). */
  dup(fd: number): K.Result {
    return this.run("duplicate", { fd }, () => {
      const object = this.find(fd);
      return typeof object === "number" ? object : this.addDescriptor(object);
    });
  }

  /** read(2). */
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

  /** write(2): taken and forgotten; the log has the bytes. */
  write(fd: number, bytes: Uint8Array): K.Result {
    return this.run("write", { fd, bytes: Uint8Array.from(bytes) }, () => {
      const object = this.find(fd);
      return typeof object === "number" ? object : bytes.length;
    });
  }

  /** The whole file. */
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

  /** Names in a directory of the files given and of the pins. */
  readDirectory(path: string): readonly string[] | undefined {
    const prefix = path === "/" ? "/" : `${path}/`;
    const all = [...this.#files.keys(), ...this.#directories, ...this.pins.keys()];
    const names = all.filter((each) => each.startsWith(prefix) && each.length > prefix.length)
      .map((each) => each.slice(prefix.length).split("/")[0] as string);
    return names.length === 0 && !this.#directories.has(path)
      ? undefined
      : [...new Set(names)].sort();
  }

  /** There are no links. */
  readLink(_path: string): string | undefined {
    return undefined;
  }

  /** stat(2) of the files given. */
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

  /** f_type of the longest mount point given that holds the path. */
  filesystemType(pathOrFd: string | number): number {
    const path = typeof pathOrFd === "string" ? pathOrFd : this.descriptors.get(pathOrFd)?.name;
    if (path === undefined) return -Errno.EBADF;
    const mounts = Object.entries(this.options.filesystems ?? {})
      .filter(([mount]) => path === mount || path.startsWith(mount === "/" ? "/" : `${mount}/`))
      .sort(([a], [b]) => b.length - a.length);
    return mounts[0]?.[1] ?? (this.#directories.has(path) ? TMPFS_MAGIC : -Errno.ENOENT);
  }

  /** mkdir(2). */
  makeDirectory(path: string, mode?: number): K.Result {
    return this.run("mkdir", { path, mode }, () => {
      if (this.#directories.has(path) || this.#files.has(path)) return -Errno.EEXIST;
      this.#directories.add(path);
      return 0;
    });
  }

  /** unlink(2) of a file or pin, rmdir(2) of an empty directory. */
  unlink(path: string): K.Result {
    return this.run("remove", { path }, () => {
      if (this.pins.delete(path) || this.#files.delete(path)) return 0;
      if (!this.#directories.has(path)) return -Errno.ENOENT;
      if ((this.readDirectory(path)?.length ?? 0) > 0) return -Errno.ENOTEMPTY;
      this.#directories.delete(path);
      return 0;
    });
  }

  /** ioctl(2): accepted. */
  ioctl(fd: number, request: number, argument?: number): K.Result {
    return this.run("ioctl", { fd, request, argument }, () => {
      const object = this.find(fd);
      return typeof object === "number" ? object : 0;
    });
  }

  /** perf_event_open(2). */
  perfEventOpen(event: K.PerfEvent): K.Result {
    return this.run(
      "perf_event_open",
      event,
      () => this.make({ kind: "perf-event", name: event.name ?? "", attributes: event }),
    );
  }

  /** if_nametoindex(3) of the interfaces given; `lo` is 1. */
  interfaceIndex(name: string): K.Result {
    return this.options.interfaces?.[name] ?? (name === "lo" ? 1 : -Errno.ENODEV);
  }

  /** The options' `netlink` answers; without it, an empty success. */
  netlink(message: Uint8Array, protocol?: number): ReturnType<K.Kernel["netlink"]> {
    const answer = this.options.netlink?.(message) ?? { result: 0, answers: [] };
    const result = this.run(
      "netlink",
      { message: Uint8Array.from(message), protocol },
      () => answer.result,
    );
    return result < 0 ? { result, answers: [] } : { result, answers: answer.answers };
  }

  /** setsockopt(SOL_SOCKET). */
  setSocketOption(fd: number, option: number, value: number): K.Result {
    return this.run("setsockopt", { fd, option, value }, () => 0);
  }

  /** No system call by number exists here. */
  call(number: number, ...words: readonly (number | bigint)[]): K.Result {
    return this.run("call", { number, words }, () => -Errno.ENOSYS);
  }
}

function parent(path: string): string {
  return path.slice(0, path.lastIndexOf("/")) || "/";
}
