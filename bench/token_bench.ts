/**
 * Measures delegation: a sandbox from its start to a loaded program, and a token from a broker.
 *
 * `deno bench -A bench/token_bench.ts`, as root on Linux 6.11 or later; otherwise it prints why
 * nothing is measured.
 *
 * @module
 */

import { linuxKernel } from "../kernel/linux/linux.ts";
import { issueToken } from "../token/broker/issue.ts";
import { Delegation, doctor, plan, runInSandbox, serveBroker, withToken } from "../token/mod.ts";
import { openObject } from "../loader/mod.ts";

const kernel = linuxKernel();
const object = new URL("../examples/xdp_count/xdp_count.bpf.o", import.meta.url).pathname;
const inside = new URL("token_inside.ts", import.meta.url);
const words = Delegation.of({ commands: ["map_create"], maps: ["hash"] });

async function brokerLatency(): Promise<void> {
  const directory = await Deno.makeTempDir();
  await Deno.chmod(directory, 0o755);
  const [socket, policy] = [`${directory}/broker.sock`, `${directory}/policy.json`];
  const rule = { name: "bench", who: { owner: [0] }, delegate: words.toJSON() };
  const limits = { requestsPerMinute: 100_000 };
  await Deno.writeTextFile(policy, JSON.stringify({ version: 2, rules: [rule], limits }));
  const end = new AbortController();
  const ready = Promise.withResolvers<void>();
  const serving = serveBroker({
    socket,
    policy,
    audit: () => {},
    signal: end.signal,
    onReady: ready.resolve,
  });
  await ready.promise;
  const median = await withToken<number>({
    delegation: Delegation.none,
    module: inside,
    function: "askBroker",
    arguments: [socket, 50],
  });
  end.abort();
  await serving;
  await Deno.remove(directory, { recursive: true });
  // deno-lint-ignore no-console
  console.log(
    `broker: request to token in hand, over the socket: ${median.toFixed(2)} ms (median of 50)`,
  );
}

if (Deno.uid() === 0 && doctor({ kernel }).tokensSupported) {
  const spec = await openObject(object);
  const delegation = plan(spec);
  const namespace = await kernel.processes.namespaces.ownerMap(65534, 65534);
  if (typeof namespace !== "number") throw new Error(`${namespace.step}: ${namespace.result}`);
  if (import.meta.main) await brokerLatency();

  Deno.bench("plan an object", () => {
    plan(spec);
  });

  Deno.bench("sandbox: start to end of a command", async () => {
    await runInSandbox({ delegation, command: ["true"] });
  });

  Deno.bench("sandbox: start to a program loaded in it by a fresh Deno", async () => {
    await withToken({ delegation, module: inside, function: "load", arguments: [object] });
  });

  Deno.bench("broker: a token made in another user namespace", async () => {
    kernel.close(await issueToken(kernel, namespace, words));
  });
} else {
  // deno-lint-ignore no-console
  console.log("bench/token_bench.ts: needs root and BPF tokens (Linux 6.9); nothing was measured");
}
