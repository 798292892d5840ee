import { assert, assertEquals, assertThrows } from "@std/assert";
import { SkepError } from "../errors/skep_error.ts";
import { Delegation, wordsText } from "./delegation.ts";

const ALL = (1n << 64n) - 1n;

Deno.test("Delegation.of takes names in any case, numbers, masks and any", () => {
  const delegation = Delegation.of({
    commands: ["MAP_CREATE", "prog_load"],
    maps: [1, 27],
    programs: 0x40n,
    attachments: "any",
  });
  assertEquals(delegation.commands, 0x21n);
  assertEquals(delegation.names("maps"), ["hash", "ringbuf"]);
  assertEquals(delegation.names("programs"), ["xdp"]);
  assertEquals(delegation.attachments, ALL);
});

Deno.test("Delegation.of refuses an unknown name and lists the known ones", () => {
  const error = assertThrows(() => Delegation.of({ programs: ["xpd"] }), SkepError);
  assert(
    error.message.startsWith('read delegate_progs=xpd: EINVAL: "xpd" is no value of'),
    error.message,
  );
  assert(error.message.includes("sched_cls"));
  assertThrows(() => Delegation.of({ maps: ["constructor"] }), SkepError);
  assertThrows(() => Delegation.of({ maps: ["__proto__"] }), SkepError);
});

Deno.test("Delegation.parse reads mountinfo's options and passes the others over", () => {
  const delegation = Delegation.parse(
    "rw,uid=65534,gid=65534,delegate_cmds=map_create:prog_load,delegate_maps=hash:array,delegate_attachs=any",
  );
  assertEquals(
    delegation.toMountOptions(),
    "delegate_cmds=map_create:prog_load,delegate_maps=hash:array,delegate_attachs=any",
  );
});

Deno.test("Delegation.parse follows the kernel: a number replaces what stands before it", () => {
  const parse = (value: string): bigint => Delegation.parse(`delegate_cmds=${value}`).commands;
  assertEquals(parse("prog_load:0x1"), 1n);
  assertEquals(parse("0x1:prog_load"), 0x21n);
  assertEquals(parse("any:0x1"), 1n);
  assertEquals(parse("0x1:0x20"), 0x20n);
  assertEquals(parse("010"), 8n);
  assertEquals(parse("10"), 10n);
  assertEquals(parse("0"), 0n);
});

Deno.test("Delegation.fromFdinfo reads a token's lines, and nothing of another file", () => {
  const text =
    "pos:\t0\nflags:\t02\nallowed_cmds:\t0x21\nallowed_maps:\tany\nallowed_progs:\t0x40\nallowed_attachs:\t0x0\n";
  const delegation = Delegation.fromFdinfo(text);
  assertEquals(delegation?.commands, 0x21n);
  assertEquals(delegation?.maps, ALL);
  assertEquals(Delegation.fromFdinfo("pos:\t0\n"), undefined);
});

Deno.test("missing names what is lacking, in the kernel's order", () => {
  const has = Delegation.of({ commands: ["map_create"], maps: ["hash"] });
  const need = Delegation.of({
    commands: ["map_create", "prog_load"],
    maps: ["array"],
    programs: ["xdp"],
    attachments: [0],
  });
  assertEquals(
    wordsText(has.missing(need)),
    "delegate_cmds=prog_load,delegate_maps=array,delegate_progs=xdp,delegate_attachs=cgroup_inet_ingress",
  );
  assert(!has.covers(need));
  assert(has.union(need).covers(need));
  assert(has.union(need).without(has).equals(need.without(has)));
});

Deno.test("a mask with a bit that has no name is written in hex, for a number would replace the names", () => {
  const delegation = new Delegation({ commands: 1n | 1n << 60n });
  assertEquals(delegation.names("commands"), ["map_create", "0x1000000000000000"]);
  assertEquals(delegation.toMountOptions(), "delegate_cmds=0x1000000000000001");
});

Deno.test("a value that fsconfig would refuse as too long is written in hex", () => {
  const delegation = new Delegation({ attachments: (1n << 57n) - 1n });
  const value = delegation.optionValue("attachments") ?? "";
  assert(value.startsWith("0x"), value);
});

Deno.test("toFsconfig gives one number for each option that has any", () => {
  assertEquals(
    Delegation.of({ commands: ["map_create", "prog_load"], programs: ["xdp"] }).toFsconfig(),
    [
      { key: "delegate_cmds", value: "0x21" },
      { key: "delegate_progs", value: "0x40" },
    ],
  );
  assertEquals(Delegation.none.toFsconfig(), []);
});

Deno.test("what is written is read back the same", () => {
  for (let bit = 0n; bit < 64n; bit++) {
    const delegation = new Delegation({
      commands: 1n << bit,
      maps: ALL ^ 1n << bit,
      programs: (1n << bit) - 1n,
      attachments: 1n | 1n << bit,
    });
    assert(Delegation.parse(delegation.toMountOptions()).equals(delegation), `${bit}`);
    assert(Delegation.parse(delegation.toHex()).equals(delegation), `${bit}`);
  }
});
