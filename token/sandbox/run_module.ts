/**
 * The child's side of `withToken()`: calls the function that SKEP_RUN names, and writes its result or
 * error.
 *
 * @module
 */

import { linuxKernel } from "../../kernel/linux/linux.ts";

if (import.meta.main) {
  const { url, name, result, arguments: args } = JSON.parse(Deno.env.get("SKEP_RUN") ?? "{}");
  Deno.env.delete("SKEP_RUN");
  const kernel = linuxKernel();
  const write = (answer: unknown): void => {
    let rest = new TextEncoder().encode(JSON.stringify(answer));
    while (rest.length > 0) {
      const count = kernel.write(result, rest);
      if (count <= 0) Deno.exit(3);
      rest = rest.subarray(count);
    }
    kernel.close(result);
  };
  try {
    const module = await import(url);
    write({ value: await module[name](...args) ?? null });
  } catch (error) {
    const plain = error instanceof Error
      ? { name: error.name, message: error.message, stack: error.stack }
      : { name: "Error", message: String(error) };
    const facts = error instanceof Error && "toJSON" in error
      ? (error.toJSON as () => Record<string, unknown>)()
      : {};
    write({ error: { ...plain, ...facts } });
  }
}
