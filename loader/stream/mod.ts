/**
 * Reading what programs send: ring buffers and their kin, in one shape.
 *
 * @module
 */

export * from "./decoder.ts";
export * from "./ring_buffer.ts";
export * from "./reader.ts";
export * from "./perf_buffer.ts";
export * from "./records.ts";
