/**
 * A system call on a pool thread that returns `-errno`.
 *
 * libc's `syscall` stores errno in a variable of the calling thread, and a nonblocking call runs on a pool
 * thread, whose variables cannot be read from here. So a shared object with one function of a dozen
 * instructions, which makes the call and returns the kernel's result, is written into a memfd and loaded
 * with dlopen. No memory is made executable by mprotect(2).
 *
 * @module
 */

import type { Native } from "./native.ts";
import { systemCalls } from "./syscalls.ts";

/** A system call with the signature of bpf(2) on a pool thread: resolves to its result or `-errno`. */
export type SyscallStub = (
  number: number,
  a: number,
  b: Deno.PointerValue,
  c: number,
) => Promise<number>;

// endbr64; mov rax, rdi; rdi = rsi; rsi = rdx; rdx = rcx; r10 = r8; r8 = r9; r9 = [rsp + 8]; syscall; ret
const X86_64 = "f30f1efa4889f84889f74889d64889ca4d89c24d89c84c8b4c24080f05c3";
// mov x8, x0; x0 = x1 … x5 = x6; svc #0; ret
const AARCH64 = "e80300aae00301aae10302aae20303aae30304aae40305aae50306aa010000d4c0035fd6";

const SYMBOL = "skep_syscall";
const PAGE = 4096;
/** aarch64 kernels can have 64 KiB pages: segments must not share one. */
const SEGMENT = 65536;

/** Returns the bytes of the shared object for an architecture. */
export function syscallStubImage(arch: "x86_64" | "aarch64"): Uint8Array<ArrayBuffer> {
  const code = Uint8Array.fromHex(arch === "aarch64" ? AARCH64 : X86_64);
  const names = new TextEncoder().encode(`\0${SYMBOL}\0skep\0`);
  const [symbols, strings, hash, text] = [0x200, 0x240, 0x280, 0x300];
  const image = new Uint8Array(PAGE + 16 * 8);
  const view = new DataView(image.buffer);
  const long = (offset: number, value: number): void => {
    view.setUint32(offset, value, true);
  };
  image.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  view.setUint16(16, 3, true); // ET_DYN
  view.setUint16(18, arch === "aarch64" ? 183 : 62, true);
  long(20, 1);
  long(32, 64); // program headers
  view.setUint16(52, 64, true);
  view.setUint16(54, 56, true);
  view.setUint16(56, 4, true);
  view.setUint16(58, 64, true);
  const segment = (
    index: number,
    type: number,
    flags: number,
    offset: number,
    address: number,
    size: number,
    alignment: number,
  ): void => {
    const at = 64 + index * 56;
    long(at, type);
    long(at + 4, flags);
    long(at + 8, offset);
    long(at + 16, address);
    long(at + 24, address);
    long(at + 32, size);
    long(at + 40, size);
    long(at + 48, alignment);
  };
  const dynamic = SEGMENT + PAGE;
  segment(0, 1, 5, 0, 0, PAGE, PAGE); // PT_LOAD r-x
  // PT_LOAD rw-: older glibc relocates the dynamic section in place.
  segment(1, 1, 6, PAGE, dynamic, 16 * 8, PAGE);
  segment(2, 2, 6, PAGE, dynamic, 16 * 8, 8); // PT_DYNAMIC
  segment(3, 0x6474e551, 6, 0, 0, 0, 16); // PT_GNU_STACK: without it the stack becomes executable
  image.set(names, strings);
  image.set(code, text);
  // Symbol 1: a global function in a defined section.
  long(symbols + 24, 1);
  image[symbols + 28] = 0x12;
  view.setUint16(symbols + 30, 1, true);
  long(symbols + 32, text);
  long(symbols + 40, code.length);
  // DT_HASH: one bucket, two symbols, chain 1 -> end.
  [1, 2, 1, 0, 0].forEach((value, index) => long(hash + index * 4, value));
  const entries = [
    [4, hash], // DT_HASH
    [5, strings], // DT_STRTAB
    [6, symbols], // DT_SYMTAB
    [10, names.length], // DT_STRSZ
    [11, 24], // DT_SYMENT
    [14, SYMBOL.length + 2], // DT_SONAME
    [0, 0],
  ] as const;
  entries.forEach(([tag, value], index) => {
    long(PAGE + index * 16, tag);
    long(PAGE + index * 16 + 8, value);
  });
  return image;
}

let loaded: SyscallStub | null | undefined;

/** Loads the stub on first use; undefined where it cannot be loaded. */
export function loadSyscallStub(native: Native): SyscallStub | undefined {
  if (loaded === undefined) loaded = tryToLoad(native) ?? null;
  return loaded ?? undefined;
}

function tryToLoad(native: Native): SyscallStub | undefined {
  using frame = native.frame();
  const fd = native.call(systemCalls.memfd_create, frame.text("skep"), 1 /* MFD_CLOEXEC */);
  if (fd < 0) return undefined;
  try {
    const image = syscallStubImage(Deno.build.arch === "aarch64" ? "aarch64" : "x86_64");
    const written = native.call(systemCalls.write, fd, frame.bytes(image), image.length);
    if (written !== image.length) return undefined;
    const library = Deno.dlopen(`/proc/self/fd/${fd}`, {
      call: {
        name: SYMBOL,
        parameters: ["i32", "i32", "pointer", "u32"],
        result: "i32",
        nonblocking: true,
      },
    });
    return library.symbols.call;
  } catch {
    // SELinux, IMA or a scoped --allow-ffi can refuse the load; the caller then repeats refused calls on
    // its own thread.
    return undefined;
  } finally {
    native.call(systemCalls.close, fd);
  }
}
