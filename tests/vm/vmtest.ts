/**
 * Runs a command under another kernel: `deno run -A tests/vm/vmtest.ts 6.12 uname -a`.
 *
 * @module
 */

import { obtainKernel } from "./kernels.ts";
import { runMachine } from "./machine.ts";

const [word, ...command] = Deno.args;
if (word === undefined) {
  console.error("usage: tests/vm/vmtest KERNEL [COMMAND [ARGUMENT]...]");
  Deno.exit(2);
}
const kernel = await obtainKernel(word);
if (command.length === 0) console.log(kernel.version);
else Deno.exit(await runMachine(kernel, { command, folder: Deno.cwd() }));
