// Checks the command's help, its exit statuses, and that every error is one line.

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { kernelTest, reasonToSkip } from "../tests/support/kernel.ts";
import { type Printed, skep } from "../tests/support/memory_io.ts";

const root = new URL("../", import.meta.url);
const example = (name: string): string =>
  decodeURIComponent(new URL(`examples/${name}/${name}.bpf.o`, root).pathname);

/** Asserts one line on standard error (operation, subject, reason) and nothing on standard output. */
function assertOneLine({ status, out, error }: Printed, ...parts: string[]): void {
  assertEquals(status, 1, error);
  assertEquals(out, "");
  assertEquals(error.split("\n").length, 2, `more than one line: ${error}`);
  assert(error.startsWith("error: "), error);
  assert(!/\bat .*:\d+:\d+/.test(error), `a stack trace: ${error}`);
  for (const part of parts) assertStringIncludes(error, part);
}

async function withFile<T>(
  bytes: Uint8Array<ArrayBuffer>,
  use: (path: string) => Promise<T>,
): Promise<T> {
  const path = await Deno.makeTempFile({ suffix: ".bpf.o" });
  try {
    await Deno.writeFile(path, bytes);
    return await use(path);
  } finally {
    await Deno.remove(path);
  }
}

Deno.test("skep without a word shows its help as an error", async () => {
  const { status, out, error } = await skep([]);
  assertEquals([status, out], [2, ""]);
  assertStringIncludes(error, "Usage: skep COMMAND");
});

Deno.test("skep --help lists every command, and each has a help of its own", async () => {
  const { status, out } = await skep(["--help"]);
  assertEquals(status, 0);
  for (const word of ["run", "inspect", "plan", "verify", "doctor", "sandbox", "broker", "pin"]) {
    assertStringIncludes(out, `  ${word} `);
    if (word === "pin") continue;
    const help = await skep([word, "--help"]);
    assertEquals([help.status, help.error], [0, ""]);
    assertStringIncludes(help.out, `Usage: skep ${word}`);
    assertEquals(await skep(["help", word]), help);
  }
  for (const noun of ["prog", "map", "link", "btf", "pin"]) {
    for (const verb of ["list", noun === "pin" ? "remove" : "show"]) {
      assertStringIncludes((await skep([noun, verb, "-h"])).out, `Usage: skep ${noun} ${verb}`);
    }
  }
});

Deno.test("wrong usage ends with status 2 and one line", async () => {
  const lines: readonly (readonly [string[], string])[] = [
    [["frobnicate"], 'unknown command "frobnicate"'],
    [["prog", "frob"], 'unknown command "frob"'],
    [["run"], "exactly one file is needed"],
    [["run", "a", "b"], "exactly one file is needed"],
    [["run", "x", "--frob"], "unknown option --frob"],
    [["run", "x", "--duration", "soon"], '"soon" is not a duration'],
    [["verify"], "no file is given"],
    [["verify", "x", "--jobs", "many"], '--jobs is "many"'],
    [["plan", "x", "--format", "yaml"], 'unknown format "yaml"'],
    [["inspect", "x", "--show", "all,nothing"], 'unknown part "nothing"'],
    [["sandbox", "--for", "x"], "no command is given"],
    [["sandbox", "--", "true"], "nothing is delegated"],
    [["__proto__"], 'unknown command "__proto__"'],
  ];
  for (const [args, part] of lines) {
    const { status, out, error } = await skep(args);
    assertEquals([status, out], [2, ""], args.join(" "));
    assertStringIncludes(error, part);
    assertEquals(error.split("\n").length, 2, error);
  }
});

Deno.test("skep --version says the version of deno.json", async () => {
  const { version } = JSON.parse(await Deno.readTextFile(new URL("deno.json", root)));
  assertEquals((await skep(["--version"])).out, `skep ${version}\n`);
});

Deno.test("a file that cannot be read gives one line", async () => {
  assertOneLine(await skep(["inspect", "nowhere.bpf.o"]), "nowhere.bpf.o", "ENOENT");
  assertOneLine(await skep(["inspect", root.pathname]), "EISDIR");
});

Deno.test("a file that is not ELF gives one line", async () => {
  for (const command of ["run", "inspect", "plan"]) {
    await withFile(new TextEncoder().encode("hello, world\n"), async (path) => {
      assertOneLine(await skep([command, path]), path, "ELF");
    });
  }
  await withFile(new Uint8Array(), async (path) => {
    assertOneLine(await skep(["inspect", path]), path);
  });
});

Deno.test("an executable for this machine gives one line", async () => {
  assertOneLine(await skep(["inspect", Deno.execPath()]), "BPF");
});

Deno.test("a truncated object gives one line at every length", async () => {
  const whole = await Deno.readFile(example("execsnoop"));
  for (let length = 1; length < whole.length; length += 97) {
    await withFile(whole.slice(0, length), async (path) => {
      assertOneLine(await skep(["inspect", path]), path);
    });
  }
});

Deno.test("a variable that does not exist, or gets a wrong value, gives one line", async () => {
  const file = example("execsnoop");
  assertOneLine(await skep(["run", file, "--var", "target_uidd=1"]), "target_uidd", "target_uid");
  assertOneLine(await skep(["run", file, "--var", "target_uid=root"]), "target_uid", "number");
  assertOneLine(await skep(["run", file, "--var", "target_uid=99999999999"]), "target_uid");
});

Deno.test("skep plan says the words of execsnoop in every form", async () => {
  const file = example("execsnoop");
  const mount =
    "delegate_cmds=map_create:prog_load:btf_load,delegate_maps=array:ringbuf,delegate_progs=tracing,delegate_attachs=trace_raw_tp\n";
  assertEquals((await skep(["plan", file, "--format", "mount"])).out, mount);
  assertStringIncludes((await skep(["plan", file])).out, mount.trim());
  assertStringIncludes((await skep(["plan", file])).out, "the whole host");
  const json = JSON.parse((await skep(["plan", file, "--json"])).out);
  assertEquals(json.maps, ["array", "ringbuf"]);
  for (const form of ["hex", "fsconfig", "systemd", "incus", "lxd", "json"]) {
    const { status, out } = await skep(["plan", file, "--format", form]);
    assertEquals(status, 0);
    assert(out.length > 20, `${form}: ${out}`);
  }
});

Deno.test("skep plan says in what form programs are attached, but not as written", async () => {
  const file = decodeURIComponent(new URL("tests/fixtures/usdt.bpf.o", root).pathname);
  const line = 'fired: SEC("usdt") is loaded and attached as uprobe.multi\n';
  assertStringIncludes((await skep(["plan", file])).out, line);
  const written = await skep(["plan", file, "--rewrite=never"]);
  assertEquals(written.status, 0);
  assertStringIncludes(written.out, 'use SEC("uprobe.multi")');
  assert(!written.out.includes(line), written.out);
});

Deno.test("skep inspect shows programs, maps and variables; the JSON is stable", async () => {
  const file = example("execsnoop");
  const { status, out } = await skep(["inspect", file, "--show", "all"]);
  assertEquals(status, 0);
  for (
    const part of [
      "handle_exec",
      "tp_btf/sched_process_exec",
      "ringbuf",
      "events: struct event",
      "target_uid",
      "struct event {",
      "char filename[128]",
      "; ",
    ]
  ) assertStringIncludes(out, part);
  const first = await skep(["inspect", file, "--json"]);
  assertEquals(first, await skep(["inspect", file, "--json"]));
  const json = JSON.parse(first.out);
  assertEquals(json.programs[0].name, "handle_exec");
  assertEquals(json.license, "Dual MIT/GPL");
});

Deno.test("skep inspect --json leads from a variable and a CO-RE relocation to their types", async () => {
  const { out } = await skep(["inspect", example("execsnoop"), "--json", "--show", "all"]);
  const { variables, types, core } = JSON.parse(out);
  const type = (id: number): { readonly name: string } => types[id - 1];
  const uid = variables.find((one: { name: string }) => one.name === "target_uid");
  assertEquals(types[uid.type - 1].id, uid.type);
  assert(core.length > 0);
  for (const one of core) assertStringIncludes(one.typeName, type(one.type).name);
});

Deno.test("skep btf dump prints the types of a file", async () => {
  const file = example("execsnoop");
  const c = await skep(["btf", "dump", "file", file, "--type", "event"]);
  assertStringIncludes(c.out, "struct event {");
  const typescript = await skep(["btf", "dump", "file", file, "-t", "event", "-f", "typescript"]);
  assertStringIncludes(typescript.out, "filename");
  const json = await skep(["btf", "dump", "file", file, "--json"]);
  assert(JSON.parse(json.out).types.length > 10);
  assertOneLine(await skep(["btf", "dump", "file", file, "-t", "evnt"]), "evnt");
});

Deno.test("skep verify says why a file does not open, as its contract has it", async () => {
  const { status, out } = await skep(["verify", "--json", "nowhere.bpf.o"]);
  assertEquals(status, 1);
  const { object, open, load, programs } = JSON.parse(out);
  assertEquals([object, open.ok, open.errno, open.stage], [
    "nowhere.bpf.o",
    false,
    "ENOENT",
    "open",
  ]);
  assertEquals([load.ok, programs], [false, []]);
});

kernelTest("skep verify loads the examples, and leaves nothing open", async () => {
  const files = ["execsnoop", "hello", "xdp_count", "tcp_connections"].map(example);
  const { status, out } = await skep(["verify", "--json", "--token", "none", ...files]);
  const lines = out.trim().split("\n").map((line) => JSON.parse(line));
  assertEquals(status, 0, out);
  assertEquals(lines.map(({ object }) => object), files);
  for (const { open, load, programs } of lines) {
    assertEquals([open, load], [{ ok: true }, { ok: true }]);
    for (const program of programs) {
      assert(program.ok);
      assert(/^[0-9a-f]{16}$/.test(program.tag), program.tag);
      assert(program.instructions > 0 && program.verified > 0);
    }
  }
});

kernelTest("skep run prints a table, and ends after its duration", async () => {
  const events = new AbortController();
  const running = skep(["run", example("execsnoop"), "--token", "none", "--duration", "20"], {
    signal: events.signal,
    onOut: (text) => {
      if (text.includes("skep-event")) events.abort();
    },
  });
  await startUntil(events.signal, "skep-event");
  const { status, out, error } = await running;
  assertEquals(status, 0, error);
  assert(/^ *PID +PPID +UID +COMM +FILENAME$/m.test(out), out);
  assertStringIncludes(error, "1 attached");
  const { status: timed } = await skep(["run", example("hello"), "-d", "50ms", "--token", "none"]);
  assertEquals(timed, 0);
});

kernelTest("skep run --json prints one JSON object for each event", async () => {
  const events = new AbortController();
  const running = skep(
    ["run", example("execsnoop"), "--json", "--quiet", "--token", "none", "-d", "20"],
    { signal: events.signal, onOut: (text) => text.includes("skep-event") && events.abort() },
  );
  await startUntil(events.signal, "skep-event");
  const { out, error } = await running;
  assertEquals(error, "");
  const found = out.trim().split("\n").map((line) => JSON.parse(line))
    .find(({ filename }) => filename.endsWith("skep-event"));
  assertEquals(Object.keys(found), ["pid", "ppid", "uid", "comm", "filename"]);
  assertEquals(found.uid, Deno.uid());
});

kernelTest("skep run shows the variables of an object without a ring buffer", async () => {
  const { out } = await skep(["run", example("hello"), "-d", "50ms", "--token", "none"]);
  assert(/^started +\d+$/m.test(out), out);
  const { out: json } = await skep([
    ...["run", example("hello"), "-d", "50ms", "--token", "none", "--json"],
  ]);
  assertEquals(typeof JSON.parse(json).started, "number");
});

kernelTest("skep prog, map, link and btf list what is loaded while it runs", async () => {
  const stop = new AbortController();
  const running = skep(["run", example("execsnoop"), "--token", "none"], { signal: stop.signal });
  try {
    const program = await retry(async () => {
      const list = JSON.parse((await skep(["prog", "list", "--json"])).out) as Listed[];
      return list.find(({ name }) => name === "handle_exec");
    });
    assertEquals(program.type, "tracing");
    const shown = JSON.parse((await skep(["prog", "show", String(program.id), "--json"])).out);
    assertEquals(shown.tag, program["tag"]);
    const dump = await skep(["prog", "dump", String(program.id)]);
    assertStringIncludes(dump.out, "exit");
    const maps = JSON.parse((await skep(["map", "list", "--json"])).out) as Listed[];
    const map = maps.find(({ id }) => (program["map_ids"] as number[]).includes(id));
    assert(map !== undefined);
    const links = JSON.parse((await skep(["link", "list", "--json"])).out) as Listed[];
    assert(links.some((link) => link["prog_id"] === program.id));
    const btf = JSON.parse((await skep(["btf", "list", "--json"])).out) as Listed[];
    assert(btf.some((one) => (one["prog_ids"] as number[]).includes(program.id)));
    for (const noun of ["prog", "map", "link", "btf"]) {
      const { status, out } = await skep([noun, "list"]);
      assertEquals(status, 0);
      assert(out.split("\n").length > 2, out);
    }
  } finally {
    stop.abort();
    await running;
  }
});

kernelTest("an object that is not there gives one line", async () => {
  assertOneLine(await skep(["prog", "show", "4294967290"]), "ENOENT");
  assertOneLine(await skep(["map", "show", "no_such_map"]), "no_such_map");
  assertOneLine(await skep(["link", "show", "/sys/fs/bpf/no/such/pin"]), "ENOENT");
});

kernelTest("a token from a directory that is no bpffs is refused in one line", async () => {
  assertOneLine(await skep(["run", example("hello"), "--token", "/tmp"]), "/tmp");
  assertOneLine(await skep(["run", example("hello"), "--token", "/no/such/bpffs"]), "ENOENT");
});

const privileged = reasonToSkip() === undefined;
Deno.test({
  name: `an ordinary user without a token gets one line that says what to do${
    privileged ? " [skipped: this user may load programs]" : ""
  }`,
  ignore: privileged,
  fn: async () => {
    const { status, error } = await skep(["run", example("hello"), "--duration", "1"]);
    assertEquals(status, 1);
    assertEquals(error.split("\n").length, 2, error);
    assertStringIncludes(error, "EPERM");
  },
});

interface Listed {
  readonly id: number;
  readonly name?: string | undefined;
  readonly type: string;
  readonly [field: string]: unknown;
}

/** Starts a program of this name repeatedly until the signal aborts. */
async function startUntil(signal: AbortSignal, name: string): Promise<void> {
  const directory = await Deno.makeTempDir();
  try {
    const path = `${directory}/${name}`;
    await Deno.writeTextFile(path, "#!/bin/sh\n");
    await Deno.chmod(path, 0o755);
    for (let i = 0; i < 100 && !signal.aborted; i++) {
      await new Deno.Command(path).output();
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

async function retry<T>(attempt: () => Promise<T | undefined>): Promise<T> {
  for (let i = 0; i < 100; i++) {
    const value = await attempt();
    if (value !== undefined) return value;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error("it did not happen within five seconds");
}
