import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { FakeKernel, type FakeKernelOptions, type FakeProcess } from "../../kernel/fake/mod.ts";
import type { FakeUserNamespace } from "../../kernel/fake/ground.ts";
import type { ErrnoName } from "../../uapi/errno.ts";
import { Peer } from "./peer.ts";

const INITIAL = 100n;
const initial: FakeUserNamespace = { inode: INITIAL, owner: 0 };
const container: FakeUserNamespace = { inode: 7n, owner: 1000, parent: initial };
const inner: FakeUserNamespace = { inode: 8n, owner: 100_005, parent: container };
const ofRoot: FakeUserNamespace = { inode: 9n, owner: 0, parent: initial };

/** Creates a kernel with one connection from the process; its threads are files of /proc. */
function connect(
  process: Partial<FakeProcess> = {},
  options: FakeKernelOptions = {},
): { readonly kernel: FakeKernel; readonly connection: number } {
  const kernel = new FakeKernel({
    ...options,
    files: {
      "/proc/self/ns/user": "",
      "/proc/42/cgroup": "0::/system.slice/app.service\n",
      ...options.files,
    },
    inodes: { "/proc/self/ns/user": INITIAL, ...options.inodes },
  });
  const { sockets } = kernel.processes;
  const listener = sockets.listen("/s");
  sockets.connectAs("/s", {
    pid: 42,
    uid: 1000,
    gid: 1000,
    userNamespace: container,
    networkOwner: container,
    ...process,
  });
  return { kernel, connection: sockets.accept(listener) };
}

/** Creates threads in /proc, each with the owner of its user namespace and of its network namespace. */
function threads(
  found: {
    readonly [task: string]: readonly [user: bigint, network: FakeUserNamespace | ErrnoName];
  },
): { readonly options: FakeKernelOptions; readonly inject: (kernel: FakeKernel) => void } {
  const files: { [path: string]: string } = {};
  const inodes: { [path: string]: bigint } = {};
  const namespaces: { [path: string]: FakeUserNamespace } = {};
  for (const [task, [user, network]] of Object.entries(found)) {
    const [pid, tid] = task.split("/");
    const folder = `/proc/${pid}/task/${tid}/ns`;
    files[`${folder}/user`] = files[`${folder}/net`] = "";
    inodes[`${folder}/user`] = user;
    if (typeof network !== "string") namespaces[`${folder}/net`] = network;
  }
  return {
    options: { files, inodes, namespaces },
    inject(kernel): void {
      for (const [task, [, network]] of Object.entries(found)) {
        const [pid, tid] = task.split("/");
        const path = `/proc/${pid}/task/${tid}/ns/net`;
        if (typeof network !== "string") continue;
        kernel.inject({
          command: "open",
          errno: network,
          when: (attributes: { path: string }) => attributes.path === path,
        });
      }
    },
  };
}

function owns(
  found: Parameters<typeof threads>[0],
  process: Partial<FakeProcess> = {},
): boolean | string {
  const { options, inject } = threads(found);
  const { kernel, connection } = connect(process, options);
  inject(kernel);
  const peer = Peer.identify(kernel, connection);
  assert(typeof peer !== "string", String(peer));
  using identified = peer;
  const facts = identified.facts();
  return typeof facts === "string" ? facts : facts.ownsNetwork;
}

Deno.test("a peer is known by its owner, and counts for the owner of its outermost namespace", () => {
  const cases: readonly (readonly [FakeUserNamespace, number, boolean, string])[] = [
    [container, 1000, false, "uid 1000"],
    [inner, 100_005, true, "uid 1000"],
    // With two containers of root, one must not get the delegation of the other.
    [ofRoot, 0, false, "namespace 1009"],
    [{ inode: 10n, owner: 100_000, parent: ofRoot }, 100_000, true, "namespace 1009"],
  ];
  for (const [userNamespace, owner, nested, account] of cases) {
    const { kernel, connection } = connect({ userNamespace });
    const before = kernel.leaks().length;
    const peer = Peer.identify(kernel, connection);
    assert(typeof peer !== "string", String(peer));
    assertEquals([peer.owner, peer.nested, peer.account], [owner, nested, account]);
    assertEquals([peer.initial, peer.cgroup], [false, "/system.slice/app.service"]);
    peer[Symbol.dispose]();
    assertEquals(kernel.leaks().length, before);
  }
});

Deno.test("who is in the broker's own namespace counts for its uid", () => {
  const { kernel, connection } = connect({ userNamespace: initial, uid: 1234 });
  const peer = Peer.identify(kernel, connection);
  assert(typeof peer !== "string", String(peer));
  using identified = peer;
  assertEquals([identified.initial, identified.account], [true, "uid 1234"]);
});

const refusals: readonly (readonly [command: string, errno: ErrnoName, says: string])[] = [
  ["pidfd_get_namespace", "EMFILE", "no file descriptors left (EMFILE)"],
  ["pidfd_get_namespace", "ENFILE", "no file descriptors left (ENFILE)"],
  ["pidfd_get_namespace", "ENOTTY", "this kernel has no PIDFD_GET_USER_NAMESPACE (Linux 6.11)"],
  ["pidfd_get_namespace", "ESRCH", "its process has ended"],
  ["pidfd_get_namespace", "EPERM", "the broker lacks permission"],
  ["getsockopt", "EMFILE", "(EMFILE)"],
  ["getsockopt", "ENOPROTOOPT", "credentials"],
  ["ns_get_parent", "EMFILE", "no file descriptors left"],
  ["ns_get_parent", "EPERM", "the broker lacks permission"],
  ["ns_get_owner_uid", "EINVAL", "the owner of its user namespace"],
  ["duplicate", "EMFILE", "no file descriptors left"],
];

for (const [command, errno, says] of refusals) {
  Deno.test(`a peer of which ${command} says ${errno} is not served, and leaves nothing open`, () => {
    const { kernel, connection } = connect();
    const before = kernel.leaks().length;
    kernel.inject({ command, errno });
    const why = Peer.identify(kernel, connection);
    assert(typeof why === "string");
    assertStringIncludes(why, says);
    if (errno === "EMFILE") assert(!why.includes("older"), why);
    assertEquals(kernel.leaks().length, before);
  });
}

Deno.test("a network is the peer's when all threads of its namespace are in ones that this owns", () => {
  assertEquals(owns({ "42/42": [7n, container] }), true);
  assertEquals(owns({ "42/42": [7n, container], "42/43": [7n, container] }), true);
  assertEquals(owns({ "42/42": [7n, container], "42/43": [7n, initial] }), false, "a thread");
  assertEquals(owns({ "42/42": [7n, container], "50/51": [7n, initial] }), false, "no leader");
  assertEquals(owns({ "42/42": [7n, container], "50/50": [9n, initial] }), true, "another's");
  assertEquals(owns({ "42/42": [7n, container] }, { networkOwner: initial }), false, "its own");
});

Deno.test("what is not seen is not taken for the peer's network", () => {
  assertEquals(owns({}), false, "no /proc");
  assertEquals(owns({ "50/50": [9n, container] }), false, "the peer is not in /proc");
  assertEquals(owns({ "42/42": [7n, container], "42/43": [7n, "EMFILE"] }), false, "EMFILE");
  assertEquals(owns({ "42/42": [7n, container], "42/43": [7n, "EACCES"] }), false, "EACCES");
  assertEquals(owns({ "42/42": [7n, container], "42/43": [7n, "ENOENT"] }), true, "it has ended");
});

Deno.test("what was read by pid does not count when the process has ended meanwhile", () => {
  const { kernel, connection } = connect();
  const peer = Peer.identify(kernel, connection);
  assert(typeof peer !== "string", String(peer));
  using identified = peer;
  kernel.poller.ready(identified.pidfd);
  assertEquals(identified.facts(), "its process has ended");
});
