// Loads and attaches objects of bcc's libbpf-tools (Debian's build) with the settings of the tools.

import { assert, assertEquals } from "@std/assert";
import { linuxKernel } from "../../kernel/linux/linux.ts";
import { openObject } from "../../loader/mod.ts";
import { BpfObject } from "../../loader/object.ts";
import { PerfBuffer } from "../../loader/stream/perf_buffer.ts";
import { inNetworkNamespace, until } from "../support/hooks.ts";
import { kernelTest } from "../support/kernel.ts";
import { Errno } from "../../uapi/errno.ts";

const kernel = linuxKernel();
const FOLDER = new URL("../../../shared/corpus/objs/libbpf-tools.bookworm/", import.meta.url);

const noCorpus = (): string | undefined =>
  kernel.stat(FOLDER.pathname).result === 0 ? undefined : "needs ../shared/corpus";

/** Decodes text up to the first NUL. */
function text(bytes: Uint8Array, offset: number, length: number): string {
  return new TextDecoder().decode(bytes.subarray(offset, offset + length)).split("\0", 1)[0] ?? "";
}

function number(bytes: Uint8Array, offset: number): number {
  return new DataView(bytes.buffer, bytes.byteOffset).getInt32(offset, true);
}

/** Loads an object with its settings, attaches its programs, and returns the wanted event that `happen` causes. */
async function drive(
  name: string,
  options: {
    readonly variables?: { readonly [name: string]: unknown } | undefined;
    readonly without?: readonly string[] | undefined;
    readonly happen: () => void | Promise<void>;
    readonly wanted: (event: Uint8Array) => boolean;
  },
): Promise<Uint8Array> {
  const spec = await openObject(new URL(`${name}.00.bpf.o`, FOLDER).pathname);
  for (const [variable, value] of Object.entries(options.variables ?? {})) {
    spec.variables.get(variable).set(value);
  }
  for (const program of options.without ?? []) spec.programs.get(program).autoload = false;
  using object = await BpfObject.load(spec, { token: false });
  const events = object.maps.get("events");
  using buffer = PerfBuffer.open(kernel, events.fd, kernel.machine.possibleCpus, {
    name: "events",
  });
  using links = object.attach();
  assert(links.size > 0);
  await options.happen();
  let found: Uint8Array | undefined;
  await until(() => {
    found ??= buffer.drain().find(options.wanted);
    return found !== undefined;
  }, `${name} has told of it`);
  return found as Uint8Array;
}

const tracepoints = {
  needs: { root: true, unless: noCorpus, tracefs: import.meta.url },
} as const;

kernelTest(
  "execsnoop of libbpf-tools tells of a program with its arguments",
  tracepoints,
  async () => {
    // struct event { pid, ppid, uid, retval, args_count, args_size, comm[16], args[] }
    const event = await drive("execsnoop", {
      variables: { max_args: 20, ignore_failed: true },
      happen: async () => {
        await new Deno.Command("/bin/true", { args: ["skep", "was here"] }).output();
      },
      wanted: (bytes) => number(bytes, 4) === Deno.pid,
    });
    assertEquals(text(event, 24, 16), "true");
    assertEquals(number(event, 12), 0);
    const size = number(event, 20);
    const words = new TextDecoder().decode(event.subarray(40, 40 + size)).split("\0");
    assertEquals(words.slice(0, 3), ["/bin/true", "skep", "was here"]);
  },
);

kernelTest("opensnoop of libbpf-tools tells of a file that is not there", tracepoints, async () => {
  const path = `/no-such-file-${Deno.pid}`;
  // struct event { ts, pid, uid, ret, flags, callers[2], comm[16], fname[] }
  const event = await drive("opensnoop", {
    variables: { targ_tgid: Deno.pid },
    happen: () => {
      assertEquals(kernel.open(path), -Errno.ENOENT);
    },
    wanted: (bytes) => text(bytes, 56, 255) === path,
  });
  assertEquals(number(event, 8), Deno.pid);
  assertEquals(number(event, 16), -Errno.ENOENT);
});

kernelTest("tcpstates of libbpf-tools tells of a connection's way", tracepoints, async () => {
  let port = 0;
  // struct event { saddr[16], daddr[16], skaddr, ts_us, delta_us, pid, oldstate, newstate, family, sport, dport, task[16] }
  const LISTEN = 10;
  const event = await drive("tcpstates", {
    happen: () =>
      inNetworkNamespace(() => {
        using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
        port = (listener.addr as Deno.NetAddr).port;
      }),
    wanted: (bytes) =>
      number(bytes, 64) === LISTEN && new DataView(bytes.buffer).getUint16(70, true) === port,
  });
  assertEquals(new DataView(event.buffer).getUint16(68, true), 2);
});

const noKprobes = (): string | undefined =>
  kernel.readFile("/sys/bus/event_source/devices/kprobe/type").result < 0
    ? "this kernel is built without kprobes"
    : undefined;

kernelTest("tcpconnect of libbpf-tools tells of a connection", {
  needs: { root: true, unless: () => noCorpus() ?? noKprobes(), tracefs: import.meta.url },
}, async () => {
  let port = 0;
  // struct event { saddr, daddr (16 bytes each), task[16], ts_us, af, pid, uid, sport, dport }
  const event = await drive("tcpconnect", {
    variables: { filter_pid: Deno.pid },
    happen: () =>
      inNetworkNamespace(async () => {
        using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
        port = (listener.addr as Deno.NetAddr).port;
        const accepted = listener.accept();
        (await Deno.connect({ hostname: "127.0.0.1", port })).close();
        (await accepted).close();
      }),
    wanted: (bytes) => number(bytes, 60) === Deno.pid,
  });
  assertEquals([...event.subarray(16, 20)], [127, 0, 0, 1]);
  assertEquals(number(event, 56), 2);
  const view = new DataView(event.buffer);
  const ports = [68, 70].map((at) => view.getUint16(at, false));
  assert(ports.includes(port), `${ports} has ${port}`);
});
