/**
 * Facts of this machine, from uname(2), auxv and /sys.
 *
 * @module
 */

import { textUpToNul } from "./ffi/attributes.ts";
import type { MachineFacts } from "../kernel.ts";
import { readFile } from "./files.ts";
import type { Native } from "./ffi/native.ts";
import { systemCalls } from "./ffi/syscalls.ts";
import { AT_PAGESZ } from "../../uapi/processes.ts";
import { type Field, getBytes } from "../../uapi/fields.ts";
import { systemStructs, systemStructSizes } from "../../uapi/system_layouts.ts";

/** Reads the facts. */
export function machineFacts(native: Native): MachineFacts {
  const [release, version, machine] = uname(native);
  return {
    machine,
    release,
    version,
    pageSize: pageSize(native),
    possibleCpus: possibleCpus(native) ?? 1,
    onlineCpus: readList(native, "/sys/devices/system/cpu/online") ?? [0],
  };
}

function uname(native: Native): [release: string, version: string, machine: string] {
  using frame = native.frame();
  const room = frame.room(systemStructSizes.new_utsname);
  native.call(systemCalls.uname, room.address);
  const text = (field: Field): string => textUpToNul(getBytes(room.bytes, field).slice());
  const { release, version, machine } = systemStructs.new_utsname;
  return [text(release), text(version), text(machine)];
}

function pageSize(native: Native): number {
  const { bytes } = readFile(native, "/proc/self/auxv");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  // Elf64_auxv_t: pairs of a type and a value, 64 bits each.
  for (let at = 0; at + 16 <= bytes.length; at += 16) {
    if (view.getUint32(at, true) === AT_PAGESZ) return view.getUint32(at + 8, true);
  }
  return 4096;
}

/**
 * Returns the number of possible CPUs (the highest one plus one); undefined when /sys cannot be read. The
 * kernel copies that many values of a per-CPU map, so the number must not be guessed.
 */
export function possibleCpus(native: Native): number | undefined {
  possible ??= readList(native, "/sys/devices/system/cpu/possible")?.at(-1);
  return possible === undefined ? undefined : possible + 1;
}

/** Constant while the machine runs. */
let possible: number | undefined;

function readList(native: Native, path: string): number[] | undefined {
  const cpus = parseCpuList(textUpToNul(readFile(native, path).bytes));
  return cpus.length > 0 ? cpus : undefined;
}

/** Parses a list of CPUs as in /sys (`"0-3,8"`); returns none for any other text. */
export function parseCpuList(text: string): number[] {
  const cpus: number[] = [];
  for (const part of text.trim().split(",")) {
    const match = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(part);
    if (match === null) return [];
    const first = Number(match[1]);
    const last = Number(match[2] ?? first);
    for (let cpu = first; cpu <= last; cpu++) cpus.push(cpu);
  }
  return cpus;
}
