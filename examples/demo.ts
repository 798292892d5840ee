/**
 * Demonstrates skep end to end: an unprivileged process loads a compiled BPF object with a delegated
 * token, and shows its events.
 *
 *     npx -y deno@2.9.6 task demo
 *
 * As root on Linux 6.9 or newer it computes what `execsnoop.bpf.o` needs, creates a user namespace with
 * exactly that delegation, and runs the example in it as an unprivileged user. Where tokens are
 * unavailable, it loads as root and prints why; without root it runs the steps that need no privilege.
 *
 * @module
 */

import {
  type Delegation,
  doctor,
  linuxKernel,
  type ObjectSpec,
  openObject,
  plan,
  runInSandbox,
  SkepError,
} from "@skep/skep";
import { kernelCoreTargets } from "@skep/skep/loader";
import { relocate } from "@skep/skep/object";
import { execsnoop } from "./execsnoop/main.ts";

const object = new URL("execsnoop/execsnoop.bpf.o", import.meta.url);
const example = new URL("execsnoop/main.ts", import.meta.url);
const root = new URL("../", import.meta.url);

/** nobody: the unprivileged user outside the namespace. */
const user = 65534;
/** Limits of the demo in events and seconds. */
const events = 12;
const seconds = 6;

let steps = 0;

function step(text: string): void {
  console.log(`[${++steps}] ${text}`);
}

/** Returns whether this process can load at all, and why it cannot use a token. */
function situation(): { readonly privileged: boolean; readonly whyNoToken: string | undefined } {
  const { release, tokensSupported, process, settings } = doctor();
  const initial = process.initialUserNamespace !== false;
  return {
    privileged: initial && process.capabilities.includes("sys_admin"),
    whyNoToken: !tokensSupported
      ? `Linux ${release} has no BPF tokens (Linux 6.9)`
      : settings.maxUserNamespaces === 0
      ? "user namespaces are disabled (/proc/sys/user/max_user_namespaces is 0)"
      : undefined,
  };
}

/** Starts a few programs for the table while `work` runs. */
async function startPrograms(work: Promise<unknown>): Promise<void> {
  const commands = [["uname", "-r"], ["id", "-un"], ["date"], ["ls", "/"], ["true"], ["hostname"]];
  let over = false;
  const done = work.finally(() => over = true).catch(() => {});
  for (let i = 0; !over; i++) {
    const [command = "true", ...args] = commands[i % commands.length] ?? [];
    try {
      await new Deno.Command(command, { args, stdout: "null", stderr: "null" }).output();
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
    await Promise.race([done, new Promise((resolve) => setTimeout(resolve, 250))]);
  }
}

/** Runs the example as an unprivileged user in a new user namespace. Returns its exit status. */
async function runDelegated(delegation: Delegation): Promise<number> {
  const cache = await Deno.makeTempDir();
  try {
    await Deno.chmod(cache, 0o777);
    const [file, below] = [example, root].map((url) => decodeURIComponent(url.pathname));
    const running = runInSandbox({
      delegation,
      user,
      // The example needs only these two: no --allow-all, no --allow-run.
      command: [
        ...[Deno.execPath(), "run", "--no-prompt", "--no-lock", "--allow-ffi", "--allow-read"],
        ...[file ?? "", "--count", String(events), "--seconds", String(seconds)],
      ],
      readable: [Deno.execPath(), below ?? ""],
      environment: { PATH: Deno.env.get("PATH") ?? "", DENO_DIR: cache, NO_COLOR: "1" },
    });
    await startPrograms(running);
    return (await running).code;
  } finally {
    await Deno.remove(cache, { recursive: true });
  }
}

async function runAsRoot(why: string): Promise<number> {
  step(`no token can be used: ${why}. Loading as root instead`);
  let ready = (): void => {};
  const attached = new Promise<void>((resolve) => ready = resolve);
  const running = execsnoop({ count: events, seconds, ready });
  await Promise.race([attached, running]);
  await startPrograms(running);
  await running;
  return 0;
}

/** Relocates the program against the kernel BTF, which every user can read. */
function showRelocations(spec: ObjectSpec): void {
  step("relocating it against the BTF of this kernel");
  const { programs, decisions } = relocate(spec, [...spec.programs], {
    core: kernelCoreTargets(linuxKernel()),
  });
  for (const decision of decisions) {
    const { outcome } = decision;
    const found = outcome.kind === "value" ? `${outcome.value}` : `nowhere: ${outcome.reason}`;
    console.log(`    ${decision.localSpec} → ${found}`);
  }
  for (const linked of programs) {
    if ("error" in linked) console.log(`    ${linked.error.message}`);
    else console.log(`    ${linked.program.name}: ${linked.instructions.length / 8} instructions`);
  }
}

/** Runs the demo and returns its exit status. `withoutToken` is a reason not to use a token. */
export async function demo(
  options: { readonly withoutToken?: string | undefined } = {},
): Promise<number> {
  steps = 0;
  step("opening examples/execsnoop/execsnoop.bpf.o");
  const spec = await openObject(object);
  const names = [...spec.programs].map(({ name, section }) => `${name} (${section})`);
  console.log(`    programs: ${names.join(", ")}`);
  console.log(
    `    maps: ${[...spec.maps].map(({ name, type }) => `${name} (${type})`).join(", ")}`,
  );

  step("computing the least delegation that loads it");
  const need = plan(spec);
  for (const option of need.toMountOptions().split(",")) console.log(`    ${option}`);

  const { privileged, whyNoToken } = situation();
  if (!privileged) {
    showRelocations(spec);
    const npm = Deno.execPath().includes("node_modules");
    step("this user may neither load nor delegate, so nothing is loaded. Run it as root:");
    console.log(`    sudo ${npm ? `npx -y deno@${Deno.version.deno}` : "deno"} task demo`);
    return 0;
  }
  const why = options.withoutToken ?? whyNoToken;
  if (why !== undefined) return await runAsRoot(why);
  step(
    `creating a user namespace with exactly that delegation; the example runs in it as uid ${user}`,
  );
  try {
    const code = await runDelegated(need.delegation);
    step(
      code === 0
        ? "done: the namespace and everything loaded in it are gone"
        : `it ended with ${code}`,
    );
    return code;
  } catch (error) {
    // Security modules and container runtimes can refuse in ways that cannot be checked before.
    if (error instanceof SkepError) return await runAsRoot(error.message);
    throw error;
  }
}

if (import.meta.main) {
  try {
    Deno.exit(await demo());
  } catch (error) {
    if (!(error instanceof SkepError)) throw error;
    console.error(`error: ${error.message}`);
    Deno.exit(1);
  }
}
