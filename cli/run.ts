/**
 * `skep run`: loads an object, attaches its programs, and prints their events.
 *
 * @module
 */

import { dim, yellow } from "@std/fmt/colors";
import type { ObjectSpec, VariableSpec } from "../object/mod.ts";
import { BpfObject, openObject } from "../loader/mod.ts";
import { attachmentText } from "../plan/mod.ts";
import { type Command, exitStatus } from "./command.ts";
import { EventPrinter } from "./events.ts";
import type { Io } from "./io.ts";
import { stringify } from "./json.ts";
import { jsonOption, type Parsed, parseDuration, UsageError } from "./options.ts";
import { terminalText } from "../errors/escape.ts";
import { table } from "./table.ts";
import { tokenOf, tokenOption } from "./token_option.ts";
import { cell, parseVariable } from "./values.ts";

/** The `skep run` command. */
export const run: Command = {
  name: "run",
  summary: "Loads an object, attaches its programs and prints the events of its ring buffers",
  usage: "FILE [options]",
  options: [
    {
      name: "var",
      short: "v",
      kind: "list",
      placeholder: "NAME=VALUE",
      help: "Set a global variable before loading; may be given several times",
    },
    tokenOption,
    jsonOption,
    {
      name: "duration",
      short: "d",
      kind: "value",
      placeholder: "TIME",
      help: "Exit after this time: 5 (seconds), 500ms, 2m",
    },
    { name: "quiet", short: "q", kind: "flag", help: "Print events only" },
  ],
  details: `Exits on Ctrl-C. An object without ring buffers then has its variables printed.

Examples:
  skep run execsnoop.bpf.o
  skep run execsnoop.bpf.o --var target_uid=1000 --json --duration 10`,
  async run(parsed, io): Promise<number> {
    const [file, ...rest] = parsed.operands;
    if (file === undefined || rest.length > 0) {
      throw new UsageError("skep run", "exactly one file is needed", "write skep run FILE");
    }
    const duration = parsed.value("duration");
    const milliseconds = duration === undefined ? undefined : parseDuration("run", duration);
    const spec = await openObject(file);
    setVariables(spec, parsed.list("var"));
    return await runSpec(spec, parsed, io, milliseconds);
  },
};

function setVariables(spec: ObjectSpec, assignments: readonly string[]): void {
  for (const assignment of assignments) {
    const { name, value, text } = parseVariable(assignment);
    const variable = spec.variables.get(name);
    try {
      variable.set(value);
    } catch (error) {
      // A JSON number such as 123 is also valid text for a character array.
      if (typeof value === "string" || !fits(variable, text)) throw error;
    }
  }
}

/** Sets a variable; returns whether the value fits. */
function fits(variable: VariableSpec, value: unknown): boolean {
  try {
    variable.set(value);
    return true;
  } catch {
    return false;
  }
}

async function runSpec(
  spec: ObjectSpec,
  parsed: Parsed,
  io: Io,
  milliseconds: number | undefined,
): Promise<number> {
  const say = (text: string, warn = false): void => {
    if (parsed.has("quiet") && !warn) return;
    const shown = terminalText(text);
    io.error(`${io.errorColour ? (warn ? yellow(shown) : dim(shown)) : shown}\n`);
  };
  using object = await BpfObject.load(spec, { token: tokenOf(parsed), signal: io.signal });
  for (const decision of object.attachDecisions) {
    if (decision.outcome === "rewritten") say(attachmentText(decision));
  }
  using links = object.attach();
  const attached = Array.from(links, (link) => link.program);
  for (const { name, reason } of links.skipped) {
    say(`${name} is not attached: ${reason}`, true);
  }
  if (attached.length === 0) say("nothing is attached: no section has a target", true);
  const how = object.token === undefined ? "" : `, with the token of ${object.token.source}`;
  const streams = [...object.maps].filter(({ type }) =>
    type === "ringbuf" || type === "perf_event_array"
  );
  const end = milliseconds === undefined ? "Ctrl-C ends" : `ends after ${milliseconds / 1000} s`;
  say(`${spec.name}: ${attached.length} attached${how}; ${end}`);

  const ending = new AbortController();
  const stop = (): void => ending.abort();
  io.signal.addEventListener("abort", stop, { once: true });
  const timer = milliseconds === undefined ? undefined : setTimeout(stop, milliseconds);
  try {
    if (io.signal.aborted) stop();
    const printer = new EventPrinter(io, {
      json: parsed.has("json"),
      named: streams.length > 1,
      closed: stop,
    });
    // A stream that fails ends the others, because half of the events would look complete.
    await Promise.all(streams.map(async (map) => {
      try {
        for await (const event of map.records({ signal: ending.signal })) {
          printer.print(map.name, event);
        }
      } finally {
        stop();
      }
    }));
    if (streams.length === 0) await aborted(ending.signal);
    printer.flush();
  } finally {
    clearTimeout(timer);
    io.signal.removeEventListener("abort", stop);
  }
  if (streams.length === 0) showVariables(object, parsed.has("json"), io);
  return exitStatus.ok;
}

function showVariables(object: BpfObject, json: boolean, io: Io): void {
  const variables = Array.from(object.variables, (variable) => ({
    name: variable.name,
    value: variable.get(),
  }));
  if (json) {
    const values = Object.fromEntries(variables.map(({ name, value }) => [name, value]));
    return io.out(`${stringify(values)}\n`);
  }
  if (variables.length === 0) return;
  io.out(table(
    [{ head: "VARIABLE" }, { head: "VALUE" }],
    variables.map(({ name, value }) => [name, cell(value)]),
    { colour: io.colour },
  ));
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
