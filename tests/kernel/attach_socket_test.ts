import { assert, assertEquals, assertGreater, assertThrows } from "@std/assert";
import { linuxKernel } from "../../kernel/linux/linux.ts";
import { socketPair } from "../support/processes.ts";
import { inNetworkNamespace, loadHook, openSocket } from "../support/hooks.ts";
import { kernelTest, openDescriptors } from "../support/kernel.ts";
import { SO_REUSEPORT } from "../../uapi/sockets.ts";
import { systemCalls } from "../../kernel/linux/ffi/syscalls.ts";

const kernel = linuxKernel();
const root = { needs: { root: true } } as const;

kernelTest("socket filter sees what comes to its socket, and drops it", async () => {
  using hook = await loadHook("socket_filter", { verdict: 0xffff });
  const [one, other] = socketPair();
  try {
    const passes = (): boolean => {
      assertEquals(kernel.write(one, new Uint8Array([1, 2, 3])), 3);
      return kernel.poller.poll(other) && kernel.read(other, 10).bytes.length === 3;
    };
    {
      using link = hook.program.attach({ socket: other });
      assertEquals(link.fd, -1);
      assertEquals(link.info(), undefined);
      assertThrows(() => link.pin("/sys/fs/bpf/skep-socket"), Error, "cannot be pinned");
      assert(passes());
      assertEquals(hook.hits, 1);
      hook.verdict(0);
      assertEquals(passes(), false);
    }
    assert(passes());
    assertEquals(hook.hits, 2);
  } finally {
    kernel.close(one);
    kernel.close(other);
  }
});

kernelTest("sk_reuseport sees connections to its group, and refuses them", root, async () => {
  using hook = await loadHook("reuseport", { verdict: 1 });
  await inNetworkNamespace(async () => {
    const socket = openSocket();
    try {
      assertEquals(kernel.setSocketOption(socket, SO_REUSEPORT, 1), 0);
      using _link = hook.program.attach({ socket });
      // listen() on an unbound socket makes the kernel choose a port; /proc/net/tcp has its number.
      assertEquals(kernel.call(systemCalls.listen, socket, 8), 0);
      const table = new TextDecoder().decode(kernel.readFile("/proc/thread-self/net/tcp").bytes);
      const port = parseInt(/^\s*\d+: [0-9A-F]+:([0-9A-F]+) \S+ 0A/m.exec(table)?.[1] ?? "0", 16);
      const connects = async (): Promise<boolean> => {
        try {
          (await Deno.connect({ hostname: "127.0.0.1", port })).close();
          return true;
        } catch {
          return false;
        }
      };
      assert(await connects());
      assertGreater(hook.hits, 0);
      hook.verdict(0);
      assertEquals(await connects(), false);
    } finally {
      kernel.close(socket);
    }
  });
});

/** A TCP connection with the descriptors of both ends, which Deno's API does not expose. */
async function connection(): Promise<
  Disposable & {
    readonly client: Deno.TcpConn;
    readonly server: Deno.TcpConn;
    readonly clientFd: number;
    readonly serverFd: number;
  }
> {
  const sockets = (): number[] =>
    [...openDescriptors()].filter(([, to]) => to.startsWith("socket:")).map(([fd]) => fd);
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  const before = new Set(sockets());
  const client = await Deno.connect({ hostname: "127.0.0.1", port });
  const between = sockets().filter((fd) => !before.has(fd));
  const server = await listener.accept();
  const after = sockets().filter((fd) => !before.has(fd) && !between.includes(fd));
  const [clientFd] = between;
  const [serverFd] = after;
  assert(clientFd !== undefined && serverFd !== undefined);
  let closed = false;
  return {
    client,
    server,
    clientFd,
    serverFd,
    [Symbol.dispose](): void {
      if (closed) return;
      closed = true;
      client.close();
      server.close();
    },
  };
}

function put(map: number, key: number, socket: number): void {
  using element = kernel.mapElements(map, 4, 4);
  new DataView(element.key.buffer, element.key.byteOffset).setUint32(0, key, true);
  new DataView(element.value.buffer, element.value.byteOffset).setUint32(0, socket, true);
  assertEquals(element.update(), 0);
}

/** Reads until a timeout in milliseconds; the read continues after it and can be awaited. */
async function receive(
  from: Deno.TcpConn,
  timeout: number,
): Promise<{ readonly arrived: boolean; readonly read: Promise<unknown> }> {
  const read = from.read(new Uint8Array(16)).catch(() => null);
  let timer = 0;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(resolve, timeout);
  });
  const arrived = await Promise.race([read, late]) === 4;
  clearTimeout(timer);
  return { arrived, read };
}

for (const via of ["link", "command"] as const) {
  kernelTest(
    `sk_msg by ${via} sees what a socket sends, and drops it`,
    {
      needs: {
        root: true,
        feature: via === "link" ? ["ability", "sockmap_link"] : undefined,
      },
    },
    async () => {
      using hook = await loadHook("sk_msg", { verdict: 1 });
      await inNetworkNamespace(async () => {
        const map = hook.object.maps.get("sockets");
        using ends = await connection();
        {
          using link = hook.program.attach({ map, via });
          assertEquals(link.fd >= 0, via === "link");
          put(map.fd, 0, ends.clientFd);
          await ends.client.write(new Uint8Array(4));
          assert((await receive(ends.server, 30_000)).arrived);
          assertEquals(hook.hits, 1);
          hook.verdict(0);
          await ends.client.write(new Uint8Array(4)).catch(() => {});
          assertEquals(hook.hits, 2);
        }
      });
    },
  );
}

kernelTest("sk_skb/verdict sees what a socket receives, and drops it", root, async () => {
  using hook = await loadHook("sk_skb", { verdict: 1 });
  await inNetworkNamespace(async () => {
    const map = hook.object.maps.get("sockets");
    using ends = await connection();
    using _link = hook.program.attach({ map });
    put(map.fd, 1, ends.serverFd);
    await ends.client.write(new Uint8Array(4));
    assert((await receive(ends.server, 30_000)).arrived);
    assertGreater(hook.hits, 0);
    hook.verdict(0);
    await ends.client.write(new Uint8Array(4));
    const { arrived, read } = await receive(ends.server, 100);
    assertEquals(arrived, false);
    ends[Symbol.dispose]();
    await read;
  });
});
