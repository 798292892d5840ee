/**
 * System calls through FFI, with the errno of each.
 *
 * libc's `syscall` is bound with several signatures. A call whose arguments and result have 32 bits is one
 * machine-code stub (5 ns). errno is then read through a view on libc's variable in the same expression,
 * before anything can allocate: a garbage collection in between would overwrite it.
 *
 * @module
 */

import { KernelError } from "../../../errors/kernel_error.ts";
import { wholeNumber } from "../../arguments.ts";
import { Attributes } from "./attributes.ts";
import { bufferAt, Frame, Memory, type Scratch } from "./memory.ts";
import { systemCalls } from "./syscalls.ts";
import {
  MAP_ANONYMOUS,
  MAP_FIXED,
  MAP_FIXED_NOREPLACE,
  MAP_NORESERVE,
  MAP_PRIVATE,
  MAP_SHARED,
  PROT_READ,
  PROT_WRITE,
} from "../../../uapi/files.ts";
import { Errno } from "../../../uapi/errno.ts";

// A dlopen symbol costs 0.2-0.4 ms (nonblocking ones 0.01), so the table is kept short.
const symbols = {
  /** The hot path: bpf(2) and calls with one pointer whose other arguments have 32 bits. */
  syscall32: { name: "syscall", parameters: ["i32", "i32", "pointer", "u32"], result: "i32" },
  /** Any system call, with 64-bit arguments. */
  long: {
    name: "syscall",
    parameters: ["i32", "usize", "usize", "usize", "usize", "usize", "usize"],
    result: "i32",
  },
  /** mmap, whose result is an address. */
  wide: {
    name: "syscall",
    parameters: ["i32", "usize", "usize", "usize", "usize", "usize", "usize"],
    result: "i64",
  },
  errnoLocation: { name: "__errno_location", parameters: [], result: "pointer" },
  /** On a thread of the runtime's pool. The errno of that thread cannot be read from here. */
  syscall32Async: {
    name: "syscall",
    parameters: ["i32", "i32", "pointer", "u32"],
    result: "i32",
    nonblocking: true,
  },
  epollWaitAsync: {
    name: "epoll_wait",
    parameters: ["i32", "pointer", "i32", "i32"],
    result: "i32",
    nonblocking: true,
  },
} as const satisfies Deno.ForeignLibraryInterface;

/** Parameters of {@linkcode Native.map}. */
export interface MapOptions {
  /** The descriptor; `undefined` for anonymous memory. */
  readonly fd: number | undefined;
  /** Whether the memory is writable. */
  readonly writable: boolean;
  /** Offset in bytes, a multiple of the page size. */
  readonly offset: number;
  /** Whether writes stay in this process (MAP_PRIVATE). */
  readonly private: boolean;
  /** The required address. */
  readonly address?: bigint | undefined;
}

/** libc: system calls with their errno, and the memory they use. */
export class Native {
  /** Kernel memory blocks. */
  readonly memory: Memory;
  /** The attributes of bpf(2) commands on this thread. */
  readonly attributes: Attributes;
  /** libc's errno of this thread. */
  readonly errno: Int32Array<ArrayBuffer>;
  /** Makes a call with the signature of bpf(2); returns -1 on refusal, with {@linkcode errno} set. */
  readonly syscall32: (number: number, a: number, b: Deno.PointerValue, c: number) => number;
  /** As {@linkcode syscall32}, on another thread; errno is lost. */
  readonly syscall32Async: (
    number: number,
    a: number,
    b: Deno.PointerValue,
    c: number,
  ) => Promise<number>;
  /** Calls epoll_wait on another thread; errno is lost. */
  readonly epollWaitAsync: (
    fd: number,
    events: Deno.PointerValue,
    count: number,
    timeout: number,
  ) => Promise<number>;

  #long: Deno.DynamicLibrary<typeof symbols>["symbols"]["long"];
  #wide: Deno.DynamicLibrary<typeof symbols>["symbols"]["wide"];
  #scratch: Scratch;

  /**
   * Opens libc.
   *
   * @throws {KernelError} when libc cannot be opened.
   */
  constructor() {
    const library = openLibc();
    const { syscall32, long, wide, errnoLocation, syscall32Async, epollWaitAsync } =
      library.symbols;
    const location = errnoLocation();
    if (location === null) throw new TypeError("Cannot find errno: libc gave no address");
    this.errno = new Int32Array(Deno.UnsafePointerView.getArrayBuffer(location, 4));
    this.syscall32 = syscall32;
    this.#long = long;
    this.#wide = wide;
    this.syscall32Async = syscall32Async;
    this.epollWaitAsync = epollWaitAsync;
    this.memory = new Memory(
      (size) => this.pages(size),
      (address, size, given) => given ? this.blank(address, size) : this.unmap(address, size),
    );
    this.#scratch = { block: this.memory.allocate(64 * 1024), used: 0 };
    this.attributes = new Attributes(this, this.memory.allocate(Attributes.size));
  }

  /** Makes any system call; returns its result or `-errno`. Negative arguments are sign-extended. */
  call(
    number: number,
    a: number | bigint = 0,
    b: number | bigint = 0,
    c: number | bigint = 0,
    d: number | bigint = 0,
    e: number | bigint = 0,
    f: number | bigint = 0,
  ): number {
    const errno = this.errno;
    const [p, q, r, s, t, u] = [word(a), word(b), word(c), word(d), word(e), word(f)];
    const result = this.#long(number, p, q, r, s, t, u);
    return result < 0 ? -(errno[0] as number) : result;
  }

  /** mmap(2): returns an address or `-errno`. */
  map(size: number, options: MapOptions): number {
    const protection = options.writable ? PROT_READ | PROT_WRITE : PROT_READ;
    const flags = (options.private ? MAP_PRIVATE : MAP_SHARED) |
      (options.fd === undefined ? MAP_ANONYMOUS : 0) |
      (options.address === undefined ? 0 : MAP_FIXED_NOREPLACE);
    const errno = this.errno;
    const [p, q, r, s, t, u] = [
      options.address ?? 0n,
      word(size),
      word(protection),
      word(flags),
      word(options.fd ?? -1),
      word(options.offset),
    ];
    const result = this.#wide(systemCalls.mmap, p, q, r, s, t, u);
    // User-space addresses have a clear top bit, so a negative result is always -1.
    return result < 0n ? -(errno[0] as number) : Number(result);
  }

  /**
   * Maps zeroed private memory and returns its address.
   *
   * @throws {KernelError} when mmap(2) fails.
   */
  pages(size: number): number {
    const address = this.map(size, { fd: undefined, writable: true, offset: 0, private: true });
    if (address >= 0) return address;
    throw new KernelError({
      doing: "map",
      subject: `${size} bytes of memory`,
      command: "mmap",
      result: address,
    });
  }

  /** munmap(2). */
  unmap(address: number, size: number): void {
    this.call(systemCalls.munmap, address, size);
  }

  /**
   * Replaces a mapping by untouched anonymous memory: another owner has a view on it that cannot be
   * detached, while the mapped object must be released.
   */
  blank(address: number, size: number): void {
    const flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE;
    const protection = PROT_READ | PROT_WRITE;
    const [p, q, r, s] = [word(address), word(size), word(protection), word(flags)];
    this.#wide(systemCalls.mmap, p, q, r, s, word(-1), 0n);
  }

  /** Makes an ArrayBuffer over mapped memory. */
  buffer(address: number, size: number): ArrayBuffer {
    return bufferAt(address, size);
  }

  /** Starts the memory of one call on this thread. Dispose of it before the next `await`. */
  frame(): Frame {
    return new Frame(this.memory, this.#scratch);
  }

  /** Starts the memory of a call on another thread. */
  ownFrame(): Frame {
    return new Frame(this.memory);
  }
}

function word(value: number | bigint): bigint {
  if (typeof value === "bigint") return BigInt.asUintN(64, value);
  if (!Number.isSafeInteger(value)) wholeNumber(value, ARGUMENT, LEAST, Number.MAX_SAFE_INTEGER);
  return BigInt.asUintN(64, BigInt(value));
}

const ARGUMENT = "an argument of a system call";
const LEAST = Number.MIN_SAFE_INTEGER;

function openLibc(): Deno.DynamicLibrary<typeof symbols> {
  try {
    return Deno.dlopen("libc.so.6", symbols);
  } catch (cause) {
    const denied = cause instanceof Deno.errors.NotCapable ||
      cause instanceof Deno.errors.PermissionDenied;
    throw new KernelError({
      doing: "open",
      subject: "libc.so.6",
      command: "dlopen",
      result: denied ? -Errno.EACCES : -Errno.ENOENT,
      why: denied ? "Deno denies FFI" : "glibc cannot be loaded",
      fix: denied ? "run deno with --allow-ffi" : "run on Linux with glibc",
    }, { cause });
  }
}

let instance: Native | undefined;

/** Opens libc on first use, once per isolate: errno belongs to a thread. */
export function native(): Native {
  return instance ??= new Native();
}
