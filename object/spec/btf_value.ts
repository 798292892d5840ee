/**
 * Values of BTF types in an object's bytes, with errors that say which variable or member it was.
 *
 * @module
 */

import type { Btf } from "../../btf/btf.ts";
import { codecFor } from "../../btf/codec/mod.ts";
import { SkepError } from "../../errors/skep_error.ts";
import { ObjectError } from "./error.ts";

/** Reads a value of a type. */
export function readValue(
  btf: Btf,
  typeId: number,
  bytes: Uint8Array<ArrayBuffer>,
  subject: string,
): unknown {
  return explained("read", subject, () => codecFor(btf, typeId).decodeBytes(bytes));
}

/**
 * Writes a value of a type.
 *
 * The bytes are as they were when the value does not fit.
 */
export function writeValue(
  btf: Btf,
  typeId: number,
  bytes: Uint8Array<ArrayBuffer>,
  value: unknown,
  subject: string,
): void {
  explained("set", subject, () => {
    const codec = codecFor(btf, typeId);
    const copy = bytes.slice();
    codec.encode(value, new DataView(copy.buffer), 0, { partial: true });
    bytes.set(copy);
  });
}

/** Runs an action; its typed errors become this layer's, at the stage `usage`. */
function explained<T>(doing: string, subject: string, action: () => T): T {
  try {
    return action();
  } catch (cause) {
    if (!(cause instanceof SkepError)) throw cause;
    // The codec names the type and the way to the member; the type's name says nothing here.
    const path = /[.[].*/.exec(cause.subject)?.[0] ?? "";
    throw new ObjectError(
      {
        doing,
        subject: subject + path,
        errno: cause.errno ?? "EINVAL",
        stage: "usage",
        why: cause.why,
        data: cause.data,
      },
      { cause },
    );
  }
}
