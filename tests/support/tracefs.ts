/**
 * Runs tests that need tracefs on machines where it is not mounted.
 *
 * @module
 */

import { linuxKernel } from "../../kernel/linux/linux.ts";
import { tracefs } from "../../loader/attach/target/nearest.ts";

/** Set in the child process that has mounted tracefs. */
const MOUNTED = "SKEP_TEST_TRACEFS";
const MOUNT = 'mount -t tracefs tracefs /sys/kernel/tracing && exec "$@"';

/** Returns a command line that runs in a new mount namespace with tracefs. */
function withTracefs(command: readonly string[]): Deno.Command {
  return new Deno.Command("unshare", {
    args: ["--mount", "--propagation", "private", "sh", "-c", MOUNT, "sh", ...command],
    env: { [MOUNTED]: "1", NO_COLOR: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  });
}

let mountable: string | true | undefined;

/** Returns why tracefs is neither mounted nor mountable; undefined when it is available. */
export function whyNoTracefs(): string | undefined {
  if (tracefs(linuxKernel()) !== undefined) return undefined;
  if (Deno.env.get(MOUNTED) !== undefined) return "tracefs was mounted, and is not seen";
  mountable ??= tryToMount();
  return mountable === true ? undefined : `tracefs is not mounted, and cannot be: ${mountable}`;
}

function tryToMount(): string | true {
  try {
    const { success, stderr } = withTracefs(["true"]).outputSync();
    return success || new TextDecoder().decode(stderr).trim().replaceAll("\n", "; ");
  } catch (error) {
    return (error as Error).message;
  }
}

/**
 * Runs a test's function where tracefs is: here when it is mounted, else in a process of its own.
 *
 * A thread that enters a mount namespace takes those along that it starts meanwhile: Deno's pool would
 * keep threads in it, and with a shared `fs_struct` not even the thread itself can go back (setns says
 * EINVAL). So no thread of this process changes its mount namespace.
 *
 * @param file The test's file, `import.meta.url`.
 * @param name The test's name.
 */
export async function inTracefs(
  file: string,
  name: string,
  fn: () => void | Promise<void>,
): Promise<void> {
  if (tracefs(linuxKernel()) !== undefined) return await fn();
  const filter = `/^${name.replace(/[^\w ]/g, "\\$&")}$/`;
  const { success, stdout, stderr } = await withTracefs([
    ...[Deno.execPath(), "test", "--no-check", "--allow-all"],
    `--filter=${filter}`,
    new URL(file).pathname,
  ]).output();
  const said = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
  // The child skipped or did not find the test.
  if (!success || !/^ok \| 1 passed \| 0 failed/m.test(said)) {
    throw new Error(`in a process with tracefs:\n${said}`);
  }
}
