import { assert, assertEquals } from "@std/assert";
import { Delegation } from "../../plan/delegation.ts";
import { withoutComments } from "../broker/json_comments.ts";
import {
  decodeAnswer,
  decodeRequest,
  encodeAnswer,
  encodeRequest,
  LONGEST_MESSAGE,
} from "./protocol.ts";
import { RateLimit } from "../broker/rate_limit.ts";

Deno.test("what a client asks a broker reads", () => {
  const need = Delegation.of({ commands: "any", programs: ["xdp"] });
  const request = decodeRequest(encodeRequest(need, "me"));
  assert(typeof request !== "string");
  assert(request.need?.equals(need));
  assertEquals(request.label, "me");
  const all = decodeRequest(encodeRequest(undefined, ""));
  assert(typeof all !== "string");
  assertEquals(all.need, undefined);
});

Deno.test("what a broker answers a client reads", () => {
  const granted = Delegation.of({ maps: ["hash"] });
  const answer = decodeAnswer(encodeAnswer({ granted }));
  assert(typeof answer !== "string" && "granted" in answer && answer.granted.equals(granted));
  assertEquals(decodeAnswer(encodeAnswer({ refused: "no" })), { refused: "no" });
});

Deno.test("a long label and a long reason are cut, so that a message always fits", () => {
  const request = decodeRequest(encodeRequest(Delegation.any, "x".repeat(500)));
  assert(typeof request !== "string");
  assertEquals(request.label.length, 64);
  assert(encodeAnswer({ refused: "x".repeat(10_000) }).length <= LONGEST_MESSAGE);
});

Deno.test("control characters of a label never reach a log", () => {
  const request = decodeRequest(encodeRequest(undefined, "a\x1b[2J\n\u009b"));
  assert(typeof request !== "string");
  assertEquals(request.label, "a?[2J??");
});

Deno.test("decodeRequest gives a reason for any bytes, and never throws", () => {
  let seed = 1;
  const random = (): number => seed = (seed * 48271) % 2147483647;
  const good = encodeRequest(Delegation.any, "label");
  for (let round = 0; round < 5000; round++) {
    const bytes = Uint8Array.from(good);
    for (let change = random() % 4; change >= 0; change--) {
      bytes[random() % bytes.length] = random() & 0xff;
    }
    const cut = bytes.subarray(0, random() % (bytes.length + 1));
    const request = decodeRequest(cut);
    if (typeof request === "string") assert(request.length > 0);
    decodeAnswer(cut);
  }
});

Deno.test("withoutComments leaves strings and places alone", () => {
  const text = '{"a":"/* no */ // no \\" ,]", /* yes\n */ "b":[1,2,], // yes\n"c":{}, }';
  const plain = withoutComments(text);
  assertEquals(plain.length, text.length);
  assertEquals(plain.split("\n").length, text.split("\n").length);
  assertEquals(JSON.parse(plain), { a: '/* no */ // no " ,]', b: [1, 2], c: {} });
});

Deno.test("withoutComments does not mend what is no JSON", () => {
  for (const text of ["[,]", "/* open", '"open', "[1,,2]", "/"]) {
    let parsed = true;
    try {
      JSON.parse(withoutComments(text));
    } catch {
      parsed = false;
    }
    assertEquals(parsed, false, text);
  }
});

Deno.test("a rate limit fills up again, and keeps a bounded number of uids in mind", () => {
  let now = 0;
  const limit = new RateLimit(() => 2, () => now);
  assertEquals([limit.take(1), limit.take(1), limit.take(1)], [true, true, false]);
  assert(limit.take(2), "another uid has its own");
  now += 30_000;
  assertEquals([limit.take(1), limit.take(1)], [true, false]);
  for (let uid = 10; uid < 10_000; uid++) limit.take(uid);
  assert(limit.take(1), "it was forgotten, in favour of those that asked since");
});
