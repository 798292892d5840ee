/**
 * Finds the words of a type that refer to other types and to strings.
 *
 * @module
 */

import { Kind } from "../types.ts";

/**
 * Calls back with the index of each word that holds a type id or a string offset.
 *
 * `start` is where the type starts in `words`.
 */
export function forEachReference(
  words: Uint32Array,
  start: number,
  onType: (at: number) => void,
  onString: (at: number) => void,
): void {
  onString(start);
  const info = words[start + 1] as number;
  const vlen = info & 0xffffff;
  const body = start + 3;
  switch (info >>> 24 & 0x7f) {
    case Kind.ptr:
    case Kind.typedef:
    case Kind.volatile:
    case Kind.const:
    case Kind.restrict:
    case Kind.type_tag:
    case Kind.decl_tag:
    case Kind.var:
    case Kind.func:
      onType(start + 2);
      break;
    case Kind.array:
      onType(body);
      onType(body + 1);
      break;
    case Kind.struct:
    case Kind.union:
      for (let index = 0; index < vlen; index++) {
        onString(body + index * 3);
        onType(body + index * 3 + 1);
      }
      break;
    case Kind.enum:
      for (let index = 0; index < vlen; index++) onString(body + index * 2);
      break;
    case Kind.enum64:
      for (let index = 0; index < vlen; index++) onString(body + index * 3);
      break;
    case Kind.func_proto:
      onType(start + 2);
      for (let index = 0; index < vlen; index++) {
        onString(body + index * 2);
        onType(body + index * 2 + 1);
      }
      break;
    case Kind.datasec:
      for (let index = 0; index < vlen; index++) onType(body + index * 3);
      break;
  }
}
