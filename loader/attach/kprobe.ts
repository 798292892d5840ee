/**
 * Kprobes: entry, return or any instruction of a kernel function.
 *
 * @module
 */

import type { KprobeAttachSpec } from "../../object/section/attach_spec.ts";
import { type AttachableProgram, loadedFor } from "./attachable.ts";
import { attachError } from "./target/error.ts";
import { AttachMethod } from "./kind.ts";
import { attachToFunctions } from "./kprobe_multi.ts";
import { attachKprobeByPerf } from "./kprobe_perf.ts";
import type { Link } from "./link.ts";
import { BIGINT, BOOLEAN, INTEGER, oneOf, TEXT } from "./options.ts";
import { PERF, type PerfLinkOptions, refusePerfOptions } from "./perf.ts";

/** Where a kprobe goes. */
export interface KprobeOptions extends PerfLinkOptions {
  /** The kernel function. */
  readonly function?: string | undefined;
  /** Bytes from the function's start. @default {0} */
  readonly offset?: number | undefined;
  /** An address instead of a function. */
  readonly address?: bigint | undefined;
  /** On return instead of entry; the section says it. */
  readonly returns?: boolean | undefined;
  /** `"tracefs"` makes the probe in a file, the only way before Linux 4.17. Default: perf_event_open, and tracefs where the kernel has no such perf events. */
  readonly probe?: "perf" | "tracefs" | undefined;
}

/** Which way `probe` names. */
export const PROBE_WAYS: { readonly [way in "perf" | "tracefs"]: true } = {
  perf: true,
  tracefs: true,
};

/** How programs attach to `kprobe` hooks. */
export const kprobe: AttachMethod<"kprobe", KprobeOptions> = new AttachMethod<
  "kprobe",
  KprobeOptions
>({
  kind: "kprobe",
  options: {
    ...PERF,
    function: TEXT,
    offset: INTEGER,
    address: BIGINT,
    returns: BOOLEAN,
    probe: oneOf(PROBE_WAYS),
  },
  attach,
});

/**
 * Attaches to a kernel function, or to an instruction of one.
 *
 * A program that was loaded for kprobe.multi, as with a token, is attached by such a link, which needs no
 * perf event. Minimum kernel: Linux 4.1 by tracefs, 4.17 by perf_event_open.
 *
 * @throws AttachError, KernelError or DelegationError, as {@linkcode attachProgram}.
 * @example
 * ```ts ignore
 * import { attachKprobe } from "@skep/skep/attach";
 *
 * using link = attachKprobe(object.programs.get("trace"), { function: "do_unlinkat" });
 * ```
 */
export function attachKprobe(program: AttachableProgram, options: KprobeOptions = {}): Link {
  return kprobe.attach(program, options);
}

function attach(
  program: AttachableProgram,
  options: KprobeOptions,
  spec: KprobeAttachSpec | undefined,
): Link {
  const { address, probe, cookie, forceIoctl } = options;
  const written = address === undefined ? spec : undefined;
  return attachToFunction(program, {
    function: options.function ?? written?.function,
    offset: options.offset ?? written?.offset,
    address,
    returns: options.returns ?? spec?.returns,
    probe,
    cookie,
    forceIoctl,
  });
}

/** Attaches to one function, by the form that the program was loaded for. */
export function attachToFunction(program: AttachableProgram, options: KprobeOptions): Link {
  const { function: name, address, offset = 0, returns = false, ...way } = options;
  if (name === undefined && address === undefined) {
    throw attachError(program.name, "no kernel function was given", {
      errno: "EINVAL",
      fix: 'attach({ function: "NAME" }), or name it in the section: kprobe/NAME',
    });
  }
  if (address !== undefined && (name !== undefined || offset !== 0)) {
    throw attachError(program.name, "an address excludes function and offset", {
      errno: "EINVAL",
    });
  }
  if (loadedFor(program) !== "trace_kprobe_multi") {
    return attachKprobeByPerf(program, { function: name, offset, address, returns }, way);
  }
  const { cookie, probe, forceIoctl } = way;
  refusePerfOptions(program, "kprobe.multi", { probe, forceIoctl });
  if (offset !== 0) {
    throw attachError(program.name, "kprobe.multi probes the beginning of functions only", {
      errno: "EINVAL",
      fix: 'leave the offset out, or load with rewrite: "never" and attach as root',
      data: { offset },
    });
  }
  return attachToFunctions(program, {
    functions: name === undefined ? undefined : [name],
    addresses: address === undefined ? undefined : [address],
    cookies: cookie === undefined ? undefined : [cookie],
    returns,
  });
}
