/**
 * Validates BTF as libbpf does: every id and every name that a type refers to must exist.
 *
 * @module
 */

import { NameMeter, SHARED_NAMES, type StringTable } from "../elf/string_table.ts";
import { BtfError } from "./error.ts";
import type { TypeSource } from "./type_source.ts";
import type { BtfTables } from "./tables.ts";
import { Kind, KINDS } from "./types.ts";

/**
 * Checks all types of the BTF, without those of its base.
 *
 * @throws {BtfError} EINVAL at the first malformed type, E2BIG when names share too many bytes.
 */
export function validate(
  btf: TypeSource,
  tables: BtfTables,
  strings: StringTable,
  zeroId: number,
): void {
  const { words, starts, kinds, nameOffsets, count } = tables;
  const { endId, endString } = btf;
  const firstString = btf.base?.endString ?? 0;
  const meter = NameMeter.for(strings, words.byteLength);

  const refuse = (entry: number, why: string): BtfError =>
    new BtfError({
      subject: btf.name,
      why: `type ${zeroId + entry} (${KINDS[kinds[entry] as number] ?? "unknown"}) ${why}`,
      data: { typeId: zeroId + entry },
    });
  const checkId = (entry: number, id: number): void => {
    if (id >= endId) throw refuse(entry, `refers to type ${id}; ids end at ${endId - 1}`);
  };
  const checkName = (entry: number, offset: number): void => {
    if (offset >= endString) {
      throw refuse(entry, `has a name at ${offset}, past the last one at ${endString}`);
    }
    if (meter === undefined || offset < firstString) return;
    if (!meter.count(offset - firstString)) {
      throw new BtfError({ subject: btf.name, why: SHARED_NAMES, errno: "E2BIG" });
    }
  };

  for (let entry = btf.base === undefined ? 1 : 0; entry < count; entry++) {
    checkName(entry, nameOffsets[entry] as number);
    const kind = kinds[entry] as number;
    const start = starts[entry] as number;
    const vlen = (words[start + 1] as number) & 0xffffff;
    const type = words[start + 2] as number;
    const body = start + 3;
    switch (kind) {
      case Kind.ptr:
      case Kind.typedef:
      case Kind.volatile:
      case Kind.const:
      case Kind.restrict:
      case Kind.type_tag:
      case Kind.decl_tag:
        checkId(entry, type);
        break;
      case Kind.var:
        checkId(entry, type);
        if ((words[body] as number) > 2) {
          throw refuse(
            entry,
            `has linkage ${words[body]}, which is none of static, global and extern`,
          );
        }
        break;
      case Kind.func:
        checkId(entry, type);
        if (btf.kind(type) !== Kind.func_proto) {
          throw refuse(entry, `has type ${type}, which is not a function prototype`);
        }
        if (vlen > 2) {
          throw refuse(entry, `has linkage ${vlen}, which is none of static, global and extern`);
        }
        break;
      case Kind.array:
        checkId(entry, words[body] as number);
        checkId(entry, words[body + 1] as number);
        break;
      case Kind.struct:
      case Kind.union:
        for (let index = 0; index < vlen; index++) {
          const at = body + index * 3;
          checkName(entry, words[at] as number);
          checkId(entry, words[at + 1] as number);
        }
        break;
      case Kind.enum:
        for (let index = 0; index < vlen; index++) {
          checkName(entry, words[body + index * 2] as number);
        }
        break;
      case Kind.enum64:
        for (let index = 0; index < vlen; index++) {
          checkName(entry, words[body + index * 3] as number);
        }
        break;
      case Kind.func_proto:
        checkId(entry, type);
        for (let index = 0; index < vlen; index++) {
          const at = body + index * 2;
          checkName(entry, words[at] as number);
          checkId(entry, words[at + 1] as number);
        }
        break;
      case Kind.datasec:
        for (let index = 0; index < vlen; index++) {
          checkId(entry, words[body + index * 3] as number);
        }
        break;
    }
  }
}
