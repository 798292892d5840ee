/**
 * Why the running kernel does not have something: it is older, or built without. For errors, after the
 * kernel refused; never to decide what is tried.
 *
 * @module
 */

import type { SkepError } from "../../errors/skep_error.ts";
import { Errno } from "../../uapi/errno.ts";
import { KernelError } from "../../errors/kernel_error.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import { readConfiguration } from "../externs/sources.ts";
import { type FeatureKind, features } from "./features.ts";
import { isAtLeast, type RequirementKind, requirementOf } from "./requirements.ts";

/** Why the kernel does not have something. */
export interface Unavailable {
  /** One line for people: `"it needs Linux 6.6, and this is 6.1.0-50-amd64"`. */
  readonly why: string;
  /** The release that is needed, when the kernel is older. */
  readonly linux?: string | undefined;
  /** The option that the kernel was built without. */
  readonly option?: string | undefined;
}

/** The errnos by which a kernel says that it does not know something. EPERM is not among them. */
const UNKNOWN: ReadonlySet<number> = new Set([
  Errno.EINVAL,
  Errno.ENOENT,
  Errno.E2BIG,
  Errno.EBADF,
  Errno.ENODEV,
  Errno.ENOSYS,
  Errno.EOPNOTSUPP,
  Errno.ENOTSUPP,
]);

/**
 * Why this kernel does not have a feature, or `undefined` when it should have it.
 *
 * Members of an enumeration are looked up in the kernel's own types; what else there is goes by the
 * release. Options are looked up in the kernel's configuration where it can be read.
 */
export function whyUnavailable(
  kernel: Kernel,
  kind: RequirementKind,
  name: string,
): Unavailable | undefined {
  const requirement = requirementOf(kind, name);
  if (requirement === undefined) return undefined;
  const { linux, built = [] } = requirement;
  const { release } = kernel.machine;
  if (!isAtLeast(release, linux) && !isMember(kernel, kind, name)) {
    return { why: `it needs Linux ${linux}, and this is ${release}`, linux };
  }
  const option = built.find((option) => kernelOption(kernel, option) === false);
  return option === undefined
    ? undefined
    : { why: `it needs a kernel with ${option}, and this one is built without`, option };
}

/** The error with the reason that the kernel does not have the feature, where that is the reason. */
export function explainUnavailable(
  kernel: Kernel,
  error: unknown,
  features: readonly (readonly [RequirementKind, string])[],
): SkepError | undefined {
  if (!(error instanceof KernelError) || !UNKNOWN.has(error.number)) return undefined;
  for (const [kind, name] of features) {
    const found = whyUnavailable(kernel, kind, name);
    if (found === undefined) continue;
    const { doing, subject, stage, command, number, data } = error;
    const { why, linux, option } = found;
    return new KernelError({
      doing,
      subject,
      command,
      result: -number,
      why,
      stage,
      data: {
        ...data,
        feature: `${kind} ${name}`,
        linux,
        option,
      },
    }, { cause: error });
  }
  return undefined;
}

/** Whether a newer feature was brought to an older kernel: its types have the name then. */
function isMember(kernel: Kernel, kind: RequirementKind, name: string): boolean {
  if (kind === "hook" || kind === "ability") return false;
  const facts: FeatureKind = kind;
  try {
    return features(kernel).has(facts, name);
  } catch {
    // A kernel without types says nothing.
    return false;
  }
}

const configurations = new WeakMap<Kernel, ReadonlySet<string> | "unreadable">();

/**
 * Whether the kernel was built with an option (as a module counts), or `undefined` where its
 * configuration cannot be read.
 */
export function kernelOption(kernel: Kernel, option: string): boolean | undefined {
  let set = configurations.get(kernel);
  if (set === undefined) configurations.set(kernel, set = optionsOf(kernel));
  return set === "unreadable" ? undefined : set.has(option);
}

function optionsOf(kernel: Kernel): ReadonlySet<string> | "unreadable" {
  let text: string;
  try {
    const found = readConfiguration(kernel);
    if (found === undefined) return "unreadable";
    text = new TextDecoder().decode(found.text);
  } catch {
    // A damaged file proves nothing.
    return "unreadable";
  }
  return new Set([...text.matchAll(/^(CONFIG_\w+)=[ym]$/gm)].map(([, name = ""]) => name));
}
