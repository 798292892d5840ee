/**
 * Exercises CO-RE and value codecs on types that may be damaged.
 *
 * @module
 */

import { assertEquals, equal } from "@std/assert";
import {
  applyCore,
  type Btf,
  Codec,
  codecFor,
  CORE_KINDS,
  type CoreRelocation,
  CoreSession,
  CoreTargets,
  explainCore,
} from "../../btf/mod.ts";
import type { Random } from "./random.ts";

/** Runs one step; see {@linkcode exercise} in layers.ts. */
export type Attempt = <Result>(step: string, work: () => Result) => Result | undefined;

const ACCESSES = ["0", "0:0", "0:1", "0:0:0", "0:1:0:1", "3:0", "", ":", "0:4294967295", "-1:0"];

/** Instructions that relocations can patch: arithmetic, a load, a store, a 64-bit constant. */
const CODE = Uint8Array.of(
  ...[0xb7, 1, 0, 0, 0, 0, 0, 0],
  ...[0x61, 0x21, 0, 0, 0, 0, 0, 0],
  ...[0x63, 0x21, 0, 0, 0, 0, 0, 0],
  ...[0x18, 1, 0, 0, 0, 0, 0, 0],
  ...[0, 0, 0, 0, 0, 0, 0, 0],
);

/** Looks types up in `target` by every kind of relocation, and applies the decisions. */
export function exerciseCore(
  local: Btf,
  target: Btf,
  ids: readonly number[],
  attempt: Attempt,
): void {
  const session = new CoreSession(local, new CoreTargets(target));
  // Covers all kinds and accesses, each with some of the types.
  for (const id of ids.concat(local.endId)) {
    for (let turn = 0; turn < 4; turn++) {
      const kind = CORE_KINDS[(id * 4 + turn) % CORE_KINDS.length] ?? "byte_offset";
      const access = ACCESSES[(id * 3 + turn) % ACCESSES.length] ?? "0";
      decide(session, { section: "fuzz", offset: 0, typeId: id, access, kind }, attempt);
    }
  }
}

/** Decides relocations of the object itself: a few of them, or all. */
export function exerciseRelocations(
  btf: Btf,
  relocations: readonly CoreRelocation[],
  attempt: Attempt,
  sample: Random | undefined,
): void {
  const session = new CoreSession(btf, new CoreTargets(btf));
  const some = sample === undefined || relocations.length <= 8
    ? relocations
    : Array.from({ length: 8 }, () => sample.pick(relocations));
  for (const relocation of some) decide(session, relocation, attempt);
}

function decide(session: CoreSession, relocation: CoreRelocation, attempt: Attempt): void {
  const decision = attempt("core", () => session.resolve(relocation));
  if (decision === undefined) return;
  attempt("explain", () => explainCore(decision));
  for (let at = 0; at <= 5; at++) attempt("patch", () => applyCore(CODE.slice(), at, decision));
}

/** Larger values take time only because of their size. */
const LARGEST = 1 << 14;

/** Decodes bytes by every type, in both ways, and encodes the result. */
export function exerciseCodecs(btf: Btf, ids: readonly number[], attempt: Attempt): void {
  for (const id of ids) {
    const codec = attempt("codec", () => codecFor(btf, id));
    if (codec === undefined || codec.size > LARGEST) continue;
    attempt("describe", () => codec.describe());
    const bytes = Uint8Array.from({ length: codec.size + 5 }, (_, at) => at * 37);
    const value = attempt("decode", () => codec.decodeBytes(bytes));
    const other = attempt(
      "interpret",
      () => new Codec(btf, id, { generate: false }).decodeBytes(bytes),
    );
    attempt("compare", () => assertEquals(value, other));
    const again = attempt("encode", () => codec.encodeBytes(value, bytes.length));
    // Encoding must reverse decoding, except beyond a text's NUL: with overlapping members, the
    // text may be written last.
    if (again !== undefined) {
      attempt("decode again", () => {
        const first = codec.decodeBytes(again);
        if (equal(first, value)) return;
        assertEquals(codec.decodeBytes(codec.encodeBytes(first, bytes.length)), first);
      });
    }
    for (const wrong of [undefined, null, 1, "x", [], {}, { a: 1 }]) {
      attempt("encode what is wrong", () => codec.encodeBytes(wrong));
    }
  }
}
