/**
 * Resolves types behind qualifiers, and computes sizes and alignments.
 *
 * @module
 */

import { BtfError } from "./error.ts";
import type { TypeSource } from "./type_source.ts";
import { Kind } from "./types.ts";

/** Size of a pointer in bytes: BPF is a 64-bit machine, and so is every supported kernel. */
const POINTER_SIZE = 8;
/** Maximum nesting; libbpf and the kernel (32) refuse deeper types as well. */
const DEEPEST = 64;
/** libbpf's limit for the size of an array, in bytes. */
const BIGGEST = 0xffff_ffff;

const TRANSPARENT = 1 << Kind.typedef | 1 << Kind.const | 1 << Kind.volatile |
  1 << Kind.restrict | 1 << Kind.type_tag;

function transparent(kind: number): boolean {
  return kind < 32 && (TRANSPARENT >>> kind & 1) === 1;
}

function refuse(btf: TypeSource, id: number, why: string, errno?: string): BtfError {
  return new BtfError({
    subject: btf.name,
    why,
    data: { typeId: id },
    errno,
  });
}

/** Implements {@linkcode Btf.resolve}. */
export function resolveType(btf: TypeSource, id: number): number {
  let at = id;
  for (let depth = 0; depth < DEEPEST; depth++) {
    if (!transparent(btf.kind(at))) return at;
    at = (btf.type(at) as { readonly type: number }).type;
  }
  throw refuse(btf, id, `type ${id} is an endless chain of typedefs or qualifiers`, "ELOOP");
}

/** Implements {@linkcode Btf.size}. */
export function sizeOf(btf: TypeSource, id: number): number {
  let count = 1;
  let at = id;
  for (let depth = 0; depth < DEEPEST; depth++) {
    const type = btf.type(at);
    let size: number;
    switch (type.kind) {
      case "int":
      case "struct":
      case "union":
      case "enum":
      case "enum64":
      case "float":
      case "datasec":
        size = type.size;
        break;
      case "ptr":
        size = POINTER_SIZE;
        break;
      case "array":
        count *= type.length;
        if (count > BIGGEST) {
          throw refuse(btf, id, `type ${id} is an array of more than 4 GiB`, "E2BIG");
        }
        at = type.type;
        continue;
      case "typedef":
      case "const":
      case "volatile":
      case "restrict":
      case "type_tag":
      case "var":
      case "decl_tag":
        at = type.type;
        continue;
      default:
        throw refuse(btf, id, `type ${id} ends in ${described(btf, at)}, which has no size`);
    }
    if (size * count > BIGGEST) {
      throw refuse(btf, id, `type ${id} is an array of more than 4 GiB`, "E2BIG");
    }
    return size * count;
  }
  throw refuse(btf, id, `type ${id} refers to other types endlessly`, "ELOOP");
}

/** Implements {@linkcode Btf.alignment}. */
export function alignmentOf(btf: TypeSource, id: number, known: Map<number, number>): number {
  return align(btf, id, known, 0);
}

function align(btf: TypeSource, id: number, known: Map<number, number>, depth: number): number {
  const found = known.get(id);
  if (found !== undefined) return found;
  if (depth > DEEPEST) throw refuse(btf, id, `type ${id} contains itself`, "ELOOP");
  const type = btf.type(id);
  let alignment: number;
  switch (type.kind) {
    case "int":
    case "enum":
    case "enum64":
    case "float":
      alignment = Math.max(1, Math.min(POINTER_SIZE, type.size));
      break;
    case "ptr":
      alignment = POINTER_SIZE;
      break;
    case "typedef":
    case "const":
    case "volatile":
    case "restrict":
    case "type_tag":
    case "var":
    case "array":
      alignment = align(btf, type.type, known, depth + 1);
      break;
    case "struct":
    case "union": {
      alignment = 1;
      let packed = false;
      for (const member of type.members) {
        const own = align(btf, member.type, known, depth + 1);
        alignment = Math.max(alignment, own);
        if (member.bitSize === 0 && member.bitOffset % (own * 8) !== 0) packed = true;
      }
      // A struct with a member off its natural alignment was declared packed.
      if (packed || type.size % alignment !== 0) alignment = 1;
      break;
    }
    default:
      throw refuse(btf, id, `type ${id} is ${described(btf, id)}, which has no alignment`);
  }
  known.set(id, alignment);
  return alignment;
}

function described(btf: TypeSource, id: number): string {
  const name = btf.nameOf(id);
  return name === "" ? btf.kindName(id) : `${btf.kindName(id)} ${name}`;
}
