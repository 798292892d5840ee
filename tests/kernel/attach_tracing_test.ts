import { assert, assertEquals, assertGreater, assertThrows } from "@std/assert";
import { linuxKernel } from "../../kernel/linux/linux.ts";
import { tracefs } from "../../loader/attach/target/nearest.ts";
import { callGetpgid, type Hook, linksOf, loadHook } from "../support/hooks.ts";
import { kernelTest } from "../support/kernel.ts";
import { trampolines, trampolinesFor } from "../support/trampolines.ts";
import type { AttachOptions } from "../../loader/attach/attach.ts";
import { Errno } from "../../uapi/errno.ts";

const kernel = linuxKernel();

const kprobes = { feature: ["hook", "kprobe"] } as const;

/** Attaches and asserts that a call is counted, then detaches and asserts that the next call is not. */
async function seesTheCall(
  name: string,
  options: AttachOptions = {},
  expected: { readonly hits?: number | undefined; readonly value?: bigint | undefined } = {},
): Promise<void> {
  using hook = await loadHook(name);
  const id = hook.program.info().id;
  callGetpgid();
  assertEquals(hook.hits, 0);
  {
    using link = hook.program.attach(options);
    callGetpgid();
    assertEquals(hook.hits, expected.hits ?? 1);
    if (expected.value !== undefined) assertEquals(hook.value, expected.value);
    assert(link.attached);
    if (link.fd >= 0) {
      assertEquals(link.info()?.programId, id);
      assertEquals(linksOf([id]).length, 1);
    }
  }
  const hits = hook.hits;
  callGetpgid();
  assertEquals(hook.hits, hits);
  assertEquals(linksOf([id]), []);
}

kernelTest("raw_tp sees a system call", () => seesTheCall("raw_tracepoint_plain"));

kernelTest(
  "raw_tp passes its cookie",
  { needs: { feature: ["ability", "raw_tracepoint_cookie"] } },
  () => seesTheCall("raw_tracepoint", { cookie: 5n }, { value: 5n }),
);

kernelTest("tp_btf sees a system call", () => seesTheCall("typed_tracepoint"));

kernelTest(
  "tp_btf passes its cookie",
  { needs: { feature: ["ability", "raw_tracepoint_cookie"] } },
  () => seesTheCall("typed_tracepoint_cookie", { cookie: 9n }, { value: 9n }),
);

kernelTest(
  "tracepoint sees a system call and its cookie",
  { needs: { tracefs: import.meta.url } },
  async () => {
    await seesTheCall("tracepoint", { cookie: 3n }, { value: 3n });
  },
);

kernelTest(
  "tracepoint bound by ioctl sees a system call",
  { needs: { tracefs: import.meta.url } },
  async () => {
    await seesTheCall("tracepoint", { forceIoctl: true });
  },
);

for (const name of ["kprobe", "kretprobe", "ksyscall"]) {
  kernelTest(
    `${name} sees a system call and its cookie`,
    { needs: kprobes },
    () => seesTheCall(name, { cookie: 4n }, { value: 4n }),
  );
}

kernelTest(
  "kprobe by tracefs sees a system call, and its probe goes with the link",
  { needs: { ...kprobes, tracefs: import.meta.url } },
  async () => {
    await seesTheCall("kprobe", { probe: "tracefs" });
    await seesTheCall("kretprobe", { probe: "tracefs" });
    const { bytes } = kernel.readFile(`${tracefs(kernel)}/kprobe_events`);
    assert(!new TextDecoder().decode(bytes).includes("skep"));
  },
);

kernelTest(
  "kprobe of a function that does not exist names the nearest ones",
  { needs: kprobes },
  async () => {
    using hook = await loadHook("kprobe");
    const error = assertThrows(
      () => hook.program.attach({ function: "tcp_connnect" }),
      Error,
      'there is no kernel function "tcp_connnect"',
    );
    assert(error.message.includes("tcp_connect"), error.message);
  },
);

kernelTest("raw_tp of a tracepoint that does not exist says so", async () => {
  using hook = await loadHook("raw_tracepoint_plain");
  assertThrows(
    () => hook.program.attach({ tracepoint: "sys_entr" }),
    Error,
    'there is no raw tracepoint "sys_entr"',
  );
});

kernelTest(
  "tracepoint of a name that does not exist names the nearest ones",
  { needs: { tracefs: import.meta.url } },
  async () => {
    using hook = await loadHook("tracepoint");
    assertThrows(
      () => hook.program.attach({ category: "raw_syscalls", tracepoint: "sys_entr" }),
      Error,
      "nearest: raw_syscalls/sys_enter",
    );
  },
);

const multi = { needs: { feature: ["hook", "kprobe_multi"] } } as const;

kernelTest(
  "kprobe.multi sees the calls of all functions that its pattern names",
  multi,
  () => seesTheCall("kprobe_multi"),
);

kernelTest(
  "kprobe.multi by function names passes one cookie for each",
  multi,
  () =>
    seesTheCall("kprobe_multi", {
      functions: ["__x64_sys_getpgid", "__x64_sys_getppid"],
      cookies: [8n, 9n],
    }, {
      value: 8n,
    }),
);

kernelTest(
  "kretprobe.multi sees a system call return",
  multi,
  () => seesTheCall("kretprobe_multi"),
);

kernelTest(
  "kprobe.session sees entry and return",
  { needs: { feature: ["ability", "kprobe_session"] } },
  () => seesTheCall("kprobe_session", {}, { hits: 2 }),
);

for (const name of ["fentry", "fexit"]) {
  kernelTest(
    `${name} sees a system call and its cookie`,
    { needs: trampolines },
    () => seesTheCall(name, { cookie: 6n }, { value: 6n }),
  );
}

kernelTest(
  "fsession sees entry and return",
  { needs: trampolinesFor("fsession") },
  () => seesTheCall("fsession", { cookie: 7n }, { hits: 2, value: 7n }),
);

/** Attaches, and asserts that the system call returns the program's verdict. */
function decides(hook: Hook, verdict: number): void {
  const usual = callGetpgid();
  assertGreater(usual, 0);
  hook.verdict(verdict);
  {
    using _link = hook.program.attach();
    assertEquals(callGetpgid(), verdict);
    hook.verdict(0);
    assertEquals(callGetpgid(), usual);
    assertEquals(hook.hits, 2);
  }
  hook.verdict(verdict);
  assertEquals(callGetpgid(), usual);
}

kernelTest(
  "fmod_ret answers in the function's place",
  { needs: trampolinesFor("fmod_ret") },
  async () => {
    using hook = await loadHook("fmod_ret");
    decides(hook, -Errno.EACCES);
  },
);

kernelTest("lsm enforces its verdict", { needs: trampolinesFor("lsm") }, async () => {
  using hook = await loadHook("lsm");
  decides(hook, -Errno.EPERM);
});

kernelTest("Link.info tells the name of what the link is on", async () => {
  using hook = await loadHook("raw_tracepoint_plain");
  using link = hook.program.attach();
  assertEquals(link.info()?.details["tp_name"], "sys_enter");
});

kernelTest("Link.update puts another program in the place of the first", async () => {
  using first = await loadHook("typed_tracepoint");
  using link = first.program.attach();
  assertThrows(
    () => link.update(first.program),
    Error,
    "update link typed_tracepoint",
  );
  callGetpgid();
  assertEquals(first.hits, 1);
});
