import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { FakeKernel, type FakeProcess } from "../../kernel/fake/mod.ts";
import type { FakeUserNamespace } from "../../kernel/fake/ground.ts";
import { KernelError } from "../../errors/kernel_error.ts";
import { decodeAnswer, encodeRequest } from "../protocol/protocol.ts";
import { Delegation } from "../../plan/delegation.ts";
import { type BrokerOptions, serveBroker } from "./server.ts";

const USER_NAMESPACE = 0xeffffffdn;
const initial: FakeUserNamespace = { inode: USER_NAMESPACE, owner: 0 };
const container: FakeUserNamespace = { inode: 7n, owner: 1000, parent: initial };
const peer: FakeProcess = {
  pid: 42,
  uid: 1000,
  gid: 1000,
  userNamespace: container,
  networkOwner: container,
};
const words = { commands: ["map_create"], maps: ["hash"] };
const policy = {
  version: 2,
  rules: [{ name: "r", who: { owner: [1000] }, delegate: words }],
};

/** A kernel whose tokens allow what the policy grants. */
class TokenKernel extends FakeKernel {
  override objectInfo(fd: number, size: number): ReturnType<FakeKernel["objectInfo"]> {
    const answer = super.objectInfo(fd, size);
    if (this.object(fd)?.kind !== "token" || answer.result < 0) return answer;
    const bytes = new Uint8Array(32);
    const masks = Delegation.of(words);
    new BigUint64Array(bytes.buffer).set([masks.commands, masks.maps, 0n, 0n]);
    return { result: 0, bytes };
  }
}

interface World {
  readonly kernel: TokenKernel;
  readonly lines: { readonly [key: string]: unknown }[];
  /** Sends a request as a process; returns the answer, and whether a token came with it. */
  ask(process?: Partial<FakeProcess>): Promise<{ readonly text: string; readonly token: boolean }>;
}

async function serve(
  options: {
    readonly files?: { readonly [path: string]: string };
    readonly broker?: Partial<BrokerOptions>;
  },
  use: (world: World) => Promise<void>,
): Promise<void> {
  const kernel = new TokenKernel({
    files: {
      "/etc/policy.jsonc": JSON.stringify(policy),
      "/proc/thread-self/status": "Uid:\t0\t0\t0\t0\nCapEff:\t000001ffffffffff\n",
      "/proc/self/ns/user": "",
      "/proc/sys/fs/suid_dumpable": "0\n",
      "/dev/null": "",
      ".": "",
      ...options.files,
    },
    inodes: { "/proc/self/ns/user": USER_NAMESPACE },
  });
  const lines: World["lines"] = [];
  const end = new AbortController();
  const ready = Promise.withResolvers<void>();
  const serving = serveBroker({
    socket: "/run/s",
    policy: "/etc/policy.jsonc",
    audit: (line) => {
      lines.push(JSON.parse(line));
    },
    signal: end.signal,
    onReady: ready.resolve,
    kernel,
    ...options.broker,
  });
  await Promise.race([ready.promise, serving]);
  const { sockets } = kernel.processes;
  try {
    await use({
      kernel,
      lines,
      async ask(process = {}): ReturnType<World["ask"]> {
        const socket = sockets.connectAs("/run/s", { ...peer, ...process });
        sockets.send(socket, encodeRequest(undefined, "test"));
        const message = await sockets.receiveWithin(socket, 4096, 1000);
        kernel.close(socket);
        if (typeof message === "number") return { text: `${message}`, token: false };
        for (const fd of message.descriptors) kernel.close(fd);
        const answer = decodeAnswer(message.bytes);
        return {
          text: typeof answer === "string"
            ? answer
            : "refused" in answer
            ? answer.refused
            : "granted",
          token: message.descriptors.length > 0,
        };
      },
    });
  } finally {
    end.abort();
    await serving;
  }
  assertEquals(kernel.leaks(), []);
}

Deno.test("a token is recorded before it is given, and nothing is left open", async () => {
  await serve({}, async ({ ask, lines, kernel }) => {
    assertEquals(await ask(), { text: "granted", token: true });
    const granted = lines.find(({ event }) => event === "granted");
    assertEquals([granted?.["account"], granted?.["rule"]], ["uid 1000", "r"]);
    const created = kernel.commands();
    assert(created.indexOf("token_create") < created.lastIndexOf("sendmsg"));
  });
});

Deno.test("what cannot be recorded is not given, and the broker goes on", async () => {
  let broken = false;
  const broker: Partial<BrokerOptions> = {
    audit: () => {
      if (broken) throw new Error("EPIPE");
    },
  };
  await serve({ broker }, async ({ ask }) => {
    broken = true;
    assertEquals(await ask(), { text: "the broker cannot record the grant", token: false });
    broken = false;
    assertEquals(await ask(), { text: "granted", token: true });
  });
});

/** The steps of a grant, each refused in one test. */
const steps = [
  ...["getsockopt", "pidfd_get_namespace", "ns_get_owner_uid", "duplicate", "ns_get_parent"],
  ...["fsopen", "fsconfig", "fsconfig_create", "fsmount", "open", "token_create"],
  ...["obj_get_info_by_fd", "readFile"],
] as const;

for (const command of steps) {
  Deno.test(`a grant in which ${command} is refused leaves nothing open, and the next is given`, async () => {
    await serve({}, async ({ kernel, ask }) => {
      let armed = true;
      kernel.inject({ command, errno: "EMFILE", when: () => armed });
      const { token, text } = await ask();
      assertEquals(token, false, text);
      armed = false;
      assertEquals((await ask()).token, true);
    });
  });
}

Deno.test("with fs.suid_dumpable=1, or one that is not known, no namespace is entered", async () => {
  for (const value of ["1\n", "3\n", ""]) {
    const files = { "/proc/sys/fs/suid_dumpable": value };
    await assertRejects(() => serve({ files }, async () => {}), KernelError, "suid_dumpable");
  }
});

Deno.test("a broker does not start without the capabilities that it needs", async () => {
  const status = (mask: bigint): string =>
    `Uid:\t1\t1\t1\t1\nCapEff:\t${mask.toString(16).padStart(16, "0")}\n`;
  for (
    const [mask, says] of [[1n << 21n, "CAP_SYS_PTRACE"], [1n << 19n, "CAP_SYS_ADMIN"]] as const
  ) {
    const files = { "/proc/thread-self/status": status(mask) };
    await assertRejects(() => serve({ files }, async () => {}), KernelError, says);
  }
  await serve({ files: { "/proc/thread-self/status": status(0x280000n) } }, async ({ ask }) => {
    assertEquals((await ask()).token, true);
  });
});

Deno.test("a peer whose namespaces change while it is silent is refused", async () => {
  await serve({}, async ({ kernel }) => {
    const { sockets } = kernel.processes;
    const process = { ...peer };
    const socket = sockets.connectAs("/run/s", process);
    while (!kernel.commands().includes("recvmsg")) {
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    Object.assign(process, { userNamespace: { inode: 8n, owner: 1001, parent: initial } });
    sockets.send(socket, encodeRequest(undefined, ""));
    const message = await sockets.receiveWithin(socket, 4096, 1000);
    assert(typeof message !== "number");
    assertStringIncludes(new TextDecoder().decode(message.bytes), "its user namespace has changed");
    kernel.close(socket);
  });
});

Deno.test("a broker that becomes another user keeps two capabilities, and who removes its socket", async () => {
  const user = { uid: 61_184, gid: 61_184 };
  await serve({ broker: { confine: { user } } }, async ({ kernel }) => {
    const call = kernel.calls.find(({ command }) => command === "confine");
    assertEquals(call?.attributes, { user, capabilities: [21, 19] });
    const names = kernel.commands();
    assert(names.indexOf("listen") < names.indexOf("start_remover"));
    assert(names.indexOf("start_remover") < names.indexOf("confine"));
    await Promise.resolve();
  });
  const kernel = new TokenKernel();
  assertEquals(kernel.leaks(), []);
});

Deno.test("a broker whose credentials cannot be given up does not start", async () => {
  const files = {
    "/etc/policy.jsonc": JSON.stringify(policy),
    "/proc/thread-self/status": "Uid:\t0\t0\t0\t0\nCapEff:\t000001ffffffffff\n",
    "/proc/sys/fs/suid_dumpable": "2\n",
  };
  const kernel = new FakeKernel({ files });
  kernel.inject({ command: "confine", errno: "EPERM" });
  const options = { socket: "/run/s", policy: "/etc/policy.jsonc", audit: (): void => {}, kernel };
  const confine = { user: { uid: 5, gid: 5 } };
  await assertRejects(() => serveBroker({ ...options, confine }), KernelError, "become uid 5");
});

Deno.test("without descriptors a client is told so, by the one that is kept for it", async () => {
  await serve({}, async ({ kernel, ask }) => {
    let armed = true;
    let refused = 0;
    // The first accept of each connection fails, the one with the spare descriptor does not.
    kernel.inject({
      command: "accept4",
      errno: "EMFILE",
      when: () => armed && refused++ % 2 === 0,
    });
    const { text, token } = await ask();
    assertEquals(token, false);
    assertStringIncludes(text, "no file descriptors left (EMFILE)");
    armed = false;
    assertEquals((await ask()).token, true);
  });
});

Deno.test("a socket that was handed over is served, and is nobody's to remove", async () => {
  const kernel = new TokenKernel({
    files: {
      "/etc/policy.jsonc": JSON.stringify(policy),
      "/proc/thread-self/status": "Uid:\t0\t0\t0\t0\nCapEff:\t000001ffffffffff\n",
      "/proc/sys/fs/suid_dumpable": "0\n",
    },
  });
  const fd = kernel.processes.sockets.listen("/run/activated");
  const end = new AbortController();
  await serveBroker({
    socket: { fd },
    policy: "/etc/policy.jsonc",
    audit: () => {},
    signal: end.signal,
    onReady: () => end.abort(),
    kernel,
  });
  assert(!kernel.commands().includes("remove"));
  const other = kernel.open("/etc/policy.jsonc");
  const options = { policy: "/etc/policy.jsonc", audit: (): void => {}, kernel };
  await assertRejects(
    () => serveBroker({ ...options, socket: { fd: other } }),
    KernelError,
    "SOCK_SEQPACKET",
  );
});
