/**
 * Changes of the user that reach every thread of this process.
 *
 * The system calls change the thread that makes them. glibc's functions of the same names have every thread
 * make them (nptl's setxid), which is what POSIX asks for.
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

/** The functions, each with 0 or `-errno` as its answer. */
export interface Identity extends Disposable {
  /** Leaves all supplementary groups. */
  readonly clearGroups: () => number;
  /** Real, effective and saved gid. */
  readonly setGroup: (gid: number) => number;
  /** Real, effective and saved uid. */
  readonly setUser: (uid: number) => number;
}

/** Opens libc for them; disposal closes it again. */
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
