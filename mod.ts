/**
 * skep loads compiled eBPF objects from TypeScript, with or without privileges.
 *
 * A clang-built object is parsed into an {@linkcode ObjectSpec}, which is plain data and needs no
 * permission at all. {@linkcode BpfObject.load} makes it live: maps, programs and links that own file
 * descriptors and are disposable. Where a BPF token was delegated to the process (Linux 6.9), it is
 * found and used, and {@linkcode plan} tells beforehand which delegation an object needs.
 *
 * @example Load, attach, read events
 * ```ts ignore
 * import { BpfObject } from "@skep/skep";
 *
 * using object = await BpfObject.load("execsnoop.bpf.o");
 * using _links = object.attach();
 * for await (const event of object.maps.get("events").records()) console.log(event);
 * ```
 *
 * @module
 */

export * from "./elf/mod.ts";
export * from "./btf/mod.ts";
export * from "./object/mod.ts";
export * from "./kernel/mod.ts";
export * from "./token/mod.ts";
export * from "./loader/mod.ts";
// Two layers have one: the kernel's own types are what users ask for, not those of an object to load.
export { kernelBtf } from "./loader/mod.ts";
