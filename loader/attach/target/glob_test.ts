import { assert, assertEquals, assertLess } from "@std/assert";
import { globMatcher, isGlob } from "./glob.ts";

Deno.test("globMatcher matches any text with * and one character with ?", () => {
  const cases: readonly (readonly [string, string, boolean])[] = [
    ["vfs_*", "vfs_read", true],
    ["vfs_*", "vfs_", true],
    ["vfs_*", "xvfs_read", false],
    ["*read", "vfs_read", true],
    ["*read", "vfs_readv", false],
    ["v?s_*d*", "vfs_readv", true],
    ["v?s", "vs", false],
    ["*", "", true],
    ["", "", true],
    ["", "a", false],
    ["a*b*c", "aXbXbXc", true],
    ["a.c", "abc", false],
  ];
  for (const [pattern, name, expected] of cases) {
    assertEquals(globMatcher(pattern)(name), expected, `${pattern} ${name}`);
  }
});

Deno.test("globMatcher takes polynomial time on a hostile pattern", () => {
  const start = performance.now();
  assert(!globMatcher(`${"a*".repeat(50)}b`)("a".repeat(5000)));
  assertLess(performance.now() - start, 1000);
});

Deno.test("isGlob distinguishes patterns from names", () => {
  assertEquals(["tcp_*", "tcp_connect", "a?b"].map(isGlob), [true, false, true]);
});
