/**
 * Reads records and text that programs write: ring buffers, perf buffers, iterators, output streams, the trace pipe.
 *
 * Imports: uapi, errors, kernel.
 *
 * @module
 */

export * from "./decoder.ts";
export * from "./iterator.ts";
export * from "./perf_buffer.ts";
export * from "./program_output.ts";
export * from "./reader.ts";
export { RecordView } from "./record_view.ts";
export * from "./records.ts";
export * from "./ring_buffer.ts";
export * from "./trace_pipe.ts";
export * from "./user_ring_buffer.ts";
