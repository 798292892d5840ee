/**
 * Counts packets with XDP in a new network namespace, so that this machine's network is not affected.
 *
 *     sudo deno run -A examples/xdp_count/main.ts
 *
 * As root, it restarts itself in a sandbox: with a new network namespace, an unprivileged user, and a
 * token for the planned delegation. There it attaches to the loopback interface, sends packets to
 * itself, and reads per-CPU counters.
 *
 * @module
 */

import { BpfObject, openObject, type PerCpuMap, plan, runInSandbox } from "@skep/skep";

const object = new URL("xdp_count.bpf.o", import.meta.url);
const packets = 100;

/** `struct counter` of xdp_count.bpf.c, decoded. */
interface Counter {
  readonly packets: bigint;
  readonly bytes: bigint;
}

/** Attaches to the loopback interface, sends packets to it, and prints the counters. */
async function count(): Promise<void> {
  using loaded = await BpfObject.load(object);
  using _link = loaded.programs.get("count").attach({ interface: "lo" });
  await sendPackets();
  console.log(
    `${"PROTOCOL".padEnd(8)}  ${"PACKETS".padStart(8)}  ${"BYTES".padStart(10)}  PER CPU`,
  );
  const counters = loaded.map<PerCpuMap<number, Counter>>("counters");
  for (const [slot, name] of ["IPv4", "IPv6", "other"].entries()) {
    const perCpu = counters.get(slot) ?? [];
    const sum = (field: keyof Counter): bigint =>
      perCpu.reduce((total, counter) => total + counter[field], 0n);
    const shares = perCpu.map((counter) => counter.packets).join(" ");
    console.log(
      `${name.padEnd(8)}  ${String(sum("packets")).padStart(8)}  ${
        String(sum("bytes")).padStart(10)
      }  ${shares}`,
    );
  }
}

/** Sends UDP datagrams to a local socket; each passes the loopback interface once. */
async function sendPackets(): Promise<void> {
  const socket = Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port: 0 });
  for (let i = 0; i < packets; i++) {
    await socket.send(new Uint8Array(64), socket.addr);
    await socket.receive();
  }
  socket.close();
}

/** Restarts this file as an unprivileged user in a sandbox. */
async function start(): Promise<number> {
  const need = plan(await openObject(object));
  console.log(`delegated: ${need.toMountOptions()}`);
  const root = new URL("../../", import.meta.url).pathname;
  const cache = await Deno.makeTempDir();
  try {
    await Deno.chmod(cache, 0o777);
    const flags = ["--allow-ffi", "--allow-read", "--allow-net", "--unstable-net", "--no-lock"];
    const { code } = await runInSandbox({
      delegation: need,
      command: [Deno.execPath(), "run", ...flags, import.meta.filename ?? "", "--inside"],
      readable: [Deno.execPath(), root],
      environment: { PATH: Deno.env.get("PATH") ?? "", DENO_DIR: cache, NO_COLOR: "1" },
    });
    return code;
  } finally {
    await Deno.remove(cache, { recursive: true });
  }
}

if (import.meta.main) {
  if (Deno.args.includes("--inside")) await count();
  else Deno.exit(await start());
}
