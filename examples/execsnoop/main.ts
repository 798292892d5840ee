/**
 * Shows who starts which program, as it happens.
 *
 *     sudo deno run --allow-ffi --allow-read examples/execsnoop/main.ts
 *
 * `--count N` ends after N events, `--seconds S` after S seconds, `--uid U` shows one user's only.
 * It needs no privilege where a token is delegated: `deno task demo` runs it so.
 *
 * @module
 */

import { BpfObject, openObject, wordsText } from "@skep/skep";

/** `struct event` of execsnoop.bpf.c, as it is decoded. */
interface ExecEvent {
  readonly pid: number;
  readonly ppid: number;
  readonly uid: number;
  readonly comm: string;
  readonly filename: string;
}

/** When to end, and what to show. */
export interface ExecsnoopOptions {
  /** Ends after so many events. */
  readonly count?: number | undefined;
  /** Ends after so many seconds. */
  readonly seconds?: number | undefined;
  /** Shows this user's programs only. */
  readonly uid?: number | undefined;
  /** Called when events can come. */
  readonly ready?: (() => void) | undefined;
}

/** Loads, attaches, and prints events until it is time to end. */
export async function execsnoop(options: ExecsnoopOptions = {}): Promise<number> {
  const spec = await openObject(new URL("execsnoop.bpf.o", import.meta.url));
  if (options.uid !== undefined) spec.variables.get("target_uid").set(options.uid);
  using object = await BpfObject.load(spec);
  const { token } = object;
  if (token === undefined) console.log("    no token is used: loaded with this user's own rights");
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
