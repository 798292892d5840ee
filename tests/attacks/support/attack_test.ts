/**
 * Registers attack tests. A test whose requirements are missing is skipped, with the reason in its name.
 *
 * @module
 */

import { missing } from "../../support/needs.ts";

/** Requirement of an attack. */
export type AttackNeed = "tokens" | "broker";

/** Returns the reason why an attack cannot run here, or `undefined` when it can. */
export function missingFor(need: AttackNeed): string | undefined {
  const [major = 0, minor = 0] = Deno.osRelease().split(".").map(Number);
  const old = need === "broker" && (major < 6 || (major === 6 && minor < 11));
  return missing("tokens") ??
    (old ? "needs Linux 6.11 for the broker" : undefined) ??
    (["/usr/bin/perl", "/bin/perl"].some(exists) ? undefined : "needs perl, as Debian's perl-base");
}

/** Registers an attack test that runs when its requirement is met; `also` is a further reason to skip it. */
export function attackTest(
  need: AttackNeed,
  name: string,
  body: () => void | Promise<void>,
  also: () => string | undefined = () => undefined,
): void {
  const reason = missingFor(need) ?? also();
  if (reason === undefined) Deno.test(name, body);
  else Deno.test({ name: `${name} [skipped: ${reason}]`, ignore: true, fn: body });
}

function exists(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}
