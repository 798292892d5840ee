/**
 * Reads BTF-defined maps of `.maps`: structs whose members' types encode the definition.
 *
 * `int (*key_size)[4]` encodes 4 as an array's length, `u32 *key` names a type, `__ulong(map_extra, …)` is
 * an enumeration with one value.
 *
 * @module
 */

import type { Btf } from "../../btf/btf.ts";
import { BtfError } from "../../btf/error.ts";
import type { CompositeType, Member } from "../../btf/types.ts";
import type { ElfFile, ElfSection } from "../../elf/elf.ts";
import type { PlacedSection } from "../spec/datasec.ts";
import { type ObjectError, openError } from "../spec/error.ts";
import { type MapTypeName, mapTypeName } from "../../uapi/enums.ts";
import { holdsMaps } from "../spec/map_rules.ts";
import { MapDefinition } from "../spec/map_spec.ts";

/** A map definition while it is read. */
interface Definition {
  type: MapTypeName | number | undefined;
  keySize: number;
  valueSize: number;
  keyTypeId: number;
  valueTypeId: number;
  maxEntries: number;
  flags: number;
  numaNode: number;
  mapExtra: bigint;
  pinning: "none" | "by-name";
  inner: Definition | undefined;
  /** Offset of `values` in the struct in bytes; -1 for none. */
  valuesOffset: number;
}

/** A map and the place of its static slots. */
export interface DefinedMap {
  /** The map. */
  readonly map: MapDefinition;
  /** Size of the variable in bytes. */
  readonly size: number;
  /** Offset of the slots in the variable in bytes; -1 when it has none. */
  readonly valuesOffset: number;
}

/**
 * Reads all maps of `.maps`, ordered by offset.
 *
 * @throws {ObjectError} as libbpf: EOPNOTSUPP for a static or extern map and for an unknown member (unless
 * `relaxed`), EINVAL for a map without a type, with conflicting sizes or with an invalid member.
 */
export function readMaps(
  elf: ElfFile,
  section: ElfSection,
  placed: readonly PlacedSection[],
  btf: Btf,
  relaxed: boolean,
): DefinedMap[] {
  const definitions = placed.find(({ name }) => name === ".maps");
  if (definitions === undefined) {
    throw openError(elf.name, "ENOENT", "section .maps has no data section in BTF");
  }
  return definitions.variables.map((variable, index) => {
    const reader = new DefinitionReader(elf, btf, variable.name, relaxed);
    if (variable.name === "") throw reader.error("EINVAL", "it has no name");
    if (variable.offset + variable.size > section.size) {
      throw reader.error("EINVAL", "it extends past the end of section .maps");
    }
    if (variable.linkage !== "global") {
      throw reader.error(
        "EOPNOTSUPP",
        `it is ${variable.linkage === "extern" ? "extern" : "static or hidden"}; ` +
          "maps must be global",
      );
    }
    const type = btf.type(btf.resolve(variable.typeId));
    if (type.kind !== "struct") throw reader.error("EINVAL", `it is a ${type.kind}, not a struct`);
    if (type.size > variable.size) {
      throw reader.error(
        "EINVAL",
        `its struct has ${type.size} bytes, the variable ${variable.size}`,
      );
    }
    const definition = reader.read(type, false);
    const place = {
      section: section.name,
      sectionIndex: section.index,
      sectionOffset: variable.offset,
      index,
    };
    const inner = definition.inner === undefined ? undefined : new MapDefinition({
      ...factsOf(definition.inner),
      ...place,
      name: `${variable.name}.inner`,
      origin: "inner",
    });
    return {
      map: new MapDefinition({
        ...factsOf(definition),
        ...place,
        name: variable.name,
        origin: "maps",
        inner,
      }),
      size: variable.size,
      valuesOffset: definition.valuesOffset,
    };
  });
}

/** Returns the part of a definition that describes the map itself. */
function factsOf(
  { type = 0, inner: _inner, valuesOffset: _offset, ...facts }: Definition,
): Omit<Definition, "type" | "inner" | "valuesOffset"> & { type: MapTypeName | number } {
  return { type, ...facts };
}

/** Limit of members per definition: libbpf defines twelve, and many maps may share one large struct. */
const MOST_MEMBERS = 256;

/** Reads one map's definition. */
class DefinitionReader {
  readonly #elf: ElfFile;
  readonly #btf: Btf;
  readonly #name: string;
  readonly #relaxed: boolean;

  constructor(elf: ElfFile, btf: Btf, name: string, relaxed: boolean) {
    this.#elf = elf;
    this.#btf = btf;
    this.#name = name;
    this.#relaxed = relaxed;
  }

  error(errno: string, why: string, fix?: string): ObjectError {
    return openError(this.#elf.name, errno, `map ${this.#name}: ${why}`, {
      fix,
      data: { map: this.#name },
    });
  }

  read(struct: CompositeType, isInner: boolean): Definition {
    const definition: Definition = {
      type: undefined,
      keySize: 0,
      valueSize: 0,
      keyTypeId: 0,
      valueTypeId: 0,
      maxEntries: 0,
      flags: 0,
      numaNode: 0,
      mapExtra: 0n,
      pinning: "none",
      inner: undefined,
      valuesOffset: -1,
    };
    if (struct.members.length > MOST_MEMBERS) {
      throw this.error(
        "E2BIG",
        `it has ${struct.members.length} members, more than ${MOST_MEMBERS}`,
      );
    }
    for (let index = 0; index < struct.members.length; index++) {
      const member = struct.members[index] as Member;
      if (member.name === "values" && index !== struct.members.length - 1) {
        throw this.error("EINVAL", "member values is not the last one");
      }
      this.#readMember(definition, member, isInner);
    }
    if (definition.type === undefined || definition.type === "unspec") {
      throw this.error("EINVAL", "it has no type", "add __uint(type, BPF_MAP_TYPE_…)");
    }
    return definition;
  }

  #readMember(definition: Definition, member: Member, isInner: boolean): void {
    switch (member.name) {
      case "":
        throw this.error("EINVAL", "a member has no name");
      case "type": {
        const number = this.#integer(member);
        definition.type = mapTypeName(number) ?? number;
        return;
      }
      case "max_entries":
        definition.maxEntries = this.#integer(member);
        return;
      case "map_flags":
        definition.flags = this.#integer(member);
        return;
      case "numa_node":
        definition.numaNode = this.#integer(member);
        return;
      case "map_extra":
        definition.mapExtra = this.#long(member);
        return;
      case "key_size":
        definition.keySize = this.#agree(member, definition.keySize, this.#integer(member));
        return;
      case "value_size":
        definition.valueSize = this.#agree(member, definition.valueSize, this.#integer(member));
        return;
      case "key":
        definition.keyTypeId = this.#pointee(member);
        definition.keySize = this.#agree(
          member,
          definition.keySize,
          this.#sizeOf(member, definition.keyTypeId),
        );
        return;
      case "value":
        definition.valueTypeId = this.#pointee(member);
        definition.valueSize = this.#agree(
          member,
          definition.valueSize,
          this.#sizeOf(member, definition.valueTypeId),
        );
        return;
      case "values":
        this.#readValues(definition, member, isInner);
        return;
      case "pinning": {
        if (isInner) throw this.error("EINVAL", "an inner map cannot be pinned");
        const pinning = this.#integer(member);
        if (pinning > 1) {
          throw this.error(
            "EINVAL",
            `pinning is ${pinning}; it must be LIBBPF_PIN_NONE (0) or LIBBPF_PIN_BY_NAME (1)`,
          );
        }
        definition.pinning = pinning === 1 ? "by-name" : "none";
        return;
      }
      default:
        if (this.#relaxed) return;
        throw this.error(
          "EOPNOTSUPP",
          `member ${member.name} is unknown`,
          "parse with { relaxedMaps: true } to ignore it",
        );
    }
  }

  #readValues(definition: Definition, member: Member, isInner: boolean): void {
    if (isInner) throw this.error("EOPNOTSUPP", "an inner map cannot have inner maps");
    const { type } = definition;
    const isProgramArray = type === "prog_array";
    if (!isProgramArray && (type === undefined || !holdsMaps(type))) {
      throw this.error("EOPNOTSUPP", "only maps of maps and prog arrays have values");
    }
    definition.valueSize = this.#agree(member, definition.valueSize, 4);
    definition.valuesOffset = member.bitOffset / 8;
    const btf = this.#btf;
    const array = btf.type(member.type);
    if (array.kind !== "array" || array.length !== 0) {
      throw this.error("EINVAL", "values is not an array of unknown length");
    }
    const pointer = btf.type(btf.resolve(array.type));
    const pointee = pointer.kind === "ptr" ? btf.type(btf.resolve(pointer.type)) : pointer;
    const wanted = isProgramArray ? "func_proto" : "struct";
    if (pointer.kind !== "ptr" || pointee.kind !== wanted) {
      throw this.error(
        "EINVAL",
        `values is an array of ${pointer.kind}, not of pointers to ${wanted}`,
      );
    }
    if (pointee.kind === "struct") definition.inner = this.read(pointee, true);
  }

  /** Decodes a member of `__uint()`: the length of an array. */
  #integer(member: Member): number {
    const pointer = this.#btf.type(this.#btf.resolve(member.type));
    if (pointer.kind !== "ptr") {
      throw this.error(
        "EINVAL",
        `member ${member.name} is a ${pointer.kind}, not a pointer`,
        `write it as __uint(${member.name}, …)`,
      );
    }
    const array = this.#btf.type(pointer.type);
    if (array.kind !== "array") {
      throw this.error(
        "EINVAL",
        `member ${member.name} points to a ${array.kind}, not to an array`,
        `write it as __uint(${member.name}, …)`,
      );
    }
    return array.length;
  }

  /** Decodes a member of `__uint()` or `__ulong()`: the length of an array or a 64-bit enumerator. */
  #long(member: Member): bigint {
    const type = this.#btf.type(this.#btf.resolve(member.type));
    if (type.kind === "ptr") return BigInt(this.#integer(member));
    if (type.kind !== "enum" && type.kind !== "enum64") {
      throw this.error("EINVAL", `member ${member.name} is a ${type.kind}, not an enumeration`);
    }
    const [only, ...others] = type.values;
    if (only === undefined || others.length > 0) {
      throw this.error("EINVAL", `member ${member.name} has ${type.values.length} values, not one`);
    }
    // As in libbpf, a 32-bit value is sign-extended: clang before 15 truncates wider values (it has no
    // enum64), and a truncated address must not look valid.
    const value = type.kind === "enum" ? BigInt(Number(only.value) | 0) : BigInt(only.value);
    return BigInt.asUintN(64, value);
  }

  /** Returns the type that a member points to. */
  #pointee(member: Member): number {
    const type = this.#btf.type(member.type);
    if (type.kind === "ptr") return type.type;
    throw this.error(
      "EINVAL",
      `member ${member.name} is a ${type.kind}, not a pointer`,
      `write it as __type(${member.name}, …)`,
    );
  }

  #sizeOf(member: Member, typeId: number): number {
    try {
      return this.#btf.size(typeId);
    } catch (cause) {
      if (!(cause instanceof BtfError)) throw cause;
      throw this.error("EINVAL", `the type of member ${member.name} has no size`);
    }
  }

  /** Returns a size, after checking that it equals one given before. */
  #agree(member: Member, before: number, size: number): number {
    if (before === 0 || before === size) return size;
    throw this.error(
      "EINVAL",
      `member ${member.name} gives ${size} bytes, another member ${before}`,
    );
  }
}
