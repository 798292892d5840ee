/**
 * Changes the user and groups of every thread of this process.
 *
 * The system calls change the calling thread only. glibc's functions of the same names make the call on
 * every thread (nptl's setxid), as POSIX requires.
 *
 * @module
 */

import { Errno } from "../../../uapi/errno.ts";
import { native } from "./native.ts";

const symbols = {
  setgroups: { parameters: ["usize", "pointer"], result: "i32" },
  setresgid: { parameters: ["u32", "u32", "u32"], result: "i32" },
  setresuid: { parameters: ["u32", "u32", "u32"], result: "i32" },
} as const satisfies Deno.ForeignLibraryInterface;

/** libc's functions; each returns 0 or `-errno`. */
export interface Identity extends Disposable {
  /** Drops all supplementary groups. */
  readonly clearGroups: () => number;
  /** Sets the real, effective and saved gid. */
  readonly setGroup: (gid: number) => number;
  /** Sets the real, effective and saved uid. */
  readonly setUser: (uid: number) => number;
}

/** Opens libc; disposal closes it. */
export function openIdentity(): Identity {
  const library = Deno.dlopen("libc.so.6", symbols);
  const { setgroups, setresgid, setresuid } = library.symbols;
  const { errno } = native();
  const answer = (result: number): number => result < 0 ? -(errno[0] ?? Errno.EPERM) : result;
  return {
    clearGroups: () => answer(setgroups(0n, null)),
    setGroup: (gid) => answer(setresgid(gid, gid, gid)),
    setUser: (uid) => answer(setresuid(uid, uid, uid)),
    [Symbol.dispose]: () => library.close(),
  };
}
