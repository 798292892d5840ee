/**
 * perf_event_open(2).
 *
 * @module
 */

import { wholeNumber } from "../arguments.ts";
import { setField } from "../../uapi/fields.ts";
import type { PerfEvent, Result } from "../kernel.ts";
import type { Native } from "./ffi/native.ts";
import { systemCalls } from "./ffi/syscalls.ts";
import { structs } from "../../uapi/layouts.ts";
import { PERF_ATTR_SIZE_VER5, PERF_FLAG_FD_CLOEXEC } from "../../uapi/perf.ts";

/** The largest signed 32-bit number. */
const INT_MAX = 2 ** 31 - 1;

/** Covers every field that skep sets; all kernels with BPF links accept this size. */
const ATTRIBUTE_SIZE = PERF_ATTR_SIZE_VER5;

/** perf_event_open(2). */
export function perfEventOpen(native: Native, event: PerfEvent): Result {
  using frame = native.frame();
  const room = frame.room(ATTRIBUTE_SIZE);
  const view = new DataView(room.bytes.buffer, room.bytes.byteOffset, ATTRIBUTE_SIZE);
  const field = structs.perf_event_attr;
  setField(view, field.type, wholeNumber(event.type, "the type of a perf event"));
  setField(view, field.size, ATTRIBUTE_SIZE);
  setField(view, field.config, event.config);
  if (event.samplePeriod !== undefined) setField(view, field.sample_period, event.samplePeriod);
  if (event.frequency) setField(view, field.freq, 1);
  if (event.sampleType !== undefined) setField(view, field.sample_type, event.sampleType);
  if (event.wakeup !== undefined) {
    setField(view, field.wakeup_events, wholeNumber(event.wakeup, "wakeup"));
  }
  if (event.watermark) setField(view, field.watermark, 1);
  if (event.excludeKernel) setField(view, field.exclude_kernel, 1);
  if (event.name !== undefined) setField(view, field.config1, frame.text(event.name));
  if (event.offset !== undefined) setField(view, field.config2, event.offset);
  return native.call(
    systemCalls.perf_event_open,
    room.address,
    wholeNumber(event.pid, "a process id", -1, INT_MAX),
    wholeNumber(event.cpu, "a CPU", -1, INT_MAX),
    -1,
    PERF_FLAG_FD_CLOEXEC,
  );
}
