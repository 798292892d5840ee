import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { FakeKernel } from "../kernel/fake/fake.ts";
import { DelegationError } from "./explain/delegation_error.ts";
import { parseBpffsMounts } from "./facts/mounts.ts";
import { type Environment, resolveToken } from "./resolve.ts";
import { Token } from "./token.ts";
import { Delegation } from "../plan/delegation.ts";
import { BPF_FS_MAGIC } from "../uapi/files.ts";

function mountinfo(...mounts: readonly (readonly [path: string, options: string])[]): string {
  return mounts.map(([path, options], index) =>
    `${60 + index} 44 0:${39 + index} / ${path} rw,relatime - bpf none rw,${options}\n`
  ).join("");
}

const delegated = "delegate_cmds=map_create";

function fake(...mounts: readonly (readonly [path: string, options: string])[]): FakeKernel {
  return new FakeKernel({
    files: {
      "/proc/self/mountinfo": mountinfo(...mounts),
      "/proc/thread-self/status": "Uid:\t0\t0\t0\t0\nCapEff:\t000001ffffffffff\n",
      "/proc/self/uid_map": "         0      65534          1\n",
      "/sys/fs/bpf/x": "",
      "/run/bpf/x": "",
      "/tmp/x": "",
    },
    filesystems: { "/sys/fs/bpf": BPF_FS_MAGIC, "/run/bpf": BPF_FS_MAGIC },
  });
}

function environment(variables: { readonly [name: string]: string }): Environment {
  return { get: (name) => variables[name] };
}

const empty = environment({});

Deno.test("auto takes the token of a mount that delegates", () => {
  const kernel = fake(["/sys/fs/bpf", delegated]);
  const resolved = resolveToken(kernel, "auto", empty);
  assertEquals([resolved.owned, resolved.mandatory], [true, false]);
  assertStringIncludes(resolved.how, "/sys/fs/bpf");
  resolved.token?.[Symbol.dispose]();
  assertEquals(kernel.leaks(), []);
});

Deno.test("auto takes none where nothing delegates, and does not call BPF_TOKEN_CREATE", () => {
  const kernel = fake(["/sys/fs/bpf", "mode=700"]);
  const resolved = resolveToken(kernel, undefined, empty);
  assertEquals(resolved.token, undefined);
  assertStringIncludes(resolved.how, "no mount delegates");
  assert(!kernel.commands().includes("token_create"));
  assertStringIncludes(resolveToken(fake(), "auto", empty).how, "no BPF file system");
});

Deno.test("a refused token is no error when it was found by auto", () => {
  const kernel = fake(["/sys/fs/bpf", delegated]).inject({
    command: "token_create",
    errno: "EOPNOTSUPP",
  });
  const resolved = resolveToken(kernel, "auto", empty);
  assertEquals(resolved.token, undefined);
  assertEquals(resolved.refusals.map(({ errno }) => errno), ["EOPNOTSUPP"]);
  assertEquals(kernel.leaks(), []);
});

Deno.test("a refused token is an error when it was named by option or variable", () => {
  for (
    const [option, variables] of [
      ["/sys/fs/bpf", {}],
      ["auto", { LIBBPF_BPF_TOKEN_PATH: "/sys/fs/bpf" }],
    ] as const
  ) {
    const kernel = fake(["/sys/fs/bpf", delegated]).inject({
      command: "token_create",
      errno: "ENOENT",
    });
    const error = assertThrows(
      () => resolveToken(kernel, option, environment(variables)),
      DelegationError,
    );
    assertEquals(error.reason, "nothing-delegated");
    assertEquals(kernel.leaks(), []);
  }
});

Deno.test("the variable's path precedes all mounts, and an empty one means none", () => {
  const kernel = fake(["/sys/fs/bpf", delegated], ["/run/bpf", delegated]);
  const named = resolveToken(kernel, "auto", environment({ LIBBPF_BPF_TOKEN_PATH: "/run/bpf" }));
  assertEquals([named.token?.source, named.mandatory], ["/run/bpf", true]);
  named.token?.[Symbol.dispose]();
  const off = resolveToken(kernel, "auto", environment({ LIBBPF_BPF_TOKEN_PATH: "" }));
  assertEquals(off.token, undefined);
  assertStringIncludes(off.how, "empty LIBBPF_BPF_TOKEN_PATH");
  assertEquals(
    resolveToken(kernel, "", environment({ LIBBPF_BPF_TOKEN_PATH: "/run/bpf" })).token,
    undefined,
  );
  assertEquals(resolveToken(kernel, false, empty).token, undefined);
});

Deno.test("a token that is passed remains the caller's", () => {
  const kernel = fake(["/sys/fs/bpf", delegated]);
  using token = Token.open("/sys/fs/bpf", { kernel });
  const resolved = resolveToken(kernel, token, environment({ LIBBPF_BPF_TOKEN_PATH: "/run/bpf" }));
  assert(resolved.token === token);
  assertEquals([resolved.owned, resolved.mandatory], [false, true]);
});

Deno.test("of several mounts the one that covers the need is preferred", () => {
  const kernel = fake(
    ["/sys/fs/bpf", delegated],
    ["/run/bpf", "delegate_cmds=map_create:prog_load"],
  );
  const need = Delegation.of({ commands: ["prog_load"] });
  const resolved = resolveToken(kernel, "auto", empty, need);
  const plain = resolveToken(kernel, "auto", empty);
  assertEquals(plain.token?.source, "/sys/fs/bpf");
  // The fake's tokens do not report what they allow: neither is preferred.
  assert(resolved.token !== undefined);
  resolved.token[Symbol.dispose]();
  plain.token?.[Symbol.dispose]();
  assertEquals(kernel.leaks(), []);
});

Deno.test("a path that is no bpffs, no directory or missing is reported as such", () => {
  const kernel = fake(["/sys/fs/bpf", delegated]).inject({
    command: "token_create",
    errno: "EINVAL",
  });
  const wrong = assertThrows(() => Token.open("/tmp", { kernel }), DelegationError);
  assertEquals([wrong.reason, wrong.errno], ["not-bpffs", "EINVAL"]);
  const gone = assertThrows(() => Token.open("/no/such", { kernel }), DelegationError);
  assertEquals([gone.reason, gone.errno], ["path-not-opened", "ENOENT"]);
  assertEquals(kernel.leaks(), []);
});

Deno.test("parseBpffsMounts reads odd paths, and the mount that covers another", () => {
  const mounts = parseBpffsMounts(
    "61 44 0:50 / /a\\040b rw shared:1 - bpf none rw\n" +
      mountinfo(["/sys/fs/bpf", "mode=700"], ["/sys/fs/bpf", delegated]) +
      "70 44 0:51 /sub /c rw - bpf none rw,delegate_cmds=unheard_of\n" +
      "71 44 0:52 / /d rw - tmpfs none rw\n" +
      "broken line - bpf \n",
  );
  assertEquals(mounts.map(({ path }) => path), ["/sys/fs/bpf", "/a b", "/c"]);
  assertEquals(mounts[0]?.delegation?.names("commands"), ["map_create"]);
  assertEquals([mounts[2]?.root, mounts[2]?.delegation], ["/sub", undefined]);
});

Deno.test("discover reports why each mount gives no token, and leaves nothing open", () => {
  const kernel = fake(["/sys/fs/bpf", delegated], ["/run/bpf", "mode=700"])
    .inject({ command: "token_create", errno: "ENOENT", nth: 2 });
  const [first, second] = Token.discover({ kernel });
  assertEquals([first?.usable, second?.usable], [true, false]);
  assertStringIncludes(second?.why ?? "", "without delegation");
  assertEquals(kernel.leaks(), []);
});
