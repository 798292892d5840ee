/**
 * Attaches kprobes: to the entry, return or any instruction of a kernel function.
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

/** Attach options of kprobe programs. */
export interface KprobeOptions extends PerfLinkOptions {
  /** Name of the kernel function. */
  readonly function?: string | undefined;
  /** Offset from the function's start in bytes. @default {0} */
  readonly offset?: number | undefined;
  /** Kernel address to probe. Excludes `function` and `offset`. */
  readonly address?: bigint | undefined;
  /** Attaches to the return instead of the entry. @default {as in the section} */
  readonly returns?: boolean | undefined;
  /**
   * How the probe is created: by perf_event_open (Linux 4.17) or through `kprobe_events` of tracefs. `"perf"`
   * falls back to tracefs when the kernel has no kprobe PMU.
   *
   * @default {"perf"}
   */
  readonly probe?: "perf" | "tracefs" | undefined;
}

/** Accepted values of `probe`. */
export const PROBE_WAYS: { readonly [way in "perf" | "tracefs"]: true } = {
  perf: true,
  tracefs: true,
};

/** Attach method for `kprobe` hooks. */
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
 * Attaches to a kernel function, or to an instruction within one.
 *
 * A program loaded for kprobe.multi (the token form) is attached by a kprobe.multi link, which needs no perf
 * event. Minimum kernel: Linux 4.1 through tracefs, 4.17 by perf_event_open.
 *
 * @throws {AttachError} when an option is not one of this kind's, or the target is missing or does not exist.
 * @throws {KernelError} when the kernel refuses.
 * @throws {DelegationError} when it refuses because a privilege is missing.
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

/** Attaches to one function, by a kprobe.multi link or a perf event as the program's attach type requires. */
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
    throw attachError(program.name, "kprobe.multi probes only the first instruction of functions", {
      errno: "EINVAL",
      fix: 'leave out the offset, or load with rewrite: "never" and attach as root',
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
