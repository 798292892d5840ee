/**
 * Tests the broker as a service: started by the command, as root, and as systemd starts it with a hidden /proc.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { linuxKernel } from "../../kernel/linux/linux.ts";
import { Delegation, withToken } from "../../token/mod.ts";
import type { JsonValue } from "../../errors/skep_error.ts";
import { testWith } from "../support/needs.ts";

const root = new URL("../../", import.meta.url).pathname;
const kernel = linuxKernel();
/** Uid of the client; root owns its user namespace. */
const CLIENT = 61_235;
/** Uid of the service. */
const SERVICE = 61_777;

const policy = JSON.stringify({
  version: 2,
  rules: [{
    name: "maps",
    who: { owner: [0], uid: [CLIENT] },
    delegate: { commands: ["map_create"], maps: ["hash"] },
  }],
});

interface Service {
  readonly pid: number;
  readonly lines: { readonly [key: string]: JsonValue }[];
  /** Sends SIGTERM; returns the exit status and standard error. */
  end(): Promise<readonly [number, string]>;
}

async function start(
  command: readonly string[],
  env: { [name: string]: string },
): Promise<Service> {
  const [program = "", ...args] = command;
  const child = new Deno.Command(program, {
    args,
    env: { NO_COLOR: "1", ...env },
    cwd: root,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const lines: Service["lines"] = [];
  const started = Promise.withResolvers<void>();
  const reading = (async (): Promise<void> => {
    let rest = "";
    for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
      const found = (rest + text).split("\n");
      rest = found.pop() ?? "";
      lines.push(...found.map((line) => JSON.parse(line)));
      if (lines.some(({ event }) => event === "started")) started.resolve();
    }
    started.resolve();
  })();
  await started.promise;
  return {
    pid: child.pid,
    lines,
    async end(): Promise<readonly [number, string]> {
      try {
        child.kill("SIGTERM");
      } catch (error) {
        if (!(error instanceof TypeError)) throw error;
      }
      const [{ code }, errors] = await Promise.all([
        child.status,
        new Response(child.stderr).text(),
        reading,
      ]);
      return [code, errors];
    },
  };
}

/** Returns the uid, groups and capability sets of each thread. */
function credentials(pid: number): string[] {
  const names = ["Uid", "Gid", "Groups", "CapInh", "CapPrm", "CapEff", "CapAmb"];
  return (kernel.readDirectory(`/proc/${pid}/task`) ?? []).map((task) => {
    const { bytes } = kernel.readFile(`/proc/${pid}/task/${task}/status`);
    const text = new TextDecoder().decode(bytes);
    return names.map((name) =>
      (new RegExp(`^${name}:[ \\t]*(.*)$`, "m").exec(text)?.[1] ?? "").trim().split("\t")[0]
    ).join(" ");
  });
}

async function ask(socket: string): Promise<{ readonly [key: string]: JsonValue }> {
  return await withToken({
    delegation: Delegation.none,
    module: new URL("broker_client.ts", import.meta.url),
    function: "ask",
    arguments: [socket],
    user: CLIENT,
    capabilities: ["bpf"],
  });
}

async function withFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "skep-" });
  await Deno.chmod(folder, 0o755);
  await Deno.writeTextFile(`${folder}/policy.json`, policy);
  try {
    await use(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const none = "0".repeat(16);
const two = "0000000000280000";
const broker = [Deno.execPath(), "run", "-A", "cli/mod.ts", "broker"];

testWith(
  "tokens",
  "started as root, the broker is a user of its own with two capabilities",
  async () => {
    await withFolder(async (folder) => {
      const socket = `${folder}/broker.sock`;
      const service = await start([
        ...broker,
        ...["--socket", socket, "--policy", `${folder}/policy.json`, "--user", `${SERVICE}`],
      ], {});
      const [first, ...others] = credentials(service.pid);
      assertEquals((await ask(socket))["map"], true);
      const loaded = service.lines.filter(({ event }) => event === "granted").length;
      const [code, errors] = await service.end();
      assertEquals([code, errors, loaded], [0, "", 1]);
      assertEquals(first, `${SERVICE} ${SERVICE}  ${none} ${two} ${two} ${none}`);
      assert(others.length > 0);
      // Threads started later may have the same capabilities or none, and never more.
      for (const other of others) {
        assert([first, first?.replaceAll(two, none)].includes(other), `a thread is ${other}`);
      }
      // The socket was removed by a child process that can do nothing else.
      assertEquals([...Deno.readDirSync(folder)].map(({ name }) => name), ["policy.json"]);
    });
  },
);

testWith("tokens", "the broker's user cannot be traced, and its memory is not read", async () => {
  await withFolder(async (folder) => {
    const socket = `${folder}/broker.sock`;
    const service = await start([
      ...broker,
      ...["--socket", socket, "--policy", `${folder}/policy.json`, "--user", `${SERVICE}`],
    ], {});
    const { code } = await new Deno.Command("setpriv", {
      args: [
        ...[`--reuid=${SERVICE}`, `--regid=${SERVICE}`, "--clear-groups"],
        ...["head", "-c1", `/proc/${service.pid}/environ`],
      ],
      stdout: "null",
      stderr: "null",
    }).output();
    assert(code !== 0, "a process of the same user reads its environment");
    assertEquals(await service.end(), [0, ""]);
  });
});

/**
 * Starts a service as systemd does: the listening socket as descriptor 3, and a user with ambient
 * capabilities.
 */
const SYSTEMD = `
use POSIX;
my ($fd, $uid, @command) = @ARGV;
POSIX::dup2($fd, 3);
$ENV{LISTEN_FDS} = 1;
$ENV{LISTEN_PID} = $$;
my $caps = "+sys_admin,+sys_ptrace";
exec "setpriv", "--reuid=$uid", "--regid=$uid", "--clear-groups", "--inh-caps=-all,$caps",
  "--ambient-caps=-all,$caps", "--bounding-set=-all,$caps", @command;
`;

/** Binds NOTIFY_SOCKET and prints the messages that it receives. */
const NOTIFIED = `
use Socket;
socket my $socket, AF_UNIX, SOCK_DGRAM, 0;
bind $socket, pack_sockaddr_un($ARGV[0]) or die;
chmod 0666, $ARGV[0];
$| = 1;
print "bound\\n";
while (defined recv $socket, my $message, 4096, 0) { print "$message\\n" }
`;

testWith("tokens", "started as systemd does it, with hidepid=2, the broker serves", async () => {
  await withFolder(async (folder) => {
    const deno = `${folder}/deno`;
    const bundle = `${folder}/skep.js`;
    const [state, socket] = [`${folder}/notify`, `${folder}/broker.sock`];
    await Deno.copyFile(Deno.execPath(), deno);
    const bundled = await new Deno.Command(Deno.execPath(), {
      args: ["bundle", "--quiet", "-o", bundle, "cli/mod.ts"],
      cwd: root,
    }).output();
    assertEquals(bundled.code, 0, new TextDecoder().decode(bundled.stderr));
    await Deno.mkdir(`${folder}/cache`);
    await Deno.chown(`${folder}/cache`, SERVICE, SERVICE);
    const listener = kernel.processes.sockets.listen(socket);
    kernel.processes.sockets.setMode(socket, 0o666);
    // Clears close-on-exec, so that the service inherits it.
    const F_SETFD = 2;
    const { fcntl } = (await import("../../kernel/linux/ffi/syscalls.ts")).systemCalls;
    assertEquals(kernel.call(fcntl, listener, F_SETFD, 0), 0);
    const notified = new Deno.Command("perl", {
      args: ["-e", NOTIFIED, state],
      stdin: "null",
      stdout: "piped",
    }).spawn();
    const states: string[] = [];
    const bound = Promise.withResolvers<void>();
    const listening = (async (): Promise<void> => {
      for await (const text of notified.stdout.pipeThrough(new TextDecoderStream())) {
        states.push(...text.trim().split("\n"));
        bound.resolve();
      }
    })();
    await bound.promise;
    const hidden = 'mount --make-rprivate / && mount -t proc -o hidepid=2 proc /proc && exec "$@"';
    const service = await start([
      ...["unshare", "--mount", "sh", "-c", hidden, "sh", "perl", "-e", SYSTEMD],
      ...[`${listener}`, `${SERVICE}`, deno, "run", "--no-config", "--no-lock", "-A", bundle],
      ...["broker", "--policy", `${folder}/policy.json`],
    ], { DENO_DIR: `${folder}/cache`, NOTIFY_SOCKET: state });
    kernel.close(listener);
    try {
      const [first] = credentials(service.pid);
      assertEquals((await ask(socket))["map"], true);
      assertEquals(first, `${SERVICE} ${SERVICE}  ${none} ${two} ${two} ${none}`);
      assertEquals(service.lines[0]?.["socket"], "fd 3");
    } finally {
      const [code, errors] = await service.end();
      notified.kill("SIGTERM");
      await Promise.all([notified.status, listening]);
      assertEquals([code, errors], [0, ""]);
    }
    assertEquals(states, ["bound", "READY=1", "STOPPING=1"]);
    // systemd owns the socket's file, so the broker must not remove it.
    assert((await Deno.stat(socket)).isSocket);
  });
});
