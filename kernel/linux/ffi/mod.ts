/**
 * Foreign function calls: libc through `Deno.dlopen`, kernel-facing memory, system call numbers.
 * Nothing outside this folder calls `Deno.dlopen`.
 *
 * Imports: uapi, errors, kernel.
 *
 * @module
 */

export { type Native, native } from "./native.ts";
