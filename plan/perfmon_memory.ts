/**
 * Loads and stores, which the verifier restricts without CAP_PERFMON: pointers must not be stored
 * where they can be read as numbers, and only initialized stack can be read (`check_mem_access`,
 * `check_stack_read` and `check_stack_write` in kernel/bpf/verifier.c).
 *
 * @module
 */

import { InstructionClass } from "../object/code/instruction.ts";
import type { MapSpec } from "../object/spec/spec.ts";
import { bytesOf, contextField } from "./context_fields.ts";
import { type Frames, withRegister, withStack } from "./frames.ts";
import { register, type Site, valueText } from "./perfmon_site.ts";
import { ANY, constant, isPointer, type Value } from "./value.ts";
import { unknownNumber } from "./number_range.ts";

/** Access size in bytes by the size bits of the opcode. */
const SIZES: { readonly [bits: number]: number } = { 0x00: 4, 0x08: 2, 0x10: 1, 0x18: 8 };
const MODE = 0xe0;
const MODE_ATOMIC = 0xc0;
const MODE_SIGNED = 0x80;
/** Atomic operations, as encoded in the immediate. */
const FETCH = 0x01;
const COMPARE_EXCHANGE = 0xf1;
const LOAD_ACQUIRE = 0x100;
const STORE_RELEASE = 0x110;

/** Targets where a stored pointer could be read as a number. */
const READABLE: ReadonlySet<Value["kind"]> = new Set([
  "context",
  "packet",
  "packet-meta",
  "flow-keys",
  "map-value",
  "memory",
]);

/** Returns the state after a load. */
export function loadStep(site: Site): Frames {
  const { opcode, destination, source, offset } = site.instruction;
  const value = loaded(site, register(site, source), offset, SIZES[opcode & 0x18] ?? 8);
  const signed = (opcode & MODE) === MODE_SIGNED && value.kind === "number";
  return withRegister(site.frames, destination, signed ? unknownNumber() : value);
}

/** Returns the state after a store or an atomic operation. */
export function storeStep(site: Site): Frames {
  const { opcode, destination, source, offset, immediate } = site.instruction;
  const size = SIZES[opcode & 0x18] ?? 8;
  const to = register(site, destination);
  if ((opcode & 7) === InstructionClass.st) {
    return stored(site, to, offset, size, site.relocated ? unknownNumber() : constant(immediate));
  }
  const from = register(site, source);
  if ((opcode & MODE) !== MODE_ATOMIC) return stored(site, to, offset, size, from);
  if (immediate === LOAD_ACQUIRE) {
    return withRegister(site.frames, destination, loaded(site, from, offset, size));
  }
  if (immediate === STORE_RELEASE) return stored(site, to, offset, size, from);
  if (isPointer(from) && from.kind !== "arena") {
    site.report(`passes ${valueText(from)} to an atomic operation`, true);
  }
  const before = loaded(site, to, offset, size);
  if (isPointer(before)) site.report(`changes ${valueText(before)} on its stack`, true);
  const after = stored(site, to, offset, size, unknownNumber());
  if (immediate === COMPARE_EXCHANGE) return withRegister(after, 0, unknownNumber());
  return (immediate & FETCH) === 0 ? after : withRegister(after, source, unknownNumber());
}

function loaded(site: Site, from: Value, offset: number, size: number): Value {
  const at = from.low + offset;
  switch (from.kind) {
    case "context": {
      const field = contextField(site.type, at, size);
      return field.nullable < 0 ? { ...field, nullable: site.id } : { ...field };
    }
    case "stack":
      return fromStack(site, from, at, size);
    case "object":
      site.report("reads a kernel object by its BTF type", true);
      return ANY;
    case "map":
      site.report("reads a map's struct bpf_map", true);
      return ANY;
    case "stale":
      site.report("uses a pointer that an earlier call invalidated", true);
      return unknownNumber();
    case "map-value":
      return from.low === from.high && !from.joined
        ? fromMap(from.map, at, size) ?? bytesOf(size)
        : { ...bytesOf(size) };
    case "arena":
    case "any":
      return { ...ANY };
    default:
      return { ...bytesOf(size) };
  }
}

/** Returns a constant from a frozen read-only map, whose contents the verifier knows. */
function fromMap(map: MapSpec | undefined, offset: number, size: number): Value | undefined {
  if (map?.origin !== "rodata" || map.contents === undefined || size > 4) return undefined;
  const { contents } = map;
  if (offset < 0 || offset + size > contents.length) return undefined;
  let value = 0;
  for (let byte = size - 1; byte >= 0; byte--) value = value * 256 + (contents[offset + byte] ?? 0);
  return constant(value);
}

function fromStack(site: Site, from: Value, at: number, size: number): Value {
  const frame = site.frames[from.frame ?? -1];
  if (frame === undefined) return { ...ANY };
  if (from.low !== from.high) {
    // The computation of the address was reported already.
    return from.joined ? { ...ANY } : { ...bytesOf(size) };
  }
  const whole = frame.stack.load(at, size);
  if (whole !== undefined) return whole;
  readStack(site, from.frame ?? -1, at, size, "reads");
  return { ...bytesOf(size) };
}

/** Reports a read of stack that was not initialized. */
export function readStack(
  site: Site,
  frame: number,
  at: number,
  size: number,
  verb: string,
): void {
  const written = site.frames[frame]?.stack.written(at, size) ?? "all";
  if (written === "all") return;
  site.report(`${verb} ${size} bytes of uninitialized stack`, written === "no");
}

function stored(site: Site, to: Value, offset: number, size: number, value: Value): Frames {
  const { frames } = site;
  if (value.kind === "stale") {
    site.report("uses a pointer that an earlier call invalidated", true);
  }
  if (to.kind !== "stack") {
    if (isPointer(value) && value.kind !== "arena" && READABLE.has(to.kind)) {
      const where = to.kind === "map-value" ? "a map's value" : to.kind;
      site.report(`stores ${valueText(value)} in ${where.replace("-", " ")}`, true);
    }
    if (to.kind === "object") site.report("writes to a kernel object by its BTF type", true);
    return frames;
  }
  const index = to.frame ?? -1;
  const frame = frames[index];
  if (frame === undefined) return frames;
  const { stack } = frame;
  const at = to.low + offset;
  if (to.low !== to.high) {
    const length = Math.min(to.high, 0) - Math.max(to.low, -512) + size;
    return withStack(frames, index, stack.fill(Math.max(to.low, -512) + offset, length, false));
  }
  if (size < 8 && stack.pointerIn(at, size)) {
    site.report("overwrites part of a pointer on its stack", true);
  }
  return withStack(frames, index, stack.store(at, size, value));
}
