/**
 * Reads maps of the legacy `maps` section: C structs of 32-bit numbers (`struct bpf_map_def`).
 *
 * libbpf 1.0 dropped support for them; old objects still contain them.
 *
 * @module
 */

import type { ElfFile, ElfSection } from "../../elf/elf.ts";
import { openError } from "../spec/error.ts";
import { mapTypeName } from "../../uapi/enums.ts";
import { MapDefinition } from "../spec/map_spec.ts";

/** Size in bytes of type, key size, value size, max_entries and flags. */
const DEFINITION_SIZE = 20;

/**
 * Reads all maps of a legacy section; each symbol in it is a map.
 *
 * Fields after the fifth must be zero, because tools disagree on their meaning.
 *
 * @throws {ObjectError} EINVAL for a definition that is too short, EOPNOTSUPP for further fields.
 */
export function readLegacyMaps(
  elf: ElfFile,
  section: ElfSection,
  firstIndex: number,
): MapDefinition[] {
  const symbols = elf.symbols
    .filter((symbol) =>
      symbol.sectionIndex === section.index && symbol.type !== "section" && symbol.name !== ""
    )
    .sort((a, b) => a.value - b.value);
  const view = new DataView(section.data.buffer, section.data.byteOffset, section.data.length);
  return symbols.map((symbol, index) => {
    const fail = (errno: string, why: string): Error =>
      openError(elf.name, errno, `legacy map ${symbol.name} ${why}`);
    const end = symbols[index + 1]?.value ?? section.data.length;
    const size = end - symbol.value;
    if (size < DEFINITION_SIZE) {
      throw fail("EINVAL", `has a definition of ${size} bytes, not ${DEFINITION_SIZE}`);
    }
    if (section.data.subarray(symbol.value + DEFINITION_SIZE, end).some((byte) => byte !== 0)) {
      throw fail("EOPNOTSUPP", "has non-zero fields after its flags");
    }
    const field = (number: number): number =>
      view.getUint32(symbol.value + number * 4, elf.littleEndian);
    return new MapDefinition({
      name: symbol.name,
      origin: "legacy",
      section: section.name,
      sectionIndex: section.index,
      sectionOffset: symbol.value,
      index: firstIndex + index,
      type: mapTypeName(field(0)) ?? field(0),
      keySize: field(1),
      valueSize: field(2),
      maxEntries: field(3),
      flags: field(4),
    });
  });
}
