/**
 * Reads the USDT probes of a file from `.note.stapsdt`.
 *
 * @module
 */

import type { ElfFile } from "../../../elf/elf.ts";

const NT_STAPSDT = 3;
const PT_LOAD = 1;
const PF_X = 1;

/** One probe in a file. */
export interface UsdtNote {
  /** Provider of the probe. */
  readonly provider: string;
  /** Name of the probe. */
  readonly name: string;
  /** Places of its arguments, in assembler syntax. */
  readonly arguments: string;
  /** File offset of the probed instruction in bytes. */
  readonly offset: bigint;
  /** File offset in bytes of the semaphore, which counts attached probes; 0 without one. */
  readonly semaphoreOffset: bigint;
}

/** Returns all probes of a file in its order. Skips notes whose addresses are outside the loaded segments. */
export function usdtNotes(file: ElfFile): UsdtNote[] {
  const section = file.section(".note.stapsdt");
  if (section === undefined) return [];
  const { data } = section;
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const little = file.littleEndian;
  // prelink moves sections but not the addresses in notes: the move of .stapsdt.base is the difference.
  const base = file.section(".stapsdt.base")?.address;
  const notes: UsdtNote[] = [];
  let at = 0;
  while (at + 12 <= data.length) {
    const nameSize = view.getUint32(at, little);
    const size = view.getUint32(at + 4, little);
    const type = view.getUint32(at + 8, little);
    const start = at + 12 + align(nameSize);
    if (start + size > data.length) break;
    at = start + align(size);
    if (type !== NT_STAPSDT || size < 24) continue;
    const [location, noteBase, semaphore] = [0, 8, 16].map((place) =>
      Number(view.getBigUint64(start + place, little))
    ) as [number, number, number];
    const texts = new TextDecoder().decode(data.slice(start + 24, start + size)).split("\0");
    const moved = base !== undefined && noteBase !== 0 ? location + base - noteBase : location;
    const offset = placeOf(file, moved, true);
    const semaphoreOffset = semaphore === 0 ? 0 : placeOf(file, semaphore, false);
    if (offset === undefined || semaphoreOffset === undefined) continue;
    notes.push({
      provider: texts[0] ?? "",
      name: texts[1] ?? "",
      arguments: texts[2] ?? "",
      offset: BigInt(offset),
      semaphoreOffset: BigInt(semaphoreOffset),
    });
  }
  return notes;
}

/** Converts an address to a file offset by the segment that is loaded there. */
function placeOf(file: ElfFile, address: number, executable: boolean): number | undefined {
  const segment = file.segments.find((segment) =>
    segment.type === PT_LOAD && ((segment.flags & PF_X) !== 0) === executable &&
    address >= segment.address && address < segment.address + segment.memorySize
  );
  return segment === undefined ? undefined : address - segment.address + segment.offset;
}

function align(size: number): number {
  return (size + 3) & ~3;
}
