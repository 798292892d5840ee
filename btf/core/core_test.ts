import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { Btf } from "../btf.ts";
import { BtfBuilder } from "../build/builder.ts";
import { BtfError } from "../error.ts";
import type { CoreKind, CoreRelocation } from "../ext.ts";
import type { Member } from "../types.ts";
import type { CoreValue } from "./outcome.ts";
import type { CoreDecision } from "./decision.ts";
import { explainCore } from "./describe.ts";
import { applyCore, CORE_POISON } from "./patch.ts";
import { CoreSession } from "./resolve.ts";
import { CoreTargets } from "./targets.ts";

/** One side: BTF under construction with the usual integers. */
class Side {
  readonly name: string;
  readonly builder: BtfBuilder;
  readonly int: number;
  readonly uint: number;
  readonly long: number;
  readonly char: number;

  constructor(name: string, base?: Btf) {
    this.name = name;
    this.builder = new BtfBuilder({ base });
    this.int = this.builder.addInt("int", 4, "signed");
    this.uint = this.builder.addInt("unsigned int", 4, "unsigned");
    this.long = this.builder.addInt("unsigned long", 8, "unsigned");
    this.char = this.builder.addInt("char", 1, "signed");
  }

  struct(name: string, size: number, ...members: readonly Member[]): number {
    return this.builder.addStruct(name, size, members);
  }

  array(type: number, length: number): number {
    return this.builder.addArray(type, this.uint, length);
  }

  btf(base?: Btf): Btf {
    const options = { name: this.name, base };
    return Btf.parse(this.builder.build(), options);
  }
}

function at(offset: number, name: string, type: number): Member {
  return { name, type, bitOffset: offset * 8, bitSize: 0 };
}

function bits(bitOffset: number, bitSize: number, name: string, type: number): Member {
  return { name, type, bitOffset, bitSize };
}

function relocation(kind: CoreKind, typeId: number, access = "0"): CoreRelocation {
  return { section: "kprobe", offset: 0, typeId, access, kind };
}

/** Returns the value of a decision that is not a poison. */
function value(decision: CoreDecision): number | bigint {
  const { outcome } = decision;
  assert(outcome.kind === "value", outcome.kind === "poison" ? outcome.reason : "");
  return outcome.value;
}

/** Two sides with one struct each, and a session between them. */
function pair(
  local: (side: Side) => number,
  target: (side: Side) => unknown,
): { readonly session: CoreSession; readonly id: number } {
  const mine = new Side("object");
  const id = local(mine);
  const theirs = new Side("vmlinux");
  target(theirs);
  return { session: new CoreSession(mine.btf(), new CoreTargets(theirs.btf())), id };
}

const TASK = (side: Side): number =>
  side.struct("task", 8, at(0, "pid", side.int), at(4, "flags", side.uint));

Deno.test("byte_offset, byte_size, signed and the shifts of a field that moved", () => {
  const { session, id } = pair(
    TASK,
    (side) => side.struct("task", 24, at(8, "flags", side.long), at(20, "pid", side.int)),
  );
  const ask = (kind: CoreKind, access: string) => session.resolve(relocation(kind, id, access));
  assertEquals(value(ask("byte_offset", "0:0")), 20);
  assertEquals(value(ask("byte_size", "0:1")), 8);
  assertEquals(value(ask("signed", "0:0")), 1);
  assertEquals(value(ask("signed", "0:1")), 0);
  assertEquals(value(ask("lshift_u64", "0:0")), 32);
  assertEquals(value(ask("rshift_u64", "0:0")), 32);
  assertEquals(value(ask("lshift_u64", "0:1")), 0);
  assertEquals(value(ask("field_exists", "0:1")), 1);
  const offset = ask("byte_offset", "0:1").outcome as CoreValue;
  assertEquals([offset.originalSize, offset.size, offset.sizeMismatch], [4, 8, false]);
});

Deno.test("a missing field has field_exists 0 and poisons its reads", () => {
  const { session, id } = pair(TASK, (side) => side.struct("task", 4, at(0, "pid", side.int)));
  assertEquals(value(session.resolve(relocation("field_exists", id, "0:1"))), 0);
  const decision = session.resolve(relocation("byte_offset", id, "0:1"));
  assertEquals(decision.outcome, { kind: "poison", reason: "struct task has no member flags" });
  assertEquals(decision.localSpec, `<byte_off> [${id}] struct task.flags (0:1 @ offset 4)`);
  assertEquals(
    explainCore(decision),
    `<byte_off> [${id}] struct task.flags (0:1 @ offset 4) in kprobe at byte 0\n` +
      "  candidate [5] task in vmlinux: struct task has no member flags\n" +
      "  poisoned: struct task has no member flags; the verifier refuses the instruction if it is reached",
  );
});

Deno.test("fields are found in anonymous structs and unions, on either side", () => {
  const { session, id } = pair(
    (side) => {
      const inner = side.struct("", 8, at(0, "x", side.int), at(4, "y", side.int));
      return side.struct("s", 12, at(0, "a", side.int), at(4, "", inner));
    },
    (side) => {
      const union = side.builder.addUnion("", 8, [at(0, "x", side.int), at(0, "y", side.int)]);
      const outer = side.struct("", 16, at(0, "pad", side.long), at(8, "", union));
      return side.struct("s", 32, at(0, "", outer), at(24, "a", side.int));
    },
  );
  assertEquals(value(session.resolve(relocation("byte_offset", id, "0:1:1"))), 8);
  assertEquals(value(session.resolve(relocation("byte_offset", id, "0:0"))), 24);
  const { candidates } = session.resolve(relocation("byte_offset", id, "0:1:0"));
  assertEquals(candidates.map(({ spec }) => spec), [
    "<byte_off> [7] struct s.x (0:0:1:0 @ offset 8)",
  ]);
});

Deno.test("array indices scale with the element's size and must be within bounds", () => {
  const { session, id } = pair(
    (side) =>
      side.struct(
        "s",
        32,
        at(0, "a", side.array(side.uint, 4)),
        at(16, "f", side.array(side.uint, 0)),
      ),
    (side) =>
      side.struct(
        "s",
        40,
        at(8, "a", side.array(side.long, 3)),
        at(32, "f", side.array(side.long, 0)),
      ),
  );
  const ask = (access: string) => session.resolve(relocation("byte_offset", id, access));
  assertEquals(value(ask("0:0:2")), 24);
  assertEquals(ask("0:0:3").outcome, { kind: "poison", reason: "a has only 3 elements" });
  // The last member is a flexible array: any index is within its bounds.
  assertEquals(value(ask("0:1:5")), 32 + 40);
  assertEquals(value(ask("2")), 80);
  assertThrows(() => ask("0:0:4"), BtfError, "index 4 is past the end of an array of 4");
});

Deno.test("bitfields: the smallest aligned load that covers them, and shifts that isolate them", () => {
  const { session, id } = pair(
    (side) => side.struct("s", 8, bits(0, 3, "a", side.uint), bits(3, 7, "b", side.int)),
    (side) => side.struct("s", 16, bits(29, 3, "a", side.uint), bits(60, 7, "b", side.int)),
  );
  const ask = (kind: CoreKind, access: string) => session.resolve(relocation(kind, id, access));
  const all = (access: string) =>
    (["byte_offset", "byte_size", "lshift_u64", "rshift_u64", "signed"] as const)
      .map((kind) => value(ask(kind, access)));
  assertEquals(all("0:0"), [0, 4, 32, 61, 0]);
  // No aligned eight bytes contain bits 60 to 66.
  assertThrows(() => ask("byte_offset", "0:1"), BtfError, "E2BIG");
  const { outcome } = ask("byte_offset", "0:0");
  assert(outcome.kind === "value" && !outcome.validate && outcome.size === 0);
  const shift = ask("rshift_u64", "0:0").outcome;
  assert(shift.kind === "value" && shift.validate, "a right shift is never ambiguous");
});

Deno.test("fields match by kind, enumerations and declarations by name", () => {
  const compatible = (
    local: (side: Side) => number,
    target: (side: Side) => number,
  ): boolean => {
    const { session, id } = pair(
      (side) => side.struct("s", 64, at(0, "x", local(side))),
      (side) => side.struct("s", 64, at(0, "x", target(side))),
    );
    return value(session.resolve(relocation("field_exists", id, "0:0"))) === 1;
  };
  const named = (name: string) => (side: Side) => side.builder.addEnum(name, 4, []);
  assert(compatible((side) => side.int, (side) => side.long));
  assert(
    compatible((side) => side.builder.addPointer(side.int), (side) => side.builder.addPointer(0)),
  );
  assert(compatible((side) => side.struct("a", 1), (side) => side.builder.addUnion("b", 1, [])));
  assert(compatible(named("a___mine"), named("a")));
  assert(compatible(named("a"), (side) => side.builder.addEnum64("a", 8, [])));
  assert(compatible(named("a"), named("")));
  assert(!compatible(named("a"), named("b")));
  assert(!compatible((side) => side.int, (side) => side.builder.addPointer(0)));
  assert(!compatible((side) => side.int, (side) => side.builder.addEnum("a", 4, [])));
  assert(
    compatible(
      (side) => side.builder.addFloat("float", 4),
      (side) => side.builder.addFloat("double", 8),
    ),
  );
  assert(compatible((side) => side.array(side.int, 2), (side) => side.array(side.uint, 9)));
  assert(
    !compatible(
      (side) => side.array(side.int, 2),
      (side) => side.array(side.builder.addPointer(0), 2),
    ),
  );
  assert(
    compatible(
      (side) => side.builder.addConst(side.builder.addTypedef("t", side.int)),
      (side) => side.int,
    ),
  );
});

Deno.test("flavors of a name are candidates of each other, other kinds are not", () => {
  const mine = new Side("object");
  const flavored = mine.struct("task___old", 4, at(0, "pid", mine.int));
  const theirs = new Side("vmlinux");
  theirs.builder.addUnion("task", 8, [at(4, "pid", theirs.int)]);
  const plain = theirs.struct("task", 8, at(4, "pid", theirs.int));
  const other = theirs.struct("task___2", 8, at(4, "pid", theirs.int));
  const decision = new CoreSession(mine.btf(), new CoreTargets(theirs.btf())).resolve(
    relocation("byte_offset", flavored, "0:0"),
  );
  assertEquals(decision.candidates.map(({ typeId }) => typeId), [plain, other]);
  assertEquals(value(decision), 4);
});

Deno.test("candidates with different results are an error", () => {
  const { session, id } = pair(TASK, (side) => {
    side.struct("task", 8, at(0, "pid", side.int));
    side.struct("task", 16, at(4, "pid", side.int));
  });
  assertThrows(
    () => session.resolve(relocation("byte_offset", id, "0:0")),
    BtfError,
    "the kernel has several types of that name, for which the values differ",
  );
  // Both have the field, so they agree.
  assertThrows(() => session.resolve(relocation("field_exists", id, "0:0")), BtfError);
});

Deno.test("a match narrows the candidates for later relocations of the type", () => {
  const { session, id } = pair(TASK, (side) => {
    side.struct("task", 8, at(0, "pid", side.int), at(4, "flags", side.uint));
    side.struct("task", 16, at(4, "pid", side.int));
  });
  assertEquals(value(session.resolve(relocation("byte_offset", id, "0:1"))), 4);
  assertEquals(value(session.resolve(relocation("byte_offset", id, "0:0"))), 0);
});

Deno.test("modules are searched only for types that vmlinux lacks", () => {
  const vmlinux = new Side("vmlinux");
  vmlinux.struct("known", 4, at(0, "x", vmlinux.int));
  const base = vmlinux.btf();
  const module = new Side("nf_tables", base);
  const inModule = module.struct("hidden", 8, at(4, "x", module.int));
  module.struct("known", 8, at(4, "x", module.int));
  let asked = 0;
  const targets = new CoreTargets(base, {
    modules: () => {
      asked++;
      return [module.btf(base)];
    },
  });
  const mine = new Side("object");
  const known = mine.struct("known", 4, at(0, "x", mine.int));
  const hidden = mine.struct("hidden", 4, at(0, "x", mine.int));
  const session = new CoreSession(mine.btf(), targets);
  assertEquals(value(session.resolve(relocation("byte_offset", known, "0:0"))), 0);
  assertEquals(asked, 0);
  const decision = session.resolve(relocation("byte_offset", hidden, "0:0"));
  assertEquals(value(decision), 4);
  assertEquals(decision.candidates.map(({ btf, typeId }) => [btf, typeId]), [[
    "nf_tables",
    inModule,
  ]]);
  assertEquals(value(session.resolve(relocation("target_type_id", hidden))), inModule);
  session.resolve(relocation("type_exists", hidden));
  assertEquals(asked, 1);
});

Deno.test("type relocations: exists, size, ids and the strict comparison", () => {
  const { session, id } = pair(
    (side) => side.struct("s", 8, at(0, "x", side.int)),
    (side) => side.struct("s", 16, at(0, "w", side.long), at(8, "x", side.int)),
  );
  assertEquals(value(session.resolve(relocation("type_exists", id))), 1);
  assertEquals(value(session.resolve(relocation("type_size", id))), 16);
  assertEquals(value(session.resolve(relocation("target_type_id", id))), 5);
  assertEquals(value(session.resolve(relocation("local_type_id", id))), id);
  assertEquals(value(session.resolve(relocation("type_matches", id))), 1);
  const local = session.resolve(relocation("local_type_id", id)).outcome;
  assert(local.kind === "value" && !local.validate);
  const gone = pair((side) => side.struct("gone", 4, at(0, "x", side.int)), () => {});
  for (const kind of ["type_exists", "type_size", "target_type_id", "type_matches"] as const) {
    assertEquals(value(gone.session.resolve(relocation(kind, gone.id))), 0, kind);
  }
});

Deno.test("type_matches compares names, sizes, signedness and lengths; behind pointers only names", () => {
  const matches = (local: (side: Side) => number, target: (side: Side) => number): boolean => {
    const { session, id } = pair(
      (side) => side.struct("s", 64, at(0, "x", local(side))),
      (side) => side.struct("s", 64, at(0, "x", target(side)), at(60, "y", side.int)),
    );
    return value(session.resolve(relocation("type_matches", id))) === 1;
  };
  const to = (make: (side: Side) => number) => (side: Side) => side.builder.addPointer(make(side));
  assert(matches((side) => side.int, (side) => side.int));
  assert(!matches((side) => side.int, (side) => side.uint));
  assert(!matches((side) => side.uint, (side) => side.long));
  assert(matches((side) => side.array(side.int, 3), (side) => side.array(side.int, 3)));
  assert(!matches((side) => side.array(side.int, 3), (side) => side.array(side.int, 4)));
  const a = (...members: string[]) => (side: Side) =>
    side.struct("a", 16, ...members.map((name, index) => at(index * 4, name, side.int)));
  assert(matches(a("m"), a("n", "m")));
  assert(!matches(a("m"), a("n")));
  assert(matches(to(a("m")), to(a("n"))));
  assert(matches(to(a("m")), to((side) => side.builder.addForward("a", "struct"))));
  assert(!matches(to(a("m")), to((side) => side.builder.addForward("a", "union"))));
  assert(!matches(to(a("m")), to((side) => side.struct("b", 16))));
  const choice = (size: number, ...names: string[]) => (side: Side) =>
    side.builder.addEnum("e", size, names.map((name, index) => ({ name, value: index })));
  assert(matches(choice(4, "B"), choice(4, "A", "B")));
  assert(!matches(choice(4, "C"), choice(4, "A", "B")));
  assert(!matches(choice(4, "A"), choice(8, "A", "B")));
  const call = (returns: "int" | "uint", ...types: ("int" | "uint")[]) =>
    to((side) =>
      side.builder.addFunctionPrototype(
        side[returns],
        types.map((type) => ({ name: "", type: side[type] })),
      )
    );
  assert(matches(call("int", "int"), call("int", "int")));
  assert(!matches(call("int", "int"), call("int", "uint")));
  assert(!matches(call("int"), call("int", "int")));
  assert(!matches(call("int"), call("uint")));
});

Deno.test("enumerators are found by name, in either width; values are read as signed", () => {
  const { session, id } = pair(
    (side) =>
      side.builder.addEnum("e", 4, [{ name: "A", value: 1 }, { name: "B___x", value: 2 }, {
        name: "C",
        value: 3,
      }]),
    (side) => side.builder.addEnum64("e", 8, [{ name: "A", value: 7n }, { name: "B", value: -1n }]),
  );
  const ask = (kind: CoreKind, access: string) => session.resolve(relocation(kind, id, access));
  assertEquals(value(ask("enumval_value", "0")), 7);
  assertEquals(value(ask("enumval_value", "1")), -1);
  assertEquals(value(ask("enumval_exists", "1")), 1);
  assertEquals(value(ask("enumval_exists", "2")), 0);
  assertEquals(ask("enumval_value", "2").outcome.kind, "poison");
  assertEquals(ask("enumval_value", "0").localSpec, `<enumval_value> [${id}] enum e::A = 1`);
  assertThrows(() => ask("enumval_value", "3"), BtfError, "the type has no such enumerator");
});

Deno.test("damaged relocations are refused with EINVAL", () => {
  const { session, id } = pair(
    (side) => {
      side.struct("", 4, at(0, "x", side.int));
      return TASK(side);
    },
    TASK,
  );
  const refused: readonly [CoreKind, number, string, string][] = [
    ["byte_offset", id, "", "not a list of numbers"],
    ["byte_offset", id, ":0", "not a list of numbers"],
    ["byte_offset", id, "0:", "not a list of numbers"],
    ["byte_offset", id, "0::1", "not a list of numbers"],
    ["byte_offset", id, "0:99999999999", "not a list of numbers"],
    ["byte_offset", id, "0:2", "has no member 2"],
    ["byte_offset", id, "0:-1", "has no member -1"],
    ["byte_offset", id, "0:0:0", "is in a int, which has no members"],
    ["byte_offset", id, Array(65).fill("0").join(":"), "more than 64 levels deep"],
    ["type_exists", id, "0:1", "must be 0"],
    ["byte_offset", id - 1, "0:0", "a type without a name"],
    ["byte_offset", 999, "0:0", "there is no type 999"],
  ];
  for (const [kind, type, access, message] of refused) {
    const error = assertThrows(
      () => session.resolve(relocation(kind, type, access)),
      BtfError,
      message,
    );
    assertEquals(error.errno, "EINVAL");
  }
});

Deno.test("hostile nesting terminates: anonymous structs within themselves or doubling at each level", () => {
  const { session, id } = pair(TASK, (side) => {
    const self = side.builder.endId;
    side.struct("", 8, at(0, "", self));
    let twice = side.struct("", 4, at(0, "x", side.int));
    for (let level = 0; level < 60; level++) {
      twice = side.struct("", 4, at(0, "", twice), at(0, "", twice));
    }
    side.struct("task", 8, at(0, "", twice));
    side.struct("self", 8, at(0, "", self));
  });
  assertEquals(value(session.resolve(relocation("field_exists", id, "0:0"))), 0);
  const other = pair(
    (side) => side.struct("self", 8, at(0, "x", side.int)),
    (side) => {
      const self = side.builder.endId;
      side.struct("self", 8, at(0, "", self));
    },
  );
  assertThrows(
    () => other.session.resolve(relocation("field_exists", other.id, "0:0")),
    BtfError,
    "E2BIG",
  );
});

Deno.test("hostile prototypes terminate: parameters that double at each level", () => {
  const deep = (side: Side): number => {
    let type = side.int;
    for (let level = 0; level < 40; level++) {
      const proto = side.builder.addFunctionPrototype(type, [
        { name: "", type },
        { name: "", type },
      ]);
      type = side.builder.addPointer(proto);
    }
    return side.builder.addTypedef("deep", type);
  };
  const { session, id } = pair(deep, deep);
  for (const kind of ["type_exists", "type_matches"] as const) {
    assertThrows(
      () => session.resolve(relocation(kind, id)),
      BtfError,
      "nested more than 32 levels deep",
    );
  }
});

/** One instruction of eight bytes. */
function instruction(
  opcode: number,
  registers: number,
  offset: number,
  immediate: number,
): number[] {
  const view = new DataView(new ArrayBuffer(8));
  view.setUint8(0, opcode);
  view.setUint8(1, registers);
  view.setInt16(2, offset, true);
  view.setInt32(4, immediate, true);
  return [...new Uint8Array(view.buffer)];
}

/** A decision to write `value` in place of `original`. */
function decide(
  original: number | bigint,
  value: number | bigint,
  more: Partial<CoreValue> = {},
): CoreDecision {
  return {
    relocation: relocation("byte_offset", 1),
    localSpec: "<byte_off> [1] struct s.x (0:0 @ offset 0)",
    candidates: [],
    outcome: {
      kind: "value",
      value,
      original,
      validate: true,
      originalSize: 0,
      size: 0,
      sizeMismatch: false,
      ...more,
    },
  };
}

function patched(code: readonly number[], decision: CoreDecision): number[] {
  const bytes = Uint8Array.from(code);
  applyCore(bytes, 0, decision);
  return [...bytes];
}

Deno.test("applyCore writes values into arithmetic, loads, stores and 64-bit constants", () => {
  assertEquals(patched(instruction(0xb7, 1, 0, 4), decide(4, 20)), instruction(0xb7, 1, 0, 20));
  assertEquals(patched(instruction(0x07, 1, 0, 4), decide(4, -1)), instruction(0x07, 1, 0, -1));
  assertEquals(
    patched(instruction(0x61, 0x21, 4, 0), decide(4, 20)),
    instruction(0x61, 0x21, 20, 0),
  );
  assertEquals(patched(instruction(0x62, 1, 4, 9), decide(4, 20)), instruction(0x62, 1, 20, 9));
  assertEquals(
    patched([...instruction(0x18, 1, 0, 1), ...instruction(0, 0, 0, 0)], decide(1, -(1n << 62n))),
    [...instruction(0x18, 1, 0, 0), ...instruction(0, 0, 0, -0x4000_0000)],
  );
  assertEquals(
    patched([...instruction(0x18, 1, 0, -2), ...instruction(0, 0, 0, -1)], decide(-2, 2 ** 40 + 5)),
    [...instruction(0x18, 1, 0, 5), ...instruction(0, 0, 0, 256)],
  );
});

Deno.test("applyCore widens and narrows loads of pointers and unsigned integers", () => {
  const load = instruction(0x61, 0x21, 4, 0);
  assertEquals(
    patched(load, decide(4, 8, { originalSize: 4, size: 8 })),
    instruction(0x79, 0x21, 8, 0),
  );
  assertEquals(
    patched(load, decide(4, 8, { originalSize: 4, size: 1 })),
    instruction(0x71, 0x21, 8, 0),
  );
  assertThrows(
    () => patched(load, decide(4, 8, { originalSize: 8, size: 4 })),
    BtfError,
    "it accesses 4 bytes where the object's definition has 8",
  );
  assertThrows(
    () => patched(load, decide(4, 8, { originalSize: 4, size: 16 })),
    BtfError,
    "no load or store accesses 16 bytes",
  );
});

Deno.test("applyCore poisons unresolved instructions, both halves of a 64-bit constant", () => {
  const poison = instruction(0x85, 0, 0, CORE_POISON);
  const decision: CoreDecision = {
    ...decide(0, 0),
    outcome: { kind: "poison", reason: "no candidate matches" },
  };
  assertEquals(patched(instruction(0x61, 0x21, 4, 0), decision), poison);
  assertEquals(
    patched([...instruction(0x18, 1, 0, 1), ...instruction(0, 0, 0, 7)], decision),
    [...poison, ...poison],
  );
  const mismatch = decide(4, 8, { originalSize: 4, size: 8, sizeMismatch: true });
  assertEquals(patched(instruction(0x61, 0x21, 4, 0), mismatch), poison);
  // An offset in arithmetic loads nothing, so the size mismatch does not matter.
  assertEquals(patched(instruction(0x07, 1, 0, 4), mismatch), instruction(0x07, 1, 0, 8));
});

Deno.test("applyCore refuses instructions without the value that clang wrote", () => {
  const refused: readonly [number[], CoreDecision, string, string][] = [
    [instruction(0xb7, 1, 0, 5), decide(4, 8), "it holds 5 where 4 was expected", "EINVAL"],
    [instruction(0x61, 1, 5, 0), decide(4, 8), "it holds 5 where 4 was expected", "EINVAL"],
    [instruction(0x61, 1, 4, 0), decide(4, 32768), "offset 32768 is past the 32767", "ERANGE"],
    [instruction(0x61, 1, 4, 0), decide(4, -1), "offset -1 is past", "ERANGE"],
    [instruction(0x0f, 1, 0, 4), decide(4, 8), "arithmetic between registers", "EINVAL"],
    [instruction(0x05, 0, 4, 0), decide(4, 8), "opcode 0x5 cannot be relocated", "EINVAL"],
    [
      instruction(0x18, 1, 0, 4),
      decide(4, 8),
      "the second half of the instruction is missing",
      "EINVAL",
    ],
    [
      [...instruction(0x18, 0x11, 0, 4), ...instruction(0, 0, 0, 0)],
      decide(4, 8),
      "not a plain load of a 64-bit constant",
      "EINVAL",
    ],
    [
      [...instruction(0x18, 1, 0, 4), ...instruction(0, 0, 0, 1)],
      decide(4, 8),
      "it holds 4294967300 where 4 was expected",
      "EINVAL",
    ],
    [[1, 2, 3], decide(4, 8), "past the end of the program", "EINVAL"],
  ];
  for (const [code, decision, message, errno] of refused) {
    const error = assertThrows(() => patched(code, decision), BtfError, message);
    assertStrictEquals(error.errno, errno);
  }
  // Bitfields and type ids are not validated: clang and the kernel may lay them out differently.
  assertEquals(
    patched(instruction(0xb7, 1, 0, 5), decide(4, 8, { validate: false })),
    instruction(0xb7, 1, 0, 8),
  );
});
