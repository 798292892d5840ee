/**
 * Seen from inside the sandbox: what takes trampolines, or the names of programs in the kernel's symbols.
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

/** Loads one program with the token that is found: `ok`, or why not. */
export async function loadOne(path: string, program: string): Promise<JsonValue> {
  return await attempt(async () => {
    const spec = await openObject(path);
    for (const other of spec.programs) other.autoload = other.name === program;
    using _object = await BpfObject.load(spec);
    return "ok";
  });
}

/**
 * A program that replaces a function of another, which was loaded with a token: what the function
 * answers before, while and after. Without a token of its own it is refused, whenever its target is set.
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
    // Before any token is found: the spec is data, and the token is a matter of loading.
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

/** Names of the symbols that a program with a subprogram adds to the kernel's, without tags. */
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
