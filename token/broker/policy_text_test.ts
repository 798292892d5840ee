import { assertEquals, assertRejects } from "@std/assert";
import { duplicateKey, parsePolicyText } from "./policy_text.ts";

Deno.test("a policy's text may have comments and commas at the end, and strings that look like either", async () => {
  const text =
    '{"a":"/* no */ // no \\" ,]", /* yes\n */ "b":[1,2,], // yes "a":\n"c": /* : */ {}, }';
  assertEquals(await parsePolicyText(text), { a: '/* no */ // no " ,]', b: [1, 2], c: {} });
});

Deno.test("what is no JSON is refused", async () => {
  for (const text of ["", "[,]", "/* open", '"open', "[1,,2]", "/", "{a:1}", "{'a':1}", "1 2"]) {
    await assertRejects(() => parsePolicyText(text), SyntaxError);
  }
});

const twice: { readonly [text: string]: string } = {
  '{"a":1,"a":2}': '"a" stands twice',
  '{"a":1,"b":{},"\\u0061":2}': '"a" stands twice',
  '{"rules":[{},{"who":{"owner":[1],\n"owner":[]}}]}': 'rules[1].who."owner" stands twice (line 2)',
  '[[{"x":[{"y":1}],"x":1}]]': '[0][0]."x" stands twice',
  '{"a" /* "a": */ : 1, // "b":\n "a"/**/:2}': '"a" stands twice (line 2)',
  '{"__proto__":1,"__proto__":2}': '"__proto__" stands twice',
  '{"a\\"b":1,"c":[],"a\\"b":2}': '"a"b" stands twice',
};

for (const [text, says] of Object.entries(twice)) {
  Deno.test(`a key that stands twice is refused: ${text.replaceAll("\n", " ")}`, async () => {
    const error = await assertRejects(() => parsePolicyText(text), SyntaxError);
    assertEquals(error.message.includes(says.replace(/^\[0\]/, "")), true, error.message);
  });
}

Deno.test("equal keys of different objects, and equal strings that are no keys, are fine", () => {
  for (
    const text of [
      '{"a":{"a":{"a":1}},"b":{"a":1}}',
      '[{"a":1},{"a":1}]',
      '{"a":"a","b":"a","c":["a","a"]}',
      '{"a":"\\"b\\":1","b":1}',
      '"a"',
      "[]",
    ]
  ) {
    assertEquals(duplicateKey(text), undefined, text);
  }
});

Deno.test("the scanner agrees with the number of keys that JSON.parse keeps", () => {
  let seed = 7;
  const random = (most: number): number => (seed = seed * 48271 % 2147483647) % most;
  const value = (depth: number): string => {
    const kind = random(depth > 3 ? 2 : 4);
    if (kind === 0) return '"a\\\\"';
    if (kind === 1) return "1";
    const parts = Array.from({ length: random(4) }, () => value(depth + 1));
    return kind === 2
      ? `[${parts.join(",")}]`
      : `{${parts.map((each) => `"${"abc"[random(3)]}":${each}`).join(",")}}`;
  };
  const keys = (json: unknown): number =>
    typeof json !== "object" || json === null ? 0 : Object.values(json).reduce(
      (sum: number, each) => sum + keys(each),
      Array.isArray(json) ? 0 : Object.keys(json).length,
    );
  const seen = [0, 0];
  for (let round = 0; round < 2000; round++) {
    const text = value(0);
    const written = text.match(/"[abc]":/g)?.length ?? 0;
    const double = written !== keys(JSON.parse(text));
    seen[Number(double)] = (seen[Number(double)] ?? 0) + 1;
    assertEquals(duplicateKey(text) !== undefined, double, text);
  }
  assertEquals(seen.every((count) => count > 100), true, `${seen}`);
});
