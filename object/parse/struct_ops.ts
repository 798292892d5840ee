/**
 * Reads struct_ops maps: each variable of `.struct_ops` is a struct whose function pointers are programs.
 *
 * @module
 */

import type { Btf } from "../../btf/btf.ts";
import { BtfError } from "../../btf/error.ts";
import type { ElfFile, ElfSection } from "../../elf/elf.ts";
import type { PlacedSection } from "../spec/datasec.ts";
import { openError } from "../spec/error.ts";
import { MapDefinition } from "../spec/map_spec.ts";
import { StructOps } from "../spec/struct_ops_spec.ts";
import { BPF_F_LINK } from "../../uapi/bpf_flags.ts";

/** Limit of members per struct_ops type. The kernel's largest, sched_ext_ops, has about fifty. */
const MOST_MEMBERS = 1024;

/**
 * Creates a map for each variable of a struct_ops section.
 *
 * @throws {ObjectError} EINVAL for a variable that is not a struct, overlaps another or extends past its
 * section, E2BIG for one with too many members, EOPNOTSUPP for a struct without a name.
 */
export function readStructOps(
  elf: ElfFile,
  section: ElfSection,
  placed: readonly PlacedSection[],
  btf: Btf,
  firstIndex: number,
): MapDefinition[] {
  const definitions = placed.find(({ name }) => name === section.name);
  if (definitions === undefined) {
    throw openError(elf.name, "EINVAL", `section ${section.name} has no data section in BTF`);
  }
  const name = section.name.replace(/^\?/, "");
  let taken = 0;
  return definitions.variables.map((variable, index) => {
    const fail = (errno: string, why: string): Error =>
      openError(elf.name, errno, `struct_ops ${variable.name} ${why}`);
    let typeId: number;
    try {
      typeId = btf.resolve(variable.typeId);
    } catch (cause) {
      if (!(cause instanceof BtfError)) throw cause;
      throw fail("EINVAL", "has an invalid type");
    }
    const type = btf.type(typeId);
    if (type.name === "") throw fail("EOPNOTSUPP", "has a type without a name");
    if (type.kind !== "struct") throw fail("EINVAL", `is a ${type.kind}, not a struct`);
    if (type.members.length > MOST_MEMBERS) {
      throw fail("E2BIG", `has ${type.members.length} members, more than ${MOST_MEMBERS}`);
    }
    taken += type.size;
    if (taken > section.data.length) throw fail("EINVAL", "overlaps another variable");
    if (variable.offset + type.size > section.data.length) {
      throw fail("EINVAL", `extends past the end of section ${section.name}`);
    }
    return new MapDefinition({
      name: variable.name,
      origin: "struct_ops",
      section: section.name,
      sectionIndex: section.index,
      sectionOffset: variable.offset,
      index: firstIndex + index,
      type: "struct_ops",
      keySize: 4,
      valueSize: type.size,
      maxEntries: 1,
      flags: name === ".struct_ops.link" ? BPF_F_LINK : 0,
      valueTypeId: typeId,
      autocreate: name === section.name,
      source: section.data.subarray(variable.offset, variable.offset + type.size),
      contentsSize: type.size,
    }, (map) => new StructOps(btf, type, map));
  });
}
