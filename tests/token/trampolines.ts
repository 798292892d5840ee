/**
 * The part of the tests for trampolines and for programs in /proc/kallsyms that runs inside the sandbox.
 *
 * @module
 */

import { type JsonValue, SkepError } from "../../errors/skep_error.ts";
import { linuxKernel } from "../../kernel/linux/linux.ts";
import { BpfObject, openObject } from "../../loader/mod.ts";

const kernel = linuxKernel();
const hooks = new URL("../fixtures/hooks.bpf.o", import.meta.url).pathname;

async function attempt(body: () => Promise<string>): Promise<string> {
  try {
    return await body();
  } catch (error) {
    if (!(error instanceof SkepError)) throw error;
    return `${error.data["reason"] ?? error.errno}: ${error.message}`;
  }
}

/** Loads one program with the token that is found; returns `ok`, or the error. */
export async function loadOne(path: string, program: string): Promise<JsonValue> {
  return await attempt(async () => {
    const spec = await openObject(path);
    for (const other of spec.programs) other.autoload = other.name === program;
    using _object = await BpfObject.load(spec);
    return "ok";
  });
}

/**
 * Replaces a function of a program that was loaded with a token, and compares what the function returns
 * before, during and after the attachment. Without a token the replacement is refused.
 */
export async function replace(): Promise<JsonValue> {
  const target = await openObject(hooks);
  target.programs.get("with_replaceable").autoload = true;
  using targetObject = await BpfObject.load(target);
  const program = targetObject.programs.get("with_replaceable");
  const answer = (): number => program.testRun({ data: new Uint8Array(64) }).returnValue;
  const load = async (token: "auto" | false): Promise<BpfObject> => {
    const spec = await openObject(hooks);
    const replacement = spec.programs.get("replacement");
    replacement.autoload = true;
    // The target is set before a token is found: the spec is data, and only the load uses a token.
    replacement.attachTarget = { programFd: program.fd, function: "replaceable" };
    return await BpfObject.load(spec, { token });
  };
  return {
    withoutToken: await attempt(async () => {
      using _object = await load(false);
      return "ok";
    }),
    withToken: await attempt(async () => {
      using object = await load("auto");
      const before = answer();
      {
        using _link = object.programs.get("replacement").attach();
        if (answer() !== 7) return `while attached it answers ${answer()}`;
      }
      return before === answer() ? "ok" : `afterwards it answers ${answer()}`;
    }),
  };
}

/** Returns the names, without tags, that a program with a subprogram adds to /proc/kallsyms. */
export async function symbols(): Promise<JsonValue> {
  const spec = await openObject(hooks);
  spec.programs.get("with_replaceable").autoload = true;
  const names = (): string[] =>
    [
      ...new TextDecoder().decode(kernel.readFile("/proc/kallsyms").bytes)
        .matchAll(/\bbpf_prog_[0-9a-f]{16}_(\S+)/g),
    ].map(([, name = ""]) => name);
  const before = names();
  using _object = await BpfObject.load(spec);
  return names().filter((name) => !before.includes(name)).sort();
}
