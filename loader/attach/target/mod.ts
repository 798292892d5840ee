/**
 * Resolves attach targets: interfaces, cgroups, functions of the kernel and of files, USDT probes. Errors for
 * a missing target list the nearest names.
 *
 * Imports: uapi, errors, elf, object, kernel.
 *
 * @module
 */

export { AttachError } from "./error.ts";
export type { FilePlace } from "./executable.ts";
export type { PathOrDescriptor } from "./targets.ts";
export { encodeUsdtSpec, parseUsdtArguments, type UsdtArgument } from "./usdt_arguments.ts";
export { type UsdtNote, usdtNotes } from "./usdt_notes.ts";
