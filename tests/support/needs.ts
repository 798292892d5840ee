/**
 * Registers tests that need privileges: they run where possible, and are otherwise skipped with the
 * reason in their name.
 *
 * @module
 */

import { CAP_BPF, CAP_SYS_ADMIN } from "../../uapi/processes.ts";

/** What a test can need of the machine. */
export type Need = "bpf" | "root" | "user namespaces" | "tokens" | "corpus" | "whole corpus";

/** Returns why this process lacks what a test needs; undefined when it has it. */
export function missing(need: Need): string | undefined {
  switch (need) {
    case "bpf": {
      const effective = effectiveCapabilities();
      const holds = (capability: number): boolean => (effective >> BigInt(capability) & 1n) === 1n;
      return holds(CAP_BPF) || holds(CAP_SYS_ADMIN) ? undefined : "needs CAP_BPF";
    }
    case "root":
      return Deno.uid() === 0 ? missing("bpf") : "needs root";
    case "user namespaces":
      return missing("root") ??
        (readText("/proc/sys/user/max_user_namespaces") === "0"
          ? "needs user namespaces, which are switched off here"
          : undefined);
    case "tokens": {
      const [major = 0, minor = 0] = Deno.osRelease().split(".").map(Number);
      return missing("user namespaces") ??
        (major > 6 || (major === 6 && minor >= 9) ? undefined : "needs Linux 6.9 for BPF tokens");
    }
    case "whole corpus":
      return missing("corpus") ??
        (Deno.env.has("SKEP_WHOLE_CORPUS")
          ? undefined
          : "needs SKEP_WHOLE_CORPUS=1, since it takes minutes");
    case "corpus":
      if (Deno.env.has("SKEP_WITHOUT_CORPUS")) {
        return "needs the corpus, which is left out in a guest";
      }
      return exists(new URL("../../../shared/corpus/", import.meta.url))
        ? undefined
        : "needs ../shared/corpus";
  }
}

/** Registers a test that runs when all needs are met, and is otherwise skipped with the reason. */
export function testWith(
  needs: Need | readonly Need[],
  name: string,
  body: (context: Deno.TestContext) => void | Promise<void>,
): void {
  const reason = [needs].flat().map((need) => missing(need)).find((text) => text !== undefined);
  if (reason === undefined) Deno.test(name, body);
  else Deno.test({ name: `${name} [skipped: ${reason}]`, ignore: true, fn: body });
}

function effectiveCapabilities(): bigint {
  const line = /^CapEff:\s*([0-9a-f]+)$/m.exec(readText("/proc/self/status") ?? "");
  return BigInt(`0x${line?.[1] ?? "0"}`);
}

function readText(path: string): string | undefined {
  try {
    return Deno.readTextFileSync(path).trim();
  } catch {
    return undefined;
  }
}

function exists(url: URL): boolean {
  try {
    Deno.statSync(url);
    return true;
  } catch {
    return false;
  }
}
