import { assert, assertEquals } from "@std/assert";
import { Delegation } from "../../plan/delegation.ts";
import {
  decodeAnswer,
  decodeRequest,
  encodeAnswer,
  encodeRequest,
  LONGEST_MESSAGE,
} from "./protocol.ts";

Deno.test("a broker decodes what a client encodes", () => {
  const need = Delegation.of({ commands: "any", programs: ["xdp"] });
  const request = decodeRequest(encodeRequest(need, "me"));
  assert(typeof request !== "string");
  assert(request.need?.equals(need));
  assertEquals(request.label, "me");
  const all = decodeRequest(encodeRequest(undefined, ""));
  assert(typeof all !== "string");
  assertEquals(all.need, undefined);
});

Deno.test("a client decodes what a broker encodes", () => {
  const granted = Delegation.of({ maps: ["hash"] });
  const answer = decodeAnswer(encodeAnswer({ granted }));
  assert(typeof answer !== "string" && "granted" in answer && answer.granted.equals(granted));
  assertEquals(decodeAnswer(encodeAnswer({ refused: "no" })), { refused: "no" });
});

Deno.test("a long label and a long reason are truncated, so that a message always fits", () => {
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

Deno.test("decodeRequest returns a reason for any bytes and never throws", () => {
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
