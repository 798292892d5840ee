/**
 * Runs a command under another kernel: `deno run -A tests/vm/vmtest.ts 6.12 uname -a`.
 *
 * KERNEL is a version's beginning, or `auto` for the newest of Debian's. The command runs as root in the
 * current folder with the current environment, and its exit status is this program's. Without a command
 * the kernel is brought, and its version printed.
 *
 * @module
 */

import { obtainKernel } from "./kernels.ts";
import { runMachine } from "./machine.ts";

const [word, ...command] = Deno.args;
if (word === undefined) {
  console.error("usage: vmtest.ts KERNEL [COMMAND [ARGUMENT]...]");
  Deno.exit(2);
}
const kernel = await obtainKernel(word);
if (command.length === 0) console.log(kernel.version);
else Deno.exit(await runMachine(kernel, { command, folder: Deno.cwd() }));
