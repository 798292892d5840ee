import { assertEquals } from "@std/assert";
import { SkepError } from "./skep_error.ts";

Deno.test("SkepError renders one line, whatever the names contain", () => {
  const error = new SkepError({
    doing: "load",
    subject: "a\nb\x1b[31m",
    errno: "EPERM",
    why: "no",
    fix: "do it",
  });
  assertEquals(error.message, "load a\\nb\\u001b[31m: EPERM: no; do it");
});

Deno.test("SkepError keeps all facts in toJSON", () => {
  const inner = new SkepError({ doing: "read", subject: "x", why: "short" });
  const error = new SkepError({
    doing: "load",
    subject: "x",
    why: "no",
    stage: "open",
    data: { at: 3 },
  }, { cause: inner });
  const json = JSON.parse(JSON.stringify(error));
  assertEquals(json.data, { at: 3 });
  assertEquals(json.cause.why, "short");
  assertEquals(json.stage, "open");
});
