/**
 * The main job, end to end: an unprivileged process loads a compiled BPF object with a token that was
 * delegated to it, and shows its events.
 *
 *     npx -y deno@2.9.6 task demo
 *
 * As root on Linux 6.9 or newer it computes what `execsnoop.bpf.o` needs, makes a user namespace with
 * exactly that delegated, and runs the example in it as an ordinary user. Where tokens can't be had it
 * loads as root and says why; without root it does all that needs no privilege.
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

/** nobody: the user outside. */
const user = 65534;
/** The demo ends after so many events, or so many seconds. */
const events = 12;
const seconds = 6;

let steps = 0;

function step(text: string): void {
  console.log(`[${++steps}] ${text}`);
}

/** Whether this process can load at all, and if it can't delegate, why. */
function situation(): { readonly privileged: boolean; readonly whyNoToken: string | undefined } {
  const { release, tokensSupported, process, settings } = doctor();
  const initial = process.initialUserNamespace !== false;
  return {
    privileged: initial && process.capabilities.includes("sys_admin"),
    whyNoToken: !tokensSupported
      ? `Linux ${release} has no BPF tokens, they came with 6.9`
      : settings.maxUserNamespaces === 0
      ? "user namespaces are switched off (/proc/sys/user/max_user_namespaces is 0)"
      : undefined,
  };
}

/** A few programs for the table, started while `work` goes on. */
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

/** Runs the example as an ordinary user in a namespace of its own. Answers its exit status. */
async function runDelegated(delegation: Delegation): Promise<number> {
  const cache = await Deno.makeTempDir();
  try {
    await Deno.chmod(cache, 0o777);
    const [file, below] = [example, root].map((url) => decodeURIComponent(url.pathname));
    const running = runInSandbox({
      delegation,
      user,
      // These two are all that the example needs: no --allow-all, no --allow-run.
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

/** Relocates the program against this kernel's types: reading those needs no privilege. */
function showRelocations(spec: ObjectSpec): void {
  step("relocating it against the types of this kernel");
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

/** Runs the demo; answers its exit status. `withoutToken` is a reason not to use a token. */
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

  step("planning the least delegation that it loads with");
  const need = plan(spec);
  for (const option of need.toMountOptions().split(",")) console.log(`    ${option}`);

  const { privileged, whyNoToken } = situation();
  if (!privileged) {
    showRelocations(spec);
    const npm = Deno.execPath().includes("node_modules");
    step("this user may not load or delegate, so nothing is loaded. This does the rest:");
    console.log(`    sudo ${npm ? `npx -y deno@${Deno.version.deno}` : "deno"} task demo`);
    return 0;
  }
  const why = options.withoutToken ?? whyNoToken;
  if (why !== undefined) return await runAsRoot(why);
  step(
    `making a user namespace with exactly that delegated; the example runs in it as uid ${user}`,
  );
  try {
    const code = await runDelegated(need.delegation);
    step(code === 0 ? "done: the namespace and all it loaded are gone" : `it ended with ${code}`);
    return code;
  } catch (error) {
    // Security modules and container runtimes have more ways to refuse than can be looked up before.
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
