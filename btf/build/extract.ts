/**
 * Extracts some types of a BTF.
 *
 * @module
 */

import { type Btf, rawTypes } from "../btf.ts";
import { BtfBuilder } from "./builder.ts";
import { forEachReference } from "./references.ts";

/** The result of {@linkcode cutBtf}. */
export interface BtfCut {
  /** The BTF, in the byte order of its source. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** The new id of each kept type by its old id. */
  readonly ids: ReadonlyMap<number, number>;
}

/**
 * Returns a BTF with these types and all types that they refer to, in the order of their old ids.
 *
 * Types that split BTF takes from its base are copied, so the result has no base.
 *
 * @throws {BtfError} for a root that does not exist.
 */
export function cutBtf(btf: Btf, roots: Iterable<number>): BtfCut {
  const seen = new Set<number>();
  const todo: number[] = [];
  const want = (id: number): void => {
    if (id === 0 || seen.has(id)) return;
    btf.kind(id);
    seen.add(id);
    todo.push(id);
  };
  for (const id of roots) want(id);
  for (let id = todo.pop(); id !== undefined; id = todo.pop()) {
    let owner = btf;
    while (owner.base !== undefined && id < owner.firstId) owner = owner.base;
    const { tables } = rawTypes(owner);
    const start = tables.starts[id - (owner.base?.endId ?? 0)] as number;
    forEachReference(tables.words, start, (at) => want(tables.words[at] as number), () => {});
  }
  const kept = [...seen].sort((a, b) => a - b);
  const ids = new Map<number, number>([[0, 0]]);
  kept.forEach((id, index) => ids.set(id, index + 1));
  const builder = new BtfBuilder();
  builder.copy(btf, kept, (id) => ids.get(id) ?? 0);
  return { bytes: builder.build({ littleEndian: btf.littleEndian }), ids };
}
