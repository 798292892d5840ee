/**
 * Finds the type of the events that programs write to ring buffers and perf event arrays.
 *
 * Imports: uapi, btf, object/code, object.
 *
 * @module
 */

export * from "./event_type.ts";
