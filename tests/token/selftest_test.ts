/**
 * Ports subtests 1 to 5 and 8 to 12 of the kernel's `prog_tests/token.c`. Loose assertions upstream are exact
 * here, and an unexpected success fails.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { linuxKernel } from "../../kernel/linux/linux.ts";
import { kernelBtf, openObject } from "../../loader/mod.ts";
import { Delegation, plan, withToken, type WithTokenOptions } from "../../token/mod.ts";
import { testWith } from "../support/needs.ts";

const fixtures = new URL("../fixtures/", import.meta.url);
const tokenObject = new URL("token.bpf.o", fixtures).pathname;
const structOps = new URL("congestion.bpf.o", fixtures).pathname;

type Call = Omit<WithTokenOptions, "module">;

async function inside<T>(options: Call): Promise<T> {
  return await withToken<T>({ module: new URL("selftest.ts", import.meta.url), ...options });
}

const needsBoth = {
  tokenAndCapabilities: "ok",
  capabilitiesAlone: "EPERM",
  tokenAlone: "EPERM",
  neither: "EPERM",
};

testWith("tokens", "map_token: a map takes the token and the capabilities", async () => {
  const delegation = Delegation.of({ commands: ["map_create"], maps: ["stack"] });
  assertEquals(await inside({ delegation, function: "mapToken" }), needsBoth);
});

testWith("tokens", "btf_token: BTF takes the token and the capability", async () => {
  const delegation = Delegation.of({ commands: ["btf_load"] });
  assertEquals(await inside({ delegation, function: "btfToken" }), needsBoth);
});

testWith("tokens", "prog_token: a program takes the token and the capabilities", async () => {
  const delegation = Delegation.of({
    commands: ["PROG_LOAD"],
    programs: ["XDP"],
    attachments: ["xdp"],
  });
  assertEquals(await inside({ delegation, function: "programToken" }), needsBoth);
});

testWith("tokens", "obj_priv_map: an object with one map of a special type", async () => {
  const delegation = Delegation.of({ commands: ["map_create"], maps: ["queue"] });
  assertEquals(
    await inside({
      delegation,
      function: "objectWithToken",
      arguments: [tokenObject, ["waiting"]],
    }),
    { without: "no-token", byPath: "ok", byDescriptor: "ok" },
  );
});

testWith("tokens", "obj_priv_prog: an object with a program, without btf_load", async () => {
  const delegation = Delegation.of({
    commands: ["prog_load", "map_create"],
    maps: ["hash", "array"],
    programs: ["xdp"],
    attachments: "any",
  });
  const names = ["count_packets", "counted_packets", ".rodata", ".bss", ".data"];
  assertEquals(
    await inside({ delegation, function: "objectWithToken", arguments: [tokenObject, names] }),
    { without: "no-token", byPath: "ok", byDescriptor: "ok" },
  );
});

testWith("tokens", "obj_priv_btf: struct_ops takes btf_load", async () => {
  const { delegation } = plan(await openObject(structOps), { kernelBtf: kernelBtf(linuxKernel()) });
  const call = { function: "objectWithToken", arguments: [structOps, null] };
  assertEquals(
    await inside({
      ...call,
      delegation: delegation.without(Delegation.of({ commands: ["btf_load"] })),
    }),
    { without: "no-token", byPath: "word-missing", byDescriptor: "word-missing" },
  );
  assertEquals(await inside({ ...call, delegation }), {
    without: "no-token",
    byPath: "ok",
    byDescriptor: "ok",
  });
});

const queue = Delegation.of({ commands: ["map_create"], maps: ["queue"] });

testWith("tokens", "obj_priv_implicit_token: a token is found at /sys/fs/bpf", async () => {
  assertEquals(
    await inside({
      delegation: queue,
      function: "implicitToken",
      arguments: [tokenObject, "/sys/fs/bpf", ["waiting"]],
    }),
    {
      emptyVariable: "no-token",
      noVariable: "ok",
      emptyOption: "no-token",
      variableSet: "ok",
      emptyOptionBeatsVariable: "no-token",
      wrongVariable: "path-not-opened",
      optionBeatsVariable: "ok",
    },
  );
});

testWith(
  "tokens",
  "obj_priv_implicit_token_envvar: a token is found where the variable says",
  async () => {
    const mountAt = await Deno.makeTempDir({ prefix: "skep-" });
    await Deno.chmod(mountAt, 0o755);
    try {
      const answers = await inside<{ [name: string]: string }>({
        delegation: queue,
        mountAt,
        function: "implicitToken",
        arguments: [tokenObject, mountAt, ["waiting"]],
      });
      assertEquals(answers, {
        emptyVariable: "no-token",
        // Unlike libbpf, every mount is tried, not /sys/fs/bpf alone.
        noVariable: "ok",
        emptyOption: "no-token",
        variableSet: "ok",
        emptyOptionBeatsVariable: "no-token",
        wrongVariable: "path-not-opened",
        optionBeatsVariable: "ok",
      });
    } finally {
      await Deno.remove(mountAt);
    }
  },
);

testWith("tokens", "bpf_token_info: info has exactly what was delegated", async () => {
  const delegation = Delegation.of({
    commands: ["map_create"],
    programs: ["xdp"],
    attachments: "any",
  });
  const { info, fdinfo } = await inside<{ info: string[]; fdinfo: string[] }>({
    delegation,
    function: "tokenInfo",
  });
  assertEquals(fdinfo.slice(0, 3), ["0x1", "0x0", "0x40"]);
  if (info.length === 0) return;
  const [commands, maps, programs, attachments] = info;
  assertEquals([commands, maps, programs], ["0x1", "0x0", "0x40"]);
  const any = BigInt(attachments ?? "0");
  assert((any & (1n << 58n) - 1n) === (1n << 58n) - 1n, attachments);
});

/** Asserts that a narrow token keeps names, attach type, data and helpers, which libbpf up to 1.7 drops. */
const survives = async (): Promise<void> => {
  const spec = await openObject(tokenObject);
  const { delegation } = plan(spec);
  const found = await inside<{
    programs: { name: string; tag: string }[];
    maps: string[];
    variables: { [name: string]: string };
  }>({ delegation, function: "identity", arguments: [tokenObject, ["count_packets"]] });
  assertEquals(found.programs.map(({ name }) => name), ["count_packets"]);
  assertEquals(found.maps.includes("counted_packets"), true);
  assertEquals(found.maps.some((name) => name.endsWith(".rodata")), true);
  assertEquals([found.variables["increment"], found.variables["started"]], ["3", "7"]);
};

testWith("tokens", "names and global data survive the narrowest token", survives);

testWith("tokens", "expected_attach_type survives the narrowest token", async () => {
  // Only xdp is delegated: without the attach type the kernel would check cgroup_inet_ingress (0) and refuse.
  const spec = await openObject(tokenObject);
  const { delegation } = plan(spec);
  assertEquals(delegation.names("attachments"), ["xdp"]);
  assertEquals(delegation.names("programs"), ["xdp"]);
  await survives();
});

testWith("tokens", "helpers are not replaced under a narrow token", async () => {
  const spec = await openObject(tokenObject);
  for (const program of spec.programs) program.autoload = program.name === "read_task";
  const { delegation } = plan(spec);
  assertEquals(delegation.has("programs", "tracepoint"), false);
  const identity = { function: "identity", arguments: [tokenObject, ["read_task"]] };
  const narrow = await inside<{ programs: { tag: string }[] }>({ ...identity, delegation });
  const wide = await inside<{ programs: { tag: string }[] }>({
    ...identity,
    delegation: Delegation.any,
  });
  // The tag is a hash of the instructions: probe_read instead of probe_read_kernel would change it.
  assertEquals(narrow.programs.map(({ tag }) => tag), wide.programs.map(({ tag }) => tag));
  assert(narrow.programs.every(({ tag }) => /^[0-9a-f]{16}$/.test(tag)));
});
