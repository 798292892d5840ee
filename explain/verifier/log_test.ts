import { assertEquals, assertStringIncludes } from "@std/assert";
import { parseVerifierLog } from "./log.ts";
import { VerifierError } from "./error.ts";
import { Errno } from "../../uapi/errno.ts";

const LOG = `0: R1=ctx() R10=fp0
; int handle(struct pt_regs *ctx) @ bad.bpf.c:11
0: (b7) r2 = 0                        ; R2_w=0
; return *(int *)p; @ bad.bpf.c:14
1: (61) r0 = *(u32 *)(r2 +0)
R2 invalid mem access 'scalar'
processed 2 insns (limit 1000000) max_states_per_insn 0 total_states 0 peak_states 0 mark_read 0
`;

Deno.test("parseVerifierLog reads the reason, the instruction, its source and the registers", () => {
  assertEquals(parseVerifierLog(LOG), {
    reason: "R2 invalid mem access 'scalar'",
    instruction: 1,
    instructionText: "r0 = *(u32 *)(r2 +0)",
    source: { text: "return *(int *)p;", file: "bad.bpf.c", line: 14 },
    registers: { R1: "ctx()", R10: "fp0", R2: "0" },
    processed: 2,
  });
});

Deno.test("source lines without a file, as older kernels print them, are kept", () => {
  const parsed = parseVerifierLog("; return *p;\n3: (61) r0 = *(u32 *)(r2 +0)\nR2 !read_ok\n");
  assertEquals(parsed.source, { text: "return *p;" });
});

Deno.test("register values may contain spaces and semicolons within parentheses", () => {
  const parsed = parseVerifierLog(
    "from 5 to 7: R0=map_value_or_null(id=1,map=m,ks=4) R3_w=scalar(umax=255,var_off=(0x0; 0xff)) R10=fp0 fp-8=mmmm????\n" +
      "7: (79) r1 = *(u64 *)(r0 +0)\nR0 invalid mem access 'map_value_or_null'\n",
  );
  assertEquals(parsed.registers, {
    R0: "map_value_or_null(id=1,map=m,ks=4)",
    R3: "scalar(umax=255,var_off=(0x0; 0xff))",
    R10: "fp0",
    "fp-8": "mmmm????",
  });
});

Deno.test("backtracking messages are not the reason", () => {
  const parsed = parseVerifierLog(
    "9: (0f) r1 += r2\n" +
      "mark_precise: frame0: last_idx 9 first_idx 0 subseq_idx -1\n" +
      "math between map_value pointer and register with unbounded min value is not allowed\n",
  );
  assertStringIncludes(parsed.reason ?? "", "unbounded min value");
  assertEquals(parsed.reason?.includes("mark_precise"), false);
});

Deno.test("a message of a check before verification names its instruction", () => {
  const parsed = parseVerifierLog("unreachable insn 4\nprocessed 0 insns (limit 1000000)\n");
  assertEquals(parsed.instruction, 4);
  assertEquals(parsed.reason, "unreachable insn 4");
});

Deno.test("the report of Linux 7.3 is parsed", () => {
  const parsed = parseVerifierLog(
    "1: (61) r0 = *(u32 *)(r2 +0)\n\nVerification failed: invalid memory access\n" +
      "  Reason: R2 is a scalar, not a pointer\n  At: insn 1 in handle\n  Causal path: …\n" +
      "  Suggestion: check the pointer for NULL\n",
  );
  assertEquals(parsed.reason, "R2 is a scalar, not a pointer");
  assertEquals(parsed.instruction, 1);
  assertEquals(parsed.suggestion, "check the pointer for NULL");
});

Deno.test("parseVerifierLog accepts any text", () => {
  for (
    const text of [
      "",
      "\n\n",
      "no log",
      "; ",
      "1: (",
      "0: (b7)",
      "Verification failed",
      "=".repeat(9),
    ]
  ) {
    parseVerifierLog(text);
  }
  assertEquals(parseVerifierLog("").reason, undefined);
  assertEquals(parseVerifierLog("something new").reason, "something new");
});

Deno.test("a huge log is parsed from its end", () => {
  const lines = "0: (b7) r2 = 0                        ; R2_w=0\n".repeat(200_000);
  assertEquals(parseVerifierLog(lines + LOG).instruction, 1);
});

Deno.test("VerifierError shows the reason and the C source in one line, and keeps the log", () => {
  const error = new VerifierError({ program: "handle", result: -Errno.EACCES, log: LOG });
  assertEquals(
    error.message,
    "load program handle: EACCES: R2 invalid mem access 'scalar' at instruction 1 in " +
      "`r0 = *(u32 *)(r2 +0)` (bad.bpf.c:14: return *(int *)p;)",
  );
  assertEquals(error.log, LOG);
  assertEquals(error.stage, "program");
  assertEquals(error.toJSON()["name"], "VerifierError");
});

Deno.test("VerifierError explains a poisoned call", () => {
  const error = new VerifierError({
    program: "handle",
    result: -Errno.EINVAL,
    log: "5: (85) call unknown#195896080\ninvalid func unknown#195896080\n",
    poison: (callee, instruction) => `poison ${callee} at ${instruction}`,
  });
  assertEquals(
    error.message,
    "load program handle: EINVAL: poison 195896080 at 5 at instruction 5",
  );
});
