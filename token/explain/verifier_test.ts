import { assertEquals, assertStringIncludes } from "@std/assert";
import { verifierHint } from "./verifier.ts";
import { Errno } from "../../uapi/errno.ts";

const all = ["bpf", "net_admin", "perfmon", "sys_admin"] as const;
const few = ["bpf", "net_admin"] as const;

Deno.test("a helper that requires CAP_PERFMON is named, with the line of the log", () => {
  const log = "0: (85) call bpf_probe_read_kernel#113\n" +
    "program of this type cannot use helper bpf_probe_read_kernel#113\nprocessed 1 insns\n";
  const hint = verifierHint(-Errno.EINVAL, log, few);
  assertEquals(hint?.reason, "verifier-needs-perfmon");
  assertStringIncludes(hint?.why ?? "", "probe_read_kernel");
  assertEquals(hint?.evidence, "program of this type cannot use helper bpf_probe_read_kernel#113");
});

Deno.test("a helper that no privilege permits has no hint", () => {
  const log = "program of this type cannot use helper bpf_redirect#23\n";
  assertEquals(verifierHint(-Errno.EINVAL, log, few), undefined);
});

Deno.test("a helper refused with all capabilities is explained by lockdown, if enabled", () => {
  const log = "program of this type cannot use helper bpf_probe_write_user#36\n";
  assertEquals(verifierHint(-Errno.EINVAL, log, all, "integrity")?.reason, "local-policy");
  assertEquals(verifierHint(-Errno.EINVAL, log, all, undefined)?.reason, "local-policy");
  assertEquals(verifierHint(-Errno.EINVAL, log, all, "none"), undefined);
  assertEquals(
    verifierHint(-Errno.EINVAL, log, ["bpf", "perfmon"])?.reason,
    "verifier-needs-sys-admin",
  );
});

Deno.test("CAP_PERFMON is a cause only where it is missing", () => {
  for (
    const line of [
      "R1 pointer comparison prohibited",
      "invalid read from stack R10 off=-16 size=8",
      "R0 leaks addr as return value",
      "BPF program is too large. Processed 1000001 insn",
      "infinite loop detected at insn 3",
      "The sequence of 8193 jumps is too complex.",
      "CAP_BPF and CAP_PERFMON are required to use arena",
      "'struct sk_buff' access is allowed only to CAP_PERFMON and CAP_SYS_ADMIN",
      "R3 pointer -= pointer prohibited",
      "R2 partial copy of pointer",
    ]
  ) {
    assertEquals(
      verifierHint(-Errno.EACCES, `0: x\n${line}\n`, few)?.reason,
      "verifier-needs-perfmon",
      line,
    );
    assertEquals(verifierHint(-Errno.EACCES, `0: x\n${line}\n`, all), undefined, line);
  }
});

Deno.test("a tail call through one of several arrays cannot be delegated", () => {
  assertEquals(
    verifierHint(-Errno.EINVAL, "tail_call abusing map_ptr\n", all)?.reason,
    "not-delegable",
  );
});

Deno.test("an ordinary mistake has no hint", () => {
  assertEquals(verifierHint(-Errno.EACCES, "R0 !read_ok\nprocessed 1 insns\n", few), undefined);
});
