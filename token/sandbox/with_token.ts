/**
 * Runs a function of a module with a BPF token and without privileges, for tests.
 *
 * @module
 */

import { type JsonValue, SkepError } from "../../errors/skep_error.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import { linuxKernel } from "../../kernel/linux/linux.ts";
import { moduleFiles } from "./module_graph.ts";
import { DEFAULT_MOST_OUTPUT, openPipe, readToEnd } from "./pipes.ts";
import { processEnvironment } from "../resolve.ts";
import { runInSandbox, type SandboxOptions } from "./sandbox.ts";

/** Options of {@linkcode withToken}; the others are those of {@linkcode runInSandbox}. */
export interface WithTokenOptions extends Omit<SandboxOptions, "command" | "output"> {
  /** The module, by URL or path: usually `import.meta.url`. */
  readonly module: string | URL;
  /**
   * The name of the exported function.
   *
   * @default {"default"}
   */
  readonly function?: string | undefined;
  /** The function's arguments, as JSON. */
  readonly arguments?: readonly JsonValue[] | undefined;
  /**
   * Flags for `deno run`.
   *
   * @default {["-A"]}
   */
  readonly denoArguments?: readonly string[] | undefined;
}

/**
 * Calls a function of a module in a new process, which is unprivileged outside and root of a user namespace
 * inside, with exactly the given delegation; returns the function's result.
 *
 * Result and arguments pass through JSON. An error that the function throws is thrown here as a
 * {@linkcode SkepError} with its facts. Whatever their permissions, the process can read Deno, the working
 * directory, the directories of the modules that it imports, and, of Deno's cache, their packages. Needs
 * root, as {@linkcode runInSandbox} does.
 *
 * @example
 * ```ts ignore
 * import { withToken, plan, openObject } from "@skep/skep";
 *
 * export async function loads(path: string): Promise<string[]> {
 *   using object = await BpfObject.load(path);
 *   return object.programs.names();
 * }
 *
 * Deno.test("x.bpf.o loads with what is planned, and nothing else", async () => {
 *   const path = "x.bpf.o";
 *   const delegation = plan(await openObject(path));
 *   const names = await withToken({ delegation, module: import.meta.url, function: "loads", arguments: [path] });
 * });
 * ```
 */
export async function withToken<Result = JsonValue>(options: WithTokenOptions): Promise<Result> {
  const { module, function: name = "default", denoArguments = ["-A"], ...rest } = options;
  const kernel = options.kernel ?? linuxKernel();
  const url = moduleUrl(module);
  const runner = import.meta.resolve("./run_module.ts");
  const [reading, writing] = openPipe(kernel);
  let writingOpen = true;
  try {
    const environment = { ...options.environment ?? Deno.env.toObject() };
    const cache = denoDirectory(kernel, environment);
    if (cache !== undefined) environment.DENO_DIR = cache;
    const graph = [...await moduleFiles(url), ...await moduleFiles(runner)];
    const readable = [
      Deno.execPath(),
      // The root directory cannot be mounted over itself, and is visible anyway.
      ...(Deno.cwd() === "/" ? [] : [Deno.cwd()]),
      ...graph.filter((path) => kernel.stat(path).result >= 0),
      ...(options.readable ?? []),
    ];
    const running = runInSandbox({
      ...rest,
      environment: {
        ...environment,
        SKEP_RUN: JSON.stringify({
          url,
          name,
          result: writing,
          arguments: options.arguments ?? [],
        }),
      },
      readable,
      scratch: [...(cache === undefined ? [] : [cache]), ...(options.scratch ?? [])],
      descriptors: [writing, ...(options.descriptors ?? [])],
      command: [Deno.execPath(), "run", "--quiet", "--no-lock", ...denoArguments, runner],
      onStep: (text) => {
        // The child has its copy; with this one open, the result would have no end of file.
        if (writingOpen) kernel.close(writing);
        writingOpen = false;
        options.onStep?.(text);
      },
    });
    // The code inside could give its end to a process outside, which would keep this one waiting.
    const ended = new AbortController();
    const [status, { text }] = await Promise.all([
      running.finally(() => ended.abort()),
      readToEnd(kernel, reading, DEFAULT_MOST_OUTPUT, undefined, ended.signal),
    ]);
    return resultOf<Result>(text, name, url, status.code);
  } finally {
    if (writingOpen) kernel.close(writing);
    kernel.poller.forget(reading);
    kernel.close(reading);
  }
}

function resultOf<Result>(text: string, name: string, url: string, code: number): Result {
  if (text === "") {
    throw new SkepError({
      doing: "call",
      subject: `${name} of ${url}`,
      why: `the process ended with exit status ${code} before it returned a result`,
      stage: "usage",
    });
  }
  const { value, error } = JSON.parse(text) as {
    value?: Result | undefined;
    error?: RemoteError | undefined;
  };
  if (error === undefined) return value as Result;
  throw new SkepError({
    doing: error.doing ?? "call",
    subject: error.subject ?? `${name} of ${url}`,
    why: error.why ?? error.message,
    fix: error.fix,
    errno: error.errno,
    data: { ...error.data, name: error.name, stack: error.stack ?? "" },
  });
}

/** An error as `run_module.ts` reports it. */
interface RemoteError {
  readonly name: string;
  readonly message: string;
  readonly stack?: string | undefined;
  readonly doing?: string | undefined;
  readonly subject?: string | undefined;
  readonly why?: string | undefined;
  readonly fix?: string | undefined;
  readonly errno?: string | undefined;
  readonly data?: { readonly [key: string]: JsonValue } | undefined;
}

function moduleUrl(module: string | URL): string {
  if (module instanceof URL) return module.href;
  return URL.canParse(module) ? module : new URL(module, `file://${Deno.cwd()}/`).href;
}

/** Returns the directory of Deno's cache; undefined when it does not exist. */
function denoDirectory(
  kernel: Kernel,
  environment: { readonly [name: string]: string },
): string | undefined {
  const home = environment["HOME"] ?? processEnvironment(kernel).get("HOME");
  const path = environment["DENO_DIR"] ??
    (environment["XDG_CACHE_HOME"] !== undefined
      ? `${environment["XDG_CACHE_HOME"]}/deno`
      : home === undefined
      ? undefined
      : `${home}/.cache/deno`);
  return path !== undefined && kernel.stat(path).result >= 0 ? path : undefined;
}
