/**
 * Reads and writes values of BTF types in an object's bytes, with errors that name the variable or member.
 *
 * @module
 */

import type { Btf } from "../../btf/btf.ts";
import { codecFor } from "../../btf/codec/mod.ts";
import { SkepError } from "../../errors/skep_error.ts";
import { ObjectError } from "./error.ts";

/**
 * Reads a value of a type.
 *
 * @throws {ObjectError} when the type cannot be decoded.
 */
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
 * The bytes are not changed when it throws.
 *
 * @throws {ObjectError} when the value does not fit the type; the subject names the member.
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

/** Runs an action and converts its errors to {@linkcode ObjectError} of stage `usage`. */
function explained<T>(doing: string, subject: string, action: () => T): T {
  try {
    return action();
  } catch (cause) {
    if (!(cause instanceof SkepError)) throw cause;
    // The codec's subject is the type and the path to the member; only the path is of use here.
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
