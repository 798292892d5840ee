/**
 * The machine code that creates a process, assembled from `kernel/process/stub/*.S`.
 *
 * A test assembles the sources again and compares, where clang is installed.
 *
 * @module
 */

import { KernelError } from "../../errors/kernel_error.ts";
import { native } from "../linux/ffi/native.ts";
import { PROT_EXEC, PROT_READ } from "../../uapi/files.ts";
import { systemCalls } from "../linux/ffi/syscalls.ts";
import { Errno } from "../../uapi/errno.ts";

/** The code for each architecture, in base64. */
export const childStubs: { readonly [architecture: string]: string } = {
  x86_64:
    "8w8e+lNVQVRBVUiJ+7gOAAAAvwIAAABIjXMwSI1TKEG6CAAAAA8FuLMBAABIiztIi3MIDwVIhcB0JUiJxbgOAAAAvwIA" +
    "AABIjXMoMdJBuggAAAAPBUiJ6EFdQVxdW8NIi2sQTItjGEyLayAx202F5A+EgwAAALt/AAAASItFAEiLfQhIi3UQSItV" +
    "GEyLVSBMi0UoTItNMA8FSYlFAEiLTThIixFIhdJ0CUiJAkiDwQjr70iLTUBIhcB4KXQN9sEIdCdIOUUwdaPrH/bBAnUq" +
    "SMHpEEkpzE2NbM0ASGvJSEgBzesF9sEBdBBIg8VISYPFCEn/zOly////uOcAAABIid8PBfQ=",
  aarch64:
    "XyQD1f17vKnzUwGp9VsCqfdjA6nzAwCq6BCA0kAAgNJhwgCRYqIAkQMBgNIBAADUaDaA0mACQPlhBkD5AQAA1MABALT0" +
    "AwCq6BCA0kAAgNJhogCRAgCA0gMBgNIBAADU4AMUqvdjQ6n1W0Kp81NBqf17xKjAA1/WdApA+XUOQPl2EkD5FwCA0pUE" +
    "ALT3D4DSiAJA+YAGQPmBCkD5gg5A+YMSQPmEFkD5hRpA+QEAANTAAgD5iR5A+SqFQPhqAAC0QAEA+f3//xeJIkD5wAH4" +
    "t8AAALSpARg2ihpA+R8ACush/f9UCQAAFIkBCDcp/VDTtQIJy9YOCYsKCYDSNFEKmwIAABSpAAA2lCIBkdYiAJG1BgDR" +
    "3P//F8gLgNLgAxeqAQAA1AAAINQ=",
};

/** Creates a process from the program at an address; returns its pid or `-errno`. */
export type StartChild = (program: number) => number;

let start: StartChild | undefined;

/** Returns the machine code as a function; mapped on first use and kept for the life of the process. */
export function childStub(): StartChild {
  return start ??= mapStub();
}

function mapStub(): StartChild {
  const base64 = childStubs[Deno.build.arch];
  if (base64 === undefined) {
    throw new KernelError({
      doing: "start",
      subject: "a process",
      command: "clone3",
      result: -Errno.ENOSYS,
      why: `the processes of a sandbox are not implemented for ${Deno.build.arch}`,
    });
  }
  const code = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  const size = 4096;
  const address = native().map(size, { fd: undefined, writable: true, offset: 0, private: true });
  if (address >= 0) new Uint8Array(native().buffer(address, size)).set(code);
  const result = address < 0
    ? address
    : native().call(systemCalls.mprotect, address, size, PROT_READ | PROT_EXEC);
  if (result < 0) {
    throw new KernelError({
      doing: "map",
      subject: "the machine code that starts a process",
      command: "mprotect",
      result,
      why: "memory of this process may not become executable",
      fix: "remove MemoryDenyWriteExecute from the systemd unit",
    });
  }
  const pointer = Deno.UnsafePointer.create(BigInt(address)) as Deno.PointerObject<
    { readonly parameters: ["usize"]; readonly result: "i64" }
  >;
  const call = new Deno.UnsafeFnPointer(
    pointer,
    { parameters: ["usize"], result: "i64" } as const,
  );
  return (program) => Number(call.call(BigInt(program)));
}
