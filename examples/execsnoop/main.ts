/**
 * Prints each execve(2) with its process, parent, user and file.
 *
 *     sudo deno run --allow-ffi --allow-read examples/execsnoop/main.ts
 *
 * `--count N` exits after N events, `--seconds S` after S seconds; `--uid U` prints only that user's.
 * Runs without privileges where a bpffs delegates a BPF token: `deno task demo` does that.
 *
 * @module
 */

import { BpfObject, openObject, wordsText } from "@skep/skep";

/** `struct event` of execsnoop.bpf.c, decoded. */
interface ExecEvent {
  readonly pid: number;
  readonly ppid: number;
  readonly uid: number;
  readonly comm: string;
  readonly filename: string;
}

/** Options of {@linkcode execsnoop}. */
export interface ExecsnoopOptions {
  /** Number of events after which to return. */
  readonly count?: number | undefined;
  /** Time in seconds after which to return. */
  readonly seconds?: number | undefined;
  /** User id: only its events are printed. */
  readonly uid?: number | undefined;
  /** Called once the program is attached. */
  readonly ready?: (() => void) | undefined;
}

/** Loads and attaches the program, prints its events, and returns how many were printed. */
export async function execsnoop(options: ExecsnoopOptions = {}): Promise<number> {
  const spec = await openObject(new URL("execsnoop.bpf.o", import.meta.url));
  if (options.uid !== undefined) spec.variables.get("target_uid").set(options.uid);
  using object = await BpfObject.load(spec);
  const { token } = object;
  if (token === undefined) console.log("    no token is used: loaded with this user's privileges");
  else console.log(`    token found: ${token.source}`);
  const program = object.programs.get("handle_exec");
  console.log(
    `    loaded BTF, ${object.maps.names().join(", ")} and ${program.name} (tag ${program.tag})`,
  );
  using _links = object.attach();
  console.log(`    attached to ${program.spec.section}; waiting for programs to start\n`);
  options.ready?.();

  const signal = options.seconds === undefined
    ? undefined
    : AbortSignal.timeout(options.seconds * 1000);
  let seen = 0;
  console.log(row("PID", "PARENT", "UID", "COMMAND", "FILE"));
  const records = object.maps.get("events").records<ExecEvent>({ signal });
  for await (const { pid, ppid, uid, comm, filename } of records) {
    console.log(row(pid, ppid, uid, comm, filename));
    if (++seen === options.count) break;
  }
  const words = token?.info()?.words();
  const how = words === undefined ? "without a token" : `with the token's ${wordsText(words)}`;
  console.log(`\n${seen} events, ${object.variables.get("dropped").get()} dropped, ${how}`);
  return seen;
}

function row(...cells: readonly (string | number)[]): string {
  const widths = [8, 8, 6, 16, 0];
  return cells.map((cell, index) =>
    typeof cell === "number" || index < 3
      ? String(cell).padStart(widths[index] ?? 0)
      : cell.padEnd(widths[index] ?? 0)
  ).join("  ");
}

function option(name: string): number | undefined {
  const at = Deno.args.indexOf(`--${name}`);
  return at < 0 ? undefined : Number(Deno.args[at + 1]);
}

if (import.meta.main) {
  const [count, seconds, uid] = [option("count"), option("seconds"), option("uid")];
  await execsnoop({
    count,
    seconds,
    uid,
  });
}
