import { assert, assertEquals, assertGreater, assertRejects, assertThrows } from "@std/assert";
import { linuxKernel } from "../../kernel/linux/linux.ts";
import { AttachType } from "../../uapi/enums.ts";
import {
  addInterface,
  cgroupRoot,
  inCgroup,
  inNetworkNamespace,
  interfaces,
  linksOf,
  loadHook,
  openSocket,
  setInterfaceUp,
  until,
} from "../support/hooks.ts";
import { kernelTest } from "../support/kernel.ts";
import { TCX_NEXT, XDP_DROP, XDP_PASS } from "../../uapi/bpf_flags.ts";
import { TC_ACT_OK, TC_ACT_SHOT } from "../../uapi/netlink.ts";

const kernel = linuxKernel();
const root = { needs: { root: true } } as const;
const NETNS = "/proc/thread-self/ns/net";

/** Connects to a listener on this namespace's loopback; returns whether the connection is made before a timeout. */
async function connects(timeout = 20_000): Promise<boolean> {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  const accepted = listener.accept().then((connection) => connection.close(), () => {});
  try {
    const signal = AbortSignal.timeout(timeout);
    const connection = await Deno.connect({ hostname: "127.0.0.1", port, signal });
    connection.close();
    await accepted;
    return true;
  } catch {
    return false;
  }
}

for (const via of ["link", "netlink"] as const) {
  kernelTest(
    `xdp by ${via} counts packets, drops them, and changes its program`,
    root,
    async () => {
      using hook = await loadHook("xdp", { verdict: XDP_PASS, also: ["xdp_other"] });
      await inNetworkNamespace(async () => {
        {
          using link = hook.program.attach({ interface: "lo", mode: "generic", via });
          assertEquals(link.fd >= 0, via === "link");
          assert(await connects());
          assertGreater(hook.hits, 2);
          assertThrows(
            () => hook.program.attach({ interface: "lo", mode: "generic", via }),
            Error,
            "already attached to lo",
          );
          hook.verdict(XDP_DROP);
          assert(!await connects(150));
          hook.verdict(XDP_PASS);
          const hits = hook.hits;
          link.update(hook.object.programs.get("xdp_other"));
          assert(await connects());
          assertEquals(hook.hits, hits);
          assertEquals(hook.value, 77n);
        }
        hook.verdict(XDP_DROP);
        assert(await connects());
      });
    },
  );
}

kernelTest("a closed attachment is neither updated nor comes back", root, async () => {
  using hook = await loadHook("tc", { verdict: TC_ACT_SHOT });
  await inNetworkNamespace(async () => {
    const link = hook.program.attach({ interface: "lo" });
    link.close();
    assertThrows(() => link.update(hook.program), Error, "it was disposed");
    assert(await connects());
    assertThrows(
      () => hook.program.attach({ interface: "lo", direction: "up" as "egress" }),
      Error,
      'option direction cannot be "up"; it must be one of "ingress", "egress"',
    );
    for (const index of [0, -1, 1.5, NaN]) {
      assertThrows(() => hook.program.attach({ interface: index }), Error, "is not an index");
    }
  });
});

kernelTest("xdp on an interface that does not exist names those that do", root, async () => {
  using hook = await loadHook("xdp");
  assertThrows(
    () => hook.program.attach({ interface: "loo" }),
    Error,
    'there is no network interface "loo"; nearest: lo',
  );
});

/** Returns the ids of the programs on an interface's ingress hook. */
function ingressOrder(index: number): readonly number[] {
  const { result, programIds } = kernel.programQuery(index, AttachType.tcx_ingress);
  if (result < 0) throw new Error(`BPF_PROG_QUERY answers ${result}`);
  return programIds;
}

const tcx = { needs: { root: true, feature: ["hook", "tcx"] } } as const;

kernelTest("tcx counts packets both ways and drops them", tcx, async () => {
  for (const name of ["tcx_ingress", "tcx_egress"]) {
    using hook = await loadHook(name, { verdict: TCX_NEXT });
    await inNetworkNamespace(async () => {
      {
        using _link = hook.program.attach({ interface: "lo" });
        assert(await connects());
        assertGreater(hook.hits, 2);
        hook.verdict(TC_ACT_SHOT);
        assert(!await connects(150));
      }
      assert(await connects());
    });
  }
});

kernelTest("tcx runs programs in the order that anchors give", tcx, async () => {
  using hook = await loadHook("tcx_ingress", { verdict: TCX_NEXT, also: ["tcx_ingress_second"] });
  const second = hook.object.programs.get("tcx_ingress_second");
  const firstId = hook.program.info().id;
  const secondId = second.info().id;
  await inNetworkNamespace(() => {
    const lo = kernel.interfaceIndex("lo");
    const order = (): readonly number[] => ingressOrder(lo);
    using link = hook.program.attach({ interface: "lo" });
    {
      using _before = second.attach({ interface: "lo", before: link });
      assertEquals(order(), [secondId, firstId]);
    }
    {
      using _after = second.attach({ interface: "lo", after: hook.program });
      assertEquals(order(), [firstId, secondId]);
    }
    {
      using _first = second.attach({ interface: "lo", before: "all" });
      assertEquals(order(), [secondId, firstId]);
    }
    const { revision } = kernel.programQuery(lo, AttachType.tcx_ingress);
    assertThrows(
      () => second.attach({ interface: "lo", expectedRevision: revision + 5n }),
      Error,
      "ESTALE",
    );
    using _revised = second.attach({ interface: "lo", expectedRevision: revision });
    assertEquals(order(), [firstId, secondId]);
  });
});

kernelTest("tcx by command takes the place of a program, and goes with its link", tcx, async () => {
  using hook = await loadHook("tcx_ingress", { verdict: TCX_NEXT, also: ["tcx_ingress_second"] });
  const second = hook.object.programs.get("tcx_ingress_second");
  const firstId = hook.program.info().id;
  const secondId = second.info().id;
  await inNetworkNamespace(() => {
    const lo = kernel.interfaceIndex("lo");
    const order = (): readonly number[] => ingressOrder(lo);
    {
      using link = hook.program.attach({ interface: "lo", via: "command" });
      assertEquals(link.fd, -1);
      assertEquals(order(), [firstId]);
      link.update(second);
      assertEquals(order(), [secondId]);
      link.update(hook.program);
      assertThrows(
        () => second.attach({ interface: "lo", replaceProgram: hook.program }),
        Error,
        "a link cannot replace a program that is attached without one",
      );
      const other = second.attach({
        interface: "lo",
        via: "command",
        replaceProgram: hook.program,
      });
      assertEquals(order(), [secondId]);
      other.close();
    }
    assertEquals(order(), []);
  });
});

kernelTest("tc counts packets, drops them, changes its program and goes", root, async () => {
  using hook = await loadHook("tc", { verdict: TC_ACT_OK });
  const qdisc = await inNetworkNamespace(async () => {
    let link;
    try {
      link = hook.program.attach({ interface: "lo", direction: "ingress" });
    } catch (error) {
      // On a kernel without clsact the rest cannot be tested.
      if (error instanceof Error && error.message.includes("RTM_NEWQDISC")) return error.message;
      throw error;
    }
    using attached = link;
    assert(await connects());
    assertGreater(hook.hits, 2);
    hook.verdict(TC_ACT_SHOT);
    assert(!await connects(150));
    attached.close();
    assert(await connects());
    return undefined;
  });
  assertEquals(qdisc, undefined);
});

kernelTest(
  "netkit counts what goes through a pair",
  {
    needs: {
      root: true,
      feature: ["hook", "netkit"],
    },
  },
  async () => {
    using hook = await loadHook("netkit_primary", { verdict: 2 });
    await inNetworkNamespace(async () => {
      // The kernel names the peer nk0, the first free name of its pattern.
      assertEquals(addInterface("skep0", "netkit"), 0);
      using link = hook.program.attach({ interface: "skep0" });
      assertEquals(link.info()?.attachType, "netkit_primary");
      // Both ends send IPv6 neighbour discovery packets once they are up.
      for (const name of interfaces()) setInterfaceUp(kernel.interfaceIndex(name));
      await until(() => hook.hits > 0, "a packet went through netkit");
    });
  },
);

kernelTest(
  "netfilter counts packets and drops them",
  { needs: { root: true, feature: ["hook", "netfilter"] } },
  async () => {
    using hook = await loadHook("netfilter", { verdict: 1 });
    await inNetworkNamespace(async () => {
      {
        // NF_IP_PRI_* are signed, most of them negative.
        for (const priority of [-128, -1, 0, 2 ** 31 - 2]) {
          using other = hook.program.attach({ hook: "local_in", priority });
          assertEquals(other.info()?.details["priority"], priority);
        }
        using link = hook.program.attach({ hook: "local_in", priority: 10 });
        assertEquals(link.info()?.details, { pf: 2, hooknum: 1, priority: 10, flags: 0 });
        assert(await connects());
        assertGreater(hook.hits, 2);
        hook.verdict(0);
        assert(!await connects(150));
      }
      assert(await connects());
    });
  },
);

kernelTest("sk_lookup sees connections and refuses them", root, async () => {
  using hook = await loadHook("sk_lookup", { verdict: 1 });
  await inNetworkNamespace(async () => {
    {
      using link = hook.program.attach({ netns: NETNS });
      assertEquals(link.info()?.attachType, "sk_lookup");
      assert(await connects());
      assertGreater(hook.hits, 0);
      hook.verdict(0);
      assert(!await connects());
    }
    assert(await connects());
  });
});

const noCgroups = (): string | undefined =>
  cgroupRoot() === undefined ? "cgroup version 2 is not mounted" : undefined;
const cgroups = { needs: { root: true, unless: noCgroups } } as const;

for (const via of ["link", "command"] as const) {
  kernelTest(`cgroup/connect4 by ${via} sees connections and refuses them`, cgroups, async () => {
    using hook = await loadHook("cgroup_connect", { verdict: 1 });
    await inCgroup(async (path) => {
      {
        using link = hook.program.attach({ cgroup: path, via });
        assertEquals(link.fd >= 0, via === "link");
        assert(await connects());
        assertEquals(hook.hits, 1);
        hook.verdict(0);
        await assertRejects(
          () => Deno.connect({ hostname: "127.0.0.1", port: 9 }),
          Error,
          "not permitted",
        );
        assertEquals(hook.value, 9n);
        // Replaces the program with itself: the hook stays in effect.
        link.update(hook.program);
        assertEquals(await connects(), false);
      }
      assert(await connects());
    });
  });
}

kernelTest("cgroup_skb counts packets of its cgroup and drops them", cgroups, async () => {
  for (const name of ["cgroup_ingress", "cgroup_egress"]) {
    using hook = await loadHook(name, { verdict: 1 });
    await inCgroup(async (path) => {
      {
        using link = hook.program.attach({ cgroup: path });
        assertEquals(link.info()?.type, "cgroup");
        assert(await connects());
        assertGreater(hook.hits, 2);
        hook.verdict(0);
        assert(!await connects(150));
      }
      assert(await connects());
    });
  }
});

kernelTest(
  "cgroup hooks on sockets, options, sysctls and devices see the event",
  cgroups,
  async () => {
    const events: { readonly [name: string]: () => void } = {
      cgroup_bind: () => Deno.listen({ hostname: "127.0.0.1", port: 0 }).close(),
      cgroup_sock_create: () => Deno.listen({ hostname: "127.0.0.1", port: 0 }).close(),
      cgroup_sysctl: () => kernel.readFile("/proc/sys/kernel/ostype"),
      cgroup_device: () => kernel.close(kernel.open("/dev/null")),
      cgroup_setsockopt: () => {
        const socket = openSocket();
        kernel.setSocketOption(socket, 2, 1);
        kernel.close(socket);
      },
    };
    for (const [name, event] of Object.entries(events)) {
      using hook = await loadHook(name, { verdict: 1 });
      await inCgroup((path) => {
        {
          using _link = hook.program.attach({ cgroup: path });
          event();
          assertGreater(hook.hits, 0, name);
        }
        const hits = hook.hits;
        event();
        assertEquals(hook.hits, hits);
      });
    }
  },
);

kernelTest("sockops sees connections of its cgroup", cgroups, async () => {
  using hook = await loadHook("sockops");
  await inCgroup(async (path) => {
    using _link = hook.program.attach({ cgroup: path });
    assert(await connects());
    assertGreater(hook.hits, 0);
  });
});

kernelTest("a cgroup that does not exist is named", cgroups, async () => {
  using hook = await loadHook("cgroup_connect");
  assertThrows(
    () => hook.program.attach({ cgroup: `${cgroupRoot()}/no-such-cgroup` }),
    Error,
    'there is no cgroup at "',
  );
  assertThrows(() => hook.program.attach({}), Error, 'attach({ cgroup: "PATH" })');
});

kernelTest("links of networks leave nothing behind", root, async () => {
  using hook = await loadHook("xdp", { verdict: XDP_PASS });
  const id = hook.program.info().id;
  await inNetworkNamespace(() => {
    for (let round = 0; round < 20; round++) {
      using _link = hook.program.attach({ interface: "lo", mode: "generic" });
      assertEquals(linksOf([id]).length, 1);
    }
  });
  assertEquals(linksOf([id]), []);
});
