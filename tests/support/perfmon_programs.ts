/**
 * Small programs, one for each rule about CAP_PERFMON: the plan decides about them, and the kernel has the
 * last word.
 *
 * @module
 */

import { Helper, type ProgramTypeName } from "../../uapi/enums.ts";
import { encodeInstruction } from "./instructions.ts";

/** What a program refers to. */
export interface PerfmonReference {
  /** The instruction. */
  readonly instruction: number;
  /** `values`: an array of one value of 16 bytes; its address, or a place in the value. `arena`: an arena. */
  readonly map: "values" | "arena";
  /** Bytes from the start of the value; undefined for the map's own address. */
  readonly offset?: number | undefined;
}

/** One program. */
export interface PerfmonProgram {
  /** What it is about. */
  readonly name: string;
  /** Its type. */
  readonly type: ProgramTypeName & ("xdp" | "netfilter" | "socket_filter");
  /** Eight bytes for each instruction. */
  readonly code: Uint8Array<ArrayBuffer>;
  /** What it refers to. */
  readonly references: readonly PerfmonReference[];
  /** What the plan says: text for `needed` and `maybe`. */
  readonly verdict: "needed" | "maybe" | "not needed";
  /** What it does, in the plan's words. */
  readonly text?: string | undefined;
}

/** Bytes of the value of the map `values`. */
export const VALUE_SIZE = 16;

const [R0, R1, R2, R3, R4, R6, R10] = [0, 1, 2, 3, 4, 6, 10] as const;
type Code = Uint8Array<ArrayBuffer>;

function one(
  opcode: number,
  destination: number = 0,
  source: number = 0,
  offset: number = 0,
  immediate: number = 0,
): Code {
  return encodeInstruction({ opcode, destination, source, offset, immediate });
}

/** A reference's place is where its two slots are. */
interface Draft {
  readonly code: readonly (Code | Omit<PerfmonReference, "instruction">)[];
}

const move = (to: number, from: number): Code => one(0xbf, to, from);
const number = (to: number, value: number): Code => one(0xb7, to, 0, 0, value);
const add = (to: number, value: number): Code => one(0x07, to, 0, 0, value);
const and = (to: number, value: number): Code => one(0x57, to, 0, 0, value);
const addRegister = (to: number, from: number): Code => one(0x0f, to, from);
const load = (to: number, from: number, offset: number): Code => one(0x79, to, from, offset);
const load32 = (to: number, from: number, offset: number): Code => one(0x61, to, from, offset);
const store = (to: number, offset: number, from: number): Code => one(0x7b, to, from, offset);
const storeNumber = (to: number, offset: number, value: number): Code =>
  one(0x7a, to, 0, offset, value);
const call = (helper: number): Code => one(0x85, 0, 0, 0, helper);
const exit: readonly Code[] = [number(R0, 0), one(0x95)];
const value = (offset: number): Omit<PerfmonReference, "instruction"> => ({
  map: "values",
  offset,
});
const map: Omit<PerfmonReference, "instruction"> = { map: "values" };
const arena: Omit<PerfmonReference, "instruction"> = { map: "arena" };
/** Loads a reference into a register. */
const reference = (
  to: number,
  what: Omit<PerfmonReference, "instruction">,
): (Code | Omit<PerfmonReference, "instruction">)[] => [what, one(0x18, to), one(0)];

/** `xdp_md`: data, data_end, data_meta, ingress_ifindex. */
const packet = [load32(R2, R1, 0), load32(R3, R1, 4)];
const small = [load32(R4, R1, 12), and(R4, 7)];

function program(
  name: string,
  verdict: PerfmonProgram["verdict"],
  text: string | undefined,
  code: Draft["code"],
  type: PerfmonProgram["type"] = "xdp",
): PerfmonProgram {
  const parts: Code[] = [];
  const references: PerfmonReference[] = [];
  for (const part of [...code, ...exit]) {
    if (part instanceof Uint8Array) parts.push(part);
    else references.push({ ...part, instruction: parts.length });
  }
  const bytes = new Uint8Array(parts.length * 8);
  parts.forEach((part, index) => bytes.set(part, index * 8));
  return { name, type, code: bytes, references, verdict, text };
}

const needed = (
  name: string,
  text: string,
  code: Draft["code"],
  type: PerfmonProgram["type"] = "xdp",
): PerfmonProgram => program(name, "needed", text, code, type);
const fine = (name: string, code: Draft["code"]): PerfmonProgram =>
  program(name, "not needed", undefined, code);

/** All of them. */
export const PERFMON_PROGRAMS: readonly PerfmonProgram[] = [
  needed(
    "the length of the packet",
    "subtracts a pointer into the packet from the pointer to the packet's end",
    [...packet, one(0x1f, R3, R2)],
  ),
  needed(
    "the length of the packet in 32 bits",
    "subtracts a pointer into the packet from the pointer to the packet's end",
    [...packet, one(0x1c, R3, R2)],
  ),
  needed(
    "half of a pointer minus a number",
    "calculates with the lower half of the address of its context",
    [
      one(0x14, R1, 0, 0, 1),
    ],
  ),
  needed("a register added to a packet pointer", "adds a register to a pointer into the packet", [
    ...packet,
    ...small,
    addRegister(R2, R4),
  ]),
  needed(
    "a register added to a stack address",
    "computes a stack address with a variable offset",
    [
      ...small,
      storeNumber(R10, -8, 0),
      storeNumber(R10, -16, 0),
      move(R2, R10),
      add(R2, -16),
      addRegister(R2, R4),
    ],
  ),
  needed("an address above the stack", "computes an address outside its stack", [
    move(R2, R10),
    add(R2, 8),
  ]),
  needed("the end of a map's value", "computes a pointer outside a map's value", [
    ...reference(R2, value(0)),
    add(R2, VALUE_SIZE),
  ]),
  needed(
    "a number of either sign added to a map's value",
    "adds a number of either sign to a pointer to a map's value",
    [...small, add(R4, -4), ...reference(R2, value(8)), addRegister(R2, R4)],
  ),
  needed("the context compared with null", "compares the address of its context with a number", [
    one(0x15, R1, 0, 0, 0),
  ]),
  needed(
    "a map's value compared with a number",
    "compares a pointer to a map's value with a number",
    [
      ...reference(R2, value(0)),
      one(0x25, R2, 0, 0, 4),
    ],
  ),
  needed(
    "two packet pointers compared",
    "compares a pointer into the packet with a pointer into the packet",
    [
      ...packet,
      move(R4, R2),
      add(R4, 4),
      one(0x2d, R4, R2, 0),
    ],
  ),
  needed("a pointer returned", "returns the address of its context", [
    ...small,
    one(0x15, R4, 0, 2, 0),
    move(R0, R1),
    one(0x95),
  ]),
  needed("a pointer stored in a map", "stores the address of its context in a map's value", [
    ...reference(R2, value(0)),
    store(R2, 0, R1),
  ]),
  needed(
    "a pointer in an atomic addition",
    "passes the address of its context to an atomic operation",
    [
      ...reference(R2, value(0)),
      one(0xdb, R2, R1, 0, 0),
    ],
  ),
  needed("a part of a pointer", "takes a part of the address of its context", [one(0xbc, R2, R1)]),
  needed("a pointer negated", "negates the address of its context", [one(0x87, R1)]),
  needed("the bytes of a pointer swapped", "swaps the bytes of the address of its context", [
    one(0xdc, R1, 0, 0, 64),
  ]),
  needed("stack that was not written", "reads 8 bytes of uninitialized stack", [
    load(R2, R10, -8),
  ]),
  needed(
    "a key that was not written",
    "hands map_lookup_elem 4 bytes of uninitialized stack",
    [...reference(R1, map), move(R2, R10), add(R2, -4), call(Helper.map_lookup_elem)],
  ),
  needed("a pointer half overwritten", "overwrites part of a pointer on its stack", [
    store(R10, -8, R1),
    one(0x62, R10, 0, -8, 0),
  ]),
  needed(
    "a packet pointer after the packet has moved",
    "uses a pointer that an earlier call invalidated",
    [load32(R6, R1, 0), number(R2, 0), call(Helper.xdp_adjust_head), move(R2, R6)],
  ),
  needed("an arena", "uses an arena", [...reference(R2, arena)]),
  needed("a field of a kernel object", "reads a kernel object by its BTF type", [
    load(R2, R1, 8),
    load32(R3, R2, 0x70),
  ], "netfilter"),
  needed("a field of a map", "reads a map's struct bpf_map", [
    ...reference(R1, map),
    load(R2, R1, 0),
  ]),
  program(
    "a loop that counts up to a number",
    "maybe",
    "counts a loop with known numbers, which a speculative path may not leave",
    [number(R6, 0), add(R6, 1), one(0xa5, R6, 0, -2, 4)],
  ),
  program(
    "different numbers added at one instruction",
    "maybe",
    "adds numbers with different speculation masks at one instruction",
    [
      ...small,
      number(R3, 1),
      one(0x15, R4, 0, 1, 0),
      move(R3, R4),
      ...reference(R2, value(0)),
      addRegister(R2, R3),
      one(0x71, R3, R2),
    ],
  ),
  fine("a byte of the packet", [
    ...packet,
    move(R4, R2),
    add(R4, 1),
    one(0x2d, R4, R3, 1),
    one(0x71, R4, R2, 0),
  ]),
  fine("the packet's metadata", [
    load32(R2, R1, 8),
    load32(R3, R1, 0),
    add(R2, 4),
    one(0x2d, R2, R3, 0),
  ]),
  fine("a value that was looked up", [
    one(0x62, R10, 0, -4, 0),
    ...reference(R1, map),
    move(R2, R10),
    add(R2, -4),
    call(Helper.map_lookup_elem),
    move(R6, R0),
    one(0x15, R0, 0, 1, 0),
    load(R2, R6, 8),
    // In the other case both are zero.
    one(0x55, R6, 0, 1, 0),
    store(R10, -16, R6),
  ]),
  fine("null returned", [
    one(0x62, R10, 0, -4, 0),
    ...reference(R1, map),
    move(R2, R10),
    add(R2, -4),
    call(Helper.map_lookup_elem),
    one(0x55, R0, 0, 1, 0),
    one(0x95),
  ]),
  fine("an index into a map's value", [
    ...small,
    ...reference(R2, value(0)),
    addRegister(R2, R4),
    one(0x71, R3, R2),
  ]),
  fine("a pointer on the stack", [
    store(R10, -8, R1),
    load(R2, R10, -8),
    load32(R3, R2, 0),
  ]),
  fine("a map's value compared with null", [
    ...reference(R2, value(0)),
    one(0x15, R2, 0, 1, 0),
    load(R3, R2, 0),
  ]),
  fine("numbers from the context and the clock", [
    load32(R6, R1, 12),
    call(Helper.ktime_get_ns),
    one(0x1f, R0, R6),
    one(0x25, R0, 0, 1, 100),
    add(R0, 1),
  ]),
];
