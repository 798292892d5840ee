/**
 * Finds the type of the records that programs send through a ring buffer or perf buffer.
 *
 * Imports: uapi, btf, object/code, object.
 *
 * @module
 */

export * from "./event_type.ts";
