import { assert, assertEquals, assertThrows } from "@std/assert";
import { linuxKernel } from "../../kernel/linux/linux.ts";
import { Link } from "../../loader/attach/link.ts";
import { BpfObject } from "../../loader/object.ts";
import { ObjectSpec } from "../../object/object_spec.ts";
import {
  addInterface,
  cgroupRoot,
  hookToken,
  inCgroup,
  inNetworkNamespace,
  interfaces,
  loadHook,
  openSocket,
  setInterfaceUp,
  until,
} from "../support/hooks.ts";
import { kernelTest } from "../support/kernel.ts";
import { trampolines, trampolinesFor } from "../support/trampolines.ts";
import { BPF_FS_MAGIC } from "../../uapi/files.ts";

const kernel = linuxKernel();
const noCgroups = (): string | undefined =>
  cgroupRoot() === undefined ? "cgroup version 2 is not mounted" : undefined;

kernelTest(
  "flow_dissector sees the packets of its network namespace",
  { needs: { root: true, feature: ["hook", "netns"], built: ["CONFIG_VETH"] } },
  async () => {
    using hook = await loadHook("flow_dissector");
    await inNetworkNamespace(async () => {
      using link = hook.program.attach({ netns: "/proc/thread-self/ns/net" });
      assertEquals(link.info()?.attachType, "flow_dissector");
      // A veth pair with several queues: selecting one dissects the packet's flow.
      assertEquals(addInterface("skep0", "veth", 2), 0);
      for (const name of interfaces()) setInterfaceUp(kernel.interfaceIndex(name));
      await until(() => hook.hits > 0, "IPv6 has announced itself");
    });
  },
);

kernelTest(
  "freplace answers in the place of another program's function",
  { needs: trampolinesFor("freplace") },
  async () => {
    using target = await loadHook("with_replaceable");
    const bytes = await Deno.readFile(new URL("../fixtures/hooks.bpf.o", import.meta.url));
    const spec = ObjectSpec.parse(bytes, { name: "hooks.bpf.o" });
    const replacement = spec.programs.get("replacement");
    replacement.autoload = true;
    replacement.attachTarget = { programFd: target.program.fd, function: "replaceable" };
    using object = await BpfObject.load(spec, { token: hookToken });
    const answer = (): number => target.program.testRun({ data: new Uint8Array(64) }).returnValue;
    assertEquals(answer(), 1);
    {
      using link = object.programs.get("replacement").attach();
      assertEquals(answer(), 7);
      assertEquals(object.variables.get("hits").get(), 1n);
      assertEquals(link.info()?.type, "tracing");
      assertThrows(() => object.programs.get("replacement").attach(), Error, "attach replacement");
    }
    assertEquals(answer(), 1);
  },
);

kernelTest(
  "lsm_cgroup refuses sockets to its cgroup alone",
  {
    needs: {
      root: true,
      ...trampolinesFor("lsm_cgroup"),
      unless: () => trampolines.unless?.() ?? noCgroups(),
    },
  },
  async () => {
    using hook = await loadHook("lsm_cgroup", { verdict: 1 });
    await inCgroup((path) => {
      const opens = (): boolean => {
        const socket = openSocket();
        if (socket >= 0) kernel.close(socket);
        return socket >= 0;
      };
      {
        using link = hook.program.attach({ cgroup: path });
        assertEquals(link.info()?.attachType, "lsm_cgroup");
        assert(opens());
        assertEquals(hook.hits, 1);
        hook.verdict(0);
        assertEquals(opens(), false);
      }
      assert(opens());
    });
  },
);

for (const [map, name] of [["by_link", "skep_link"], ["by_update", "skep_update"]] as const) {
  kernelTest(
    `struct_ops ${map.replace("_", " ")} gives a congestion control that connections use`,
    {
      needs: {
        root: true,
        feature: map === "by_link" ? ["ability", "struct_ops_link"] : ["hook", "struct_ops"],
      },
    },
    async () => {
      const bytes = await Deno.readFile(new URL("../fixtures/struct_ops.bpf.o", import.meta.url));
      const spec = ObjectSpec.parse(bytes, { name: "struct_ops.bpf.o" });
      spec.maps.get(map === "by_link" ? "by_update" : "by_link").autocreate = false;
      using object = await BpfObject.load(spec, { token: hookToken });
      await inNetworkNamespace(async () => {
        {
          using links = object.attach();
          const [link] = [...links].filter(({ kind }) => kind === "struct_ops");
          assertEquals(link?.program, map);
          assert(available().includes(name));
          chooseCongestionControl(name);
          using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
          const { port } = listener.addr as Deno.NetAddr;
          const accepted = listener.accept();
          (await Deno.connect({ hostname: "127.0.0.1", port })).close();
          (await accepted).close();
          assert((object.variables.get("hits").get() as bigint) > 0n);
          chooseCongestionControl("reno");
        }
        // Sockets that are closing still hold a reference to it for a short time.
        await until(() => !available().includes(name), `${name} is gone`);
      });
    },
  );
}

function chooseCongestionControl(name: string): void {
  const file = kernel.open("/proc/sys/net/ipv4/tcp_congestion_control", 1);
  assertEquals(kernel.write(file, new TextEncoder().encode(name)), name.length);
  kernel.close(file);
}

function available(): string[] {
  const { bytes } = kernel.readFile("/proc/sys/net/ipv4/tcp_available_congestion_control");
  return new TextDecoder().decode(bytes).trim().split(" ");
}

function whyNoInfrared(): string | undefined {
  if (kernel.readDirectory("/sys/module/rc_loopback") === undefined) {
    try {
      new Deno.Command("modprobe", { args: ["rc-loopback"], stderr: "null" }).outputSync();
    } catch {
      // Without modprobe there is no device, which the check below reports.
    }
  }
  return infrared() === undefined ? "no infrared loopback (module rc-loopback)" : undefined;
}

/** Returns the first lirc device: rc-loopback receives what is sent on it. */
function infrared(): string | undefined {
  const name = (kernel.readDirectory("/dev") ?? []).find((name) => name.startsWith("lirc"));
  return name === undefined ? undefined : `/dev/${name}`;
}

kernelTest(
  "lirc_mode2 sees the pulses of its receiver",
  { needs: { root: true, feature: ["hook", "lirc"], unless: whyNoInfrared } },
  async () => {
    using hook = await loadHook("lirc");
    const device = infrared() as string;
    {
      using link = hook.program.attach({ lirc: device });
      assertEquals(link.fd, -1);
      // Pulse, space, pulse, in microseconds.
      const file = kernel.open(device, 2);
      const pulses = new Uint8Array(new Uint32Array([9000, 4500, 560]).buffer);
      assertEquals(kernel.write(file, pulses), pulses.length);
      await until(() => hook.hits > 0, "the pulses have come back");
      kernel.close(file);
    }
  },
);

kernelTest("a syscall program is run by hand and not attached", async () => {
  using hook = await loadHook("run_by_hand");
  assertEquals(hook.program.testRun().returnValue, 42);
  assertThrows(
    () => hook.program.attach(),
    Error,
    "syscall programs have no hook: run them with testRun()",
  );
});

kernelTest("a pinned link outlives its descriptor and is opened again", {
  needs: {
    root: true,
    unless: () =>
      kernel.filesystemType("/sys/fs/bpf") !== BPF_FS_MAGIC
        ? "no bpffs on /sys/fs/bpf"
        : noCgroups(),
  },
}, async () => {
  const path = `/sys/fs/bpf/skep-test-${Deno.pid}`;
  using hook = await loadHook("cgroup_connect", { verdict: 1 });
  await inCgroup((cgroup) => {
    const link = hook.program.attach({ cgroup });
    const id = link.info()?.id;
    link.pin(path);
    link.close();
    try {
      using again = Link.open(kernel, path);
      assertEquals(again.info()?.id, id);
      again.detach();
    } finally {
      kernel.unlink(path);
    }
  });
});
