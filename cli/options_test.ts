import { assert, assertEquals, assertThrows } from "@std/assert";
import { type Option, parseDuration, parseOptions, UsageError } from "./options.ts";

const declared: readonly Option[] = [
  { name: "json", short: "j", kind: "flag", help: "" },
  { name: "token", kind: "value", placeholder: "PATH", help: "" },
  { name: "var", short: "v", kind: "list", help: "" },
];

Deno.test("parseOptions() reads flags, values, lists, operands and what follows --", () => {
  const parsed = parseOptions(
    "run",
    declared,
    ["a.o", "-j", "--token=x", "-v", "a=1", "--var", "b=2", "0x10", "--", "--json", "ls"],
  );
  assert(parsed.has("json"));
  assertEquals(parsed.value("token"), "x");
  assertEquals(parsed.list("var"), ["a=1", "b=2"]);
  assertEquals(parsed.operands, ["a.o", "0x10"]);
  assertEquals(parsed.after, ["--json", "ls"]);
});

Deno.test("parseOptions() leaves out what was not given", () => {
  const parsed = parseOptions("run", declared, []);
  assertEquals(parsed.has("json"), false);
  assertEquals(parsed.value("token"), undefined);
  assertEquals(parsed.list("var"), []);
});

Deno.test("parseOptions() keeps a file name that looks like a number as it is", () => {
  assertEquals(parseOptions("run", declared, ["1e3", "007"]).operands, ["1e3", "007"]);
});

Deno.test("parseOptions() refuses an unknown option and names a near one", () => {
  const error = assertThrows(() => parseOptions("run", declared, ["--jso"]), UsageError);
  assertEquals(error.message, "run skep run: unknown option --jso; did you mean --json?");
});

Deno.test("parseOptions() refuses an option whose value is missing", () => {
  assertThrows(
    () => parseOptions("run", declared, ["--token"]),
    UsageError,
    "--token needs a value",
  );
  assertThrows(
    () => parseOptions("run", declared, ["--token", "--json"]),
    UsageError,
    "--token needs a value",
  );
});

Deno.test("parseDuration() takes seconds by default and knows ms, s, m and h", () => {
  const read = (text: string): number => parseDuration("run", text);
  assertEquals(["5", "0.5", "5s", "500ms", "2m", "1h"].map(read), [
    5000,
    500,
    5000,
    500,
    120_000,
    3_600_000,
  ]);
});

Deno.test("parseDuration() refuses what is not a duration, and what no timer can count", () => {
  for (const text of ["", "x", "-1", "0", "5d", "1e9", "30000000"]) {
    assertThrows(() => parseDuration("run", text), UsageError, `"${text}" is not a duration`);
  }
});
