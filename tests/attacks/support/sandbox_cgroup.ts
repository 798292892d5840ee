/**
 * The child of `sandbox_cgroup_test.ts`, in a new mount namespace: mounts cgroup version 2, runs a sandbox that
 * leaves processes, and prints the cgroups before and after.
 *
 * @module
 */

import { Delegation, linuxKernel, runInSandbox } from "../../../mod.ts";

const place = Deno.makeTempDirSync({ prefix: "skep-cgroup-" });
const { success } = await new Deno.Command("mount", {
  args: ["-t", "cgroup2", "none", place],
  stderr: "inherit",
}).output();
if (!success) Deno.exit(3);

const own = /^0::(\/.*)$/m.exec(Deno.readTextFileSync("/proc/self/cgroup"))?.[1] ?? "/";

function cgroups(): string[] {
  return [...Deno.readDirSync(`${place}${own}`)]
    .filter(({ name, isDirectory }) => isDirectory && name.startsWith("skep-sandbox-"))
    .map(({ name }) => name);
}

const before = cgroups();
// As a skep leaves it that is killed: named after a process that has ended.
const ended = new Deno.Command("true").spawn();
await ended.status;
const left = `skep-sandbox-${ended.pid}-1`;
Deno.mkdirSync(`${place}${own}/${left}`);
const { stdout } = await runInSandbox({
  kernel: linuxKernel(),
  delegation: Delegation.of({ commands: ["map_create"], maps: ["hash"] }),
  command: ["sh", "-c", "cat /proc/self/cgroup; (setsid sleep 60 &) ; true"],
  output: "piped",
  input: "null",
});
await new Promise((resolve) => setTimeout(resolve, 700));
const after = cgroups();
console.log(JSON.stringify({ before, left, inside: stdout, after }));
await new Deno.Command("umount", { args: [place] }).output();
Deno.removeSync(place);
Deno.exit(0);
