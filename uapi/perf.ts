/**
 * perf_event_open(2): event types, samples, records and ioctls.
 *
 * Names and numbers come from the headers of Linux and libc, and are the same on x86-64 and aarch64.
 *
 * Written by `deno task generate --headers FOLDER`. Do not edit.
 *
 * @module
 */

/** `linux/perf_event.h`. */
export const PERF_TYPE_SOFTWARE = 1;
/** `linux/perf_event.h`. */
export const PERF_TYPE_TRACEPOINT = 2;
/** `linux/perf_event.h`. */
export const PERF_COUNT_SW_BPF_OUTPUT = 10;
/** `linux/perf_event.h`. */
export const PERF_SAMPLE_RAW = 1024;
/** `linux/perf_event.h`. */
export const PERF_RECORD_LOST = 2;
/** `linux/perf_event.h`. */
export const PERF_RECORD_SAMPLE = 9;
/** `linux/perf_event.h`. */
export const PERF_EVENT_IOC_ENABLE = 0x2400;
/** `linux/perf_event.h`. */
export const PERF_EVENT_IOC_DISABLE = 0x2401;
/** `linux/perf_event.h`. */
export const PERF_EVENT_IOC_SET_BPF = 0x40042408;
/** `linux/perf_event.h`. */
export const PERF_FLAG_FD_CLOEXEC = 0x8;
/** `linux/perf_event.h`. */
export const PERF_ATTR_SIZE_VER5 = 112;
