/**
 * Shows TCP connections as they open and close, read from the kernel's `struct sock` with CO-RE.
 *
 *     sudo deno run --allow-ffi --allow-read examples/tcp_connections/main.ts
 *
 * `--count N` ends after N events, `--seconds S` after S seconds.
 *
 * @module
 */

import { BpfObject } from "@skep/skep";

/** `struct event` of tcp_connections.bpf.c, decoded: enumerations by name, addresses as bytes. */
interface StateEvent {
  readonly pid: number;
  readonly from: string;
  readonly to: string;
  readonly family: number;
  readonly local_port: number;
  readonly remote_port: number;
  readonly local_address: Uint8Array;
  readonly remote_address: Uint8Array;
  readonly comm: string;
}

const inet = 2;

/**
 * Loads and attaches the program, and prints events until a limit is reached; returns their number.
 */
export async function tcpConnections(
  options: {
    readonly count?: number | undefined;
    readonly signal?: AbortSignal | undefined;
    readonly ready?: (() => void) | undefined;
  } = {},
): Promise<number> {
  using object = await BpfObject.load(new URL("tcp_connections.bpf.o", import.meta.url));
  using _links = object.attach();
  const states = "FROM → TO".padEnd(26);
  console.log(`${"PID".padStart(7)}  ${"COMMAND".padEnd(16)}  ${states}  LOCAL → REMOTE`);
  options.ready?.();
  let seen = 0;
  const records = object.maps.get("events").records<StateEvent>({ signal: options.signal });
  for await (const event of records) {
    const change = `${event.from} → ${event.to}`.padEnd(26);
    const local = endpoint(event.family, event.local_address, event.local_port);
    const remote = endpoint(event.family, event.remote_address, event.remote_port);
    const pid = String(event.pid).padStart(7);
    console.log(`${pid}  ${event.comm.padEnd(16)}  ${change}  ${local} → ${remote}`);
    if (++seen === options.count) break;
  }
  console.log(`\n${seen} state changes`);
  return seen;
}

function endpoint(family: number, address: Uint8Array, port: number): string {
  if (family === inet) return `${address.subarray(0, 4).join(".")}:${port}`;
  const groups = Array.from(
    { length: 8 },
    (_, index) => address.subarray(index * 2, index * 2 + 2).toHex().replace(/^0{1,3}/, ""),
  );
  // Shortens the first run of zero groups (RFC 5952).
  return `[${groups.join(":").replace(/(?:^|:)0(?::0)+(?::|$)/, "::")}]:${port}`;
}

function option(name: string): number | undefined {
  const at = Deno.args.indexOf(`--${name}`);
  return at < 0 ? undefined : Number(Deno.args[at + 1]);
}

if (import.meta.main) {
  const [count, seconds] = [option("count"), option("seconds")];
  await tcpConnections({
    count,
    signal: seconds === undefined ? undefined : AbortSignal.timeout(seconds * 1000),
  });
}
