/**
 * Checks which tests may be skipped in a guest: those for which the kernel is too old or not built,
 * by its release and configuration, and a few others.
 *
 * @module
 */

import { isAtLeast, type LinuxVersion } from "../../loader/features/requirements.ts";
import type { Outcome } from "./results.ts";

/** Allowed reasons that do not concern the kernel. */
const ALLOWED: readonly RegExp[] = [
  /^needs \.\.\/shared\/corpus\b/,
  /^needs the corpus, which is left out in a guest$/,
  /^a short run: /,
];

/** Returns skipped tests whose reason does not hold for the kernel, with what is wrong. */
export function unprovedSkips(
  release: string,
  configuration: string,
  tests: { readonly [name: string]: Outcome },
): string[] {
  const wrong: string[] = [];
  for (const [name, outcome] of Object.entries(tests)) {
    if (!outcome.startsWith("skipped: ")) continue;
    const reason = outcome.slice("skipped: ".length);
    const why = whyNot(release, configuration, reason);
    if (why !== undefined) wrong.push(`${name}: skipped (${reason}), ${why}`);
  }
  return wrong;
}

function whyNot(release: string, configuration: string, reason: string): string | undefined {
  const [, linux] = /^needs Linux (\d+\.\d+)\b/.exec(reason) ?? [];
  if (linux !== undefined) {
    return isAtLeast(release, linux as LinuxVersion) ? `but this is ${release}` : undefined;
  }
  const [, option] = /^needs (CONFIG_\w+)\b/.exec(reason) ?? [];
  if (option !== undefined) {
    return new RegExp(`^${option}=[ym]$`, "m").test(configuration)
      ? "but the kernel's configuration has it"
      : undefined;
  }
  return ALLOWED.some((allowed) => allowed.test(reason))
    ? undefined
    : "which is neither the release nor the configuration";
}
