/**
 * Explains why the running kernel lacks a feature: it is older, or was built without it.
 *
 * Used for error texts after a refusal, never to decide what is tried.
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

/** Reason why the kernel lacks a feature. */
export interface Unavailable {
  /** The reason in one line: `"it needs Linux 6.6, and this is 6.1.0-50-amd64"`. */
  readonly why: string;
  /** The release that introduced the feature, when the kernel is older. */
  readonly linux?: string | undefined;
  /** The configuration option that the kernel was built without. */
  readonly option?: string | undefined;
}

/** Errnos that a kernel returns for a feature that it lacks. EPERM is not among them. */
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
 * Returns why this kernel lacks a feature, or `undefined` when it should have it.
 *
 * A kernel of an older release lacks the feature unless it is a member of an enumeration in the kernel's BTF,
 * which shows a backport. Configuration options are checked if the kernel's configuration can be read.
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

/** Returns the error with the reason why the kernel lacks one of the features, or `undefined` when it lacks none. */
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

/** Returns whether a feature was backported to this kernel: its BTF then has the enumerator. */
function isMember(kernel: Kernel, kind: RequirementKind, name: string): boolean {
  if (kind === "hook" || kind === "ability") return false;
  const facts: FeatureKind = kind;
  try {
    return features(kernel).has(facts, name);
  } catch {
    // Without BTF a backport cannot be detected.
    return false;
  }
}

const configurations = new WeakMap<Kernel, ReadonlySet<string> | "unreadable">();

/**
 * Returns whether the kernel was built with an option (`y` or `m`), or `undefined` when its configuration cannot
 * be read.
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
    // A damaged file does not show that the option is missing.
    return "unreadable";
  }
  return new Set([...text.matchAll(/^(CONFIG_\w+)=[ym]$/gm)].map(([, name = ""]) => name));
}
