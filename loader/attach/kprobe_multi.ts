/**
 * Attaches to many kernel functions with one link: kprobe.multi and kprobe.session.
 *
 * @module
 */

import type { KprobeMultiAttachSpec } from "../../object/section/attach_spec.ts";
import { AttachMethod } from "./kind.ts";
import { BIGINTS, BOOLEAN, TEXT, TEXTS } from "./options.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import { AttachType } from "../../uapi/enums.ts";
import { attachError, checkAttach } from "./target/error.ts";
import { globMatcher, isGlob } from "./target/glob.ts";
import { type AttachableProgram, loadedFor } from "./attachable.ts";
import { Link } from "./link.ts";
import { kernelFunctions, lines, noSuchFunction, tracefs } from "./target/nearest.ts";
import { BPF_F_KPROBE_MULTI_RETURN } from "../../uapi/bpf_flags.ts";
import { Errno, failed } from "../../uapi/errno.ts";

/** Attach options of kprobe.multi programs: exactly one of pattern, functions and addresses. */
export interface KprobeMultiOptions {
  /** Glob over function names: `*` matches any text, `?` one character. */
  readonly pattern?: string | undefined;
  /** Names of functions. */
  readonly functions?: readonly string[] | undefined;
  /** Addresses of functions. */
  readonly addresses?: readonly bigint[] | undefined;
  /** Values that `bpf_get_attach_cookie()` returns, one per function or address. */
  readonly cookies?: readonly bigint[] | undefined;
  /** Attaches to the return instead of the entry. @default {as in the section} */
  readonly returns?: boolean | undefined;
}

/** Attach method for `kprobe_multi` hooks. */
export const kprobeMulti: AttachMethod<"kprobe_multi", KprobeMultiOptions> = new AttachMethod<
  "kprobe_multi",
  KprobeMultiOptions
>({
  kind: "kprobe_multi",
  options: {
    pattern: TEXT,
    functions: TEXTS,
    addresses: BIGINTS,
    cookies: BIGINTS,
    returns: BOOLEAN,
  },
  abilities: (program) => isSession(program) ? ["kprobe_session"] : [],
  attach,
});

/**
 * Attaches to many kernel functions with one link.
 *
 * A program loaded for kprobe.session (Linux 6.10) runs on entry and on return. Minimum kernel: Linux 5.18.
 *
 * @throws {AttachError} when an option is not one of this kind's, or the target is missing or does not exist.
 * @throws {KernelError} when the kernel refuses.
 * @throws {DelegationError} when it refuses because a privilege is missing.
 * @example
 * ```ts ignore
 * import { attachKprobeMulti } from "@skep/skep/attach";
 *
 * using link = attachKprobeMulti(object.programs.get("trace"), { pattern: "vfs_*" });
 * ```
 */
export function attachKprobeMulti(
  program: AttachableProgram,
  options: KprobeMultiOptions = {},
): Link {
  return kprobeMulti.attach(program, options);
}

function attach(
  program: AttachableProgram,
  options: KprobeMultiOptions,
  spec: KprobeMultiAttachSpec | undefined,
): Link {
  const { functions, addresses, cookies } = options;
  const named = functions !== undefined || addresses !== undefined;
  return attachToFunctions(program, {
    pattern: options.pattern ?? (named ? undefined : spec?.pattern),
    functions,
    addresses,
    cookies,
    returns: options.returns ?? spec?.returns,
  });
}

function isSession(program: AttachableProgram): boolean {
  return loadedFor(program) === "trace_kprobe_session";
}

/**
 * Attaches to all functions of exactly one of pattern, functions and addresses.
 *
 * @throws {AttachError} when none or several of them are given, or a pattern matches nothing.
 */
export function attachToFunctions(program: AttachableProgram, options: KprobeMultiOptions): Link {
  const { kernel } = program;
  const { pattern, cookies, returns = false } = options;
  const session = isSession(program);
  const places = placesOf(kernel, program, options);
  const count = places.symbols?.length ?? places.addresses?.length ?? 0;
  if (cookies !== undefined && (pattern !== undefined || cookies.length !== count)) {
    throw attachError(
      program.name,
      `${cookies.length} cookies were given for ${pattern === undefined ? count : "a pattern"}`,
      { errno: "EINVAL", fix: "give one cookie for each function or address" },
    );
  }
  const fd = kernel.linkCreate({
    programFd: program.fd,
    target: 0,
    attachType: session ? AttachType.trace_kprobe_session : AttachType.trace_kprobe_multi,
    extra: {
      kind: "kprobe-multi",
      flags: returns ? BPF_F_KPROBE_MULTI_RETURN : 0,
      ...places,
      cookies,
    },
  });
  const [first] = places.symbols ?? [];
  // ESRCH: one of the names is not a function that can be probed.
  if ((failed(fd, Errno.ESRCH, Errno.ENOENT)) && first !== undefined && count === 1) {
    throw noSuchFunction(kernel, program, first);
  }
  const target = pattern ?? `${count} functions`;
  checkAttach(fd, program.name, "BPF_LINK_CREATE", {
    data: { target, functions: count },
    why: failed(fd, Errno.ESRCH)
      ? "one of the functions does not exist, or cannot be probed"
      : failed(fd, Errno.EOPNOTSUPP)
      ? "this kernel has no kprobe.multi (CONFIG_FPROBE)"
      : undefined,
  });
  const kind = session ? "kprobe.session" : returns ? "kretprobe.multi" : "kprobe.multi";
  return new Link(kernel, { kind, program: program.name, target, fd });
}

interface Places {
  readonly symbols?: readonly string[] | undefined;
  readonly addresses?: readonly bigint[] | undefined;
}

function placesOf(
  kernel: Kernel,
  program: AttachableProgram,
  options: KprobeMultiOptions,
): Places {
  const { pattern, functions, addresses } = options;
  const given = [pattern, functions, addresses].filter((value) => value !== undefined);
  if (given.length !== 1) {
    throw attachError(
      program.name,
      "exactly one of pattern, functions and addresses must be given",
      {
        errno: "EINVAL",
        fix: 'attach({ pattern: "vfs_*" })',
      },
    );
  }
  if (addresses !== undefined) return { addresses };
  if (functions !== undefined) return { symbols: functions };
  if (pattern === undefined || !isGlob(pattern)) return { symbols: [pattern ?? ""] };
  const places = matching(kernel, pattern);
  if ((places.symbols ?? places.addresses ?? []).length === 0) {
    throw attachError(program.name, `no kernel function that can be probed matches "${pattern}"`, {
      errno: "ENOENT",
      data: { pattern },
    });
  }
  return places;
}

/**
 * Returns the functions that match a pattern: by address where tracefs lists addresses
 * (`available_filter_functions_addrs`, Linux 6.5), else by name. The kernel refuses a name that several
 * functions share, so such names are left out.
 */
function matching(kernel: Kernel, pattern: string): Places {
  const matches = globMatcher(pattern);
  const root = tracefs(kernel);
  const listed = root === undefined
    ? undefined
    : kernel.readFile(`${root}/available_filter_functions_addrs`);
  if (listed !== undefined && listed.result >= 0) {
    const addresses: bigint[] = [];
    for (const line of lines(listed.bytes)) {
      const [address = "", name = ""] = line.split(" ", 2);
      if (matches(name)) addresses.push(BigInt(`0x${address.replace(/^0x/, "")}`));
    }
    return { addresses };
  }
  const names = kernelFunctions(kernel).filter(matches);
  const counts = new Map<string, number>();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  return { symbols: [...counts.keys()].filter((name) => counts.get(name) === 1) };
}
