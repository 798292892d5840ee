/**
 * Types with random references: cycles, long chains, shared parts.
 *
 * @module
 */

import { BtfBuilder, KINDS, type Member } from "../../btf/mod.ts";
import { elfBytes, symbolBytes } from "../support/elf_bytes.ts";
import type { Random } from "./random.ts";

/** Returns an object with such types only. */
export function typeGraph(random: Random): Uint8Array<ArrayBuffer> {
  const builder = new BtfBuilder();
  const count = random.pick([4, 40, 400]);
  // Near references make long chains, far ones cycles.
  const reach = random.pick([1, 2, count]);
  const other = (): number => {
    const id = builder.endId + (random.below(8) === 0 ? 1 : -1) * (1 + random.below(reach));
    return Math.min(count, Math.max(0, id));
  };
  const name = (): string => random.pick(["", "", "a", "b", "int", "x y", "a___b", "char"]);
  const members = (): Member[] =>
    Array.from({ length: random.below(4) }, () => ({
      name: name(),
      type: other(),
      bitOffset: random.pick([0, 1, 8, 32, 64, 0xffffff]),
      bitSize: random.pick([0, 0, 0, 3, 64, 255]),
    }));
  const size = (): number => random.pick([0, 1, 3, 4, 8, 16, 0xffffffff]);
  while (builder.endId <= count) {
    const kind = random.pick(KINDS);
    switch (kind) {
      case "void":
      case "int":
        builder.add({
          kind: "int",
          name: name(),
          size: size(),
          bits: random.pick([0, 8, 32, 64, 255]),
          encoding: random.pick(["signed", "char", "bool", "unsigned"]),
        });
        break;
      case "array":
        builder.addArray(other(), other(), random.pick([0, 1, 2, 0x7fffffff, 0xffffffff]));
        break;
      case "struct":
      case "union":
        builder.add({ kind, name: name(), size: size(), members: members() });
        break;
      case "enum":
      case "enum64":
        builder.add({ kind, name: name(), size: size(), signed: true, values: [] });
        break;
      case "fwd":
        builder.addForward(name(), "struct");
        break;
      case "func":
        builder.addFunction(name(), builder.addFunctionPrototype(other(), []), "global");
        break;
      case "func_proto":
        builder.addFunctionPrototype(other(), [
          { name: name(), type: other() },
          { name: name(), type: other() },
        ]);
        break;
      case "var":
        builder.addVariable(name(), other(), "global");
        break;
      case "datasec":
        builder.addDataSection(name(), size(), [{ type: other(), offset: 0, size: size() }]);
        break;
      case "float":
        builder.addFloat(name(), size());
        break;
      case "decl_tag":
        builder.addDeclTag(name(), other(), random.below(3) - 1);
        break;
      default:
        builder.add({ kind, name: name(), type: other() });
    }
  }
  return elfBytes([
    { name: ".BTF", type: 1, data: builder.build() },
    // Readers require a symbol table.
    { name: ".symtab", type: 2, data: symbolBytes([]), link: 3, info: 1, entrySize: 24 },
  ]);
}
