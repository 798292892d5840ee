/**
 * Externs: names that the object uses and the kernel, or its configuration, must provide.
 *
 * @module
 */

import type { Btf } from "../../btf/btf.ts";
import { BtfError } from "../../btf/error.ts";
import { essentialName } from "../../btf/essential_name.ts";
import { Kind } from "../../btf/types.ts";
import type { ElfFile } from "../../elf/elf.ts";
import { openError } from "../spec/error.ts";
import type { ExternSpec, KconfigType } from "../spec/spec.ts";

/** The externs in the order of libbpf, which numbers them. */
export interface Externs {
  /** kconfig first, by alignment, size and name; then symbols by name. */
  readonly list: readonly ExternSpec[];
  /** The extern of an ELF symbol's index. */
  readonly bySymbol: ReadonlyMap<number, ExternSpec>;
  /** Bytes of the `.kconfig` map; 0 for none. */
  readonly kconfigSize: number;
}

/** An extern before it has its place. */
type Draft =
  & { -readonly [Key in keyof ExternSpec]: ExternSpec[Key] }
  & { readonly symbol: number; readonly alignment: number };

/**
 * Collects undefined symbols and finds out from BTF what they are.
 *
 * @throws {ObjectError} ENOENT for a symbol that BTF does not know: mostly a call of a function that
 * is no helper, no kfunc and not in the object; EOPNOTSUPP for a section or type that externs cannot have.
 */
export function readExterns(elf: ElfFile, btf: Btf | undefined): Externs {
  const drafts: Draft[] = [];
  let sections: ReadonlyMap<number, string> | undefined;
  for (const symbol of elf.symbols) {
    if (symbol.sectionIndex !== 0 || symbol.type !== "notype") continue;
    if (symbol.binding !== "global" && symbol.binding !== "weak") continue;
    const { name } = symbol;
    if (name === "") continue;
    if (btf === undefined) throw unknownExtern(elf, name, "ESRCH", "the object has no BTF");
    sections ??= externSections(btf);
    const draft = readExtern(elf, btf, sections, name);
    drafts.push({ ...draft, weak: symbol.binding === "weak", symbol: symbol.index });
  }
  drafts.sort(compareExterns);
  let offset = 0;
  const bySymbol = new Map<number, ExternSpec>();
  const list = drafts.map(({ symbol, alignment, ...spec }, index): ExternSpec => {
    spec.index = index;
    if (spec.kind === "kconfig") {
      spec.offset = Math.ceil(offset / alignment) * alignment;
      offset = spec.offset + spec.size;
    }
    bySymbol.set(symbol, spec);
    return spec;
  });
  if (btf !== undefined && sections !== undefined) checkSections(elf, btf, sections, list);
  return { list, bySymbol, kconfigSize: offset };
}

/** The data sections of externs: the id of each `var` or `func` in them with the section's name. */
function externSections(btf: Btf): Map<number, string> {
  const members = new Map<number, string>();
  for (let id = btf.firstId; id < btf.endId; id++) {
    if (btf.kind(id) !== Kind.datasec) continue;
    const section = btf.type(id);
    if (section.kind !== "datasec") continue;
    for (const { type } of section.variables) {
      if (!members.has(type)) members.set(type, section.name);
    }
  }
  return members;
}

function readExtern(
  elf: ElfFile,
  btf: Btf,
  sections: ReadonlyMap<number, string>,
  name: string,
): Omit<Draft, "weak" | "symbol"> {
  const btfId = btf.find(name, ["var", "func"]);
  if (btfId === undefined) {
    throw unknownExtern(elf, name, "ENOENT", "BTF does not know it");
  }
  const type = btf.type(btfId);
  if ((type.kind !== "var" && type.kind !== "func") || type.linkage !== "extern") {
    throw openError(elf.name, "EINVAL", `extern ${name} is defined in BTF, but not in the object`);
  }
  const section = sections.get(btfId);
  if (section === undefined) {
    throw unknownExtern(elf, name, "ENOENT", "it is in no section of BTF");
  }
  const draft = { name, essentialName: essentialName(name), btfId, index: 0, offset: 0 };
  if (section === ".ksyms") {
    const typeId = btf.resolve(type.type);
    const kind = type.kind === "func" ? "kfunc" : typeId === 0 ? "ksym-typeless" : "ksym-typed";
    return { ...draft, kind, typeId, size: 0, alignment: 1 };
  }
  if (section !== ".kconfig") {
    throw openError(elf.name, "EOPNOTSUPP", `extern ${name} is in section ${section}`, {
      fix: "declare it with __kconfig or __ksym, or define it in this object",
    });
  }
  const kconfig = type.kind === "func" ? undefined : kconfigType(btf, type.type);
  if (kconfig === undefined) {
    throw openError(
      elf.name,
      "EOPNOTSUPP",
      `kconfig extern ${name} is of no type that it may have`,
      {
        fix: "use bool, char, an integer, enum libbpf_tristate or an array of char",
      },
    );
  }
  let size: number;
  let alignment: number;
  try {
    size = btf.size(type.type);
    alignment = btf.alignment(type.type);
  } catch (cause) {
    if (!(cause instanceof BtfError)) throw cause;
    throw openError(elf.name, "EINVAL", `kconfig extern ${name} is of unknown size`);
  }
  return { ...draft, kind: "kconfig", kconfig, typeId: type.type, size, alignment };
}

function unknownExtern(elf: ElfFile, name: string, errno: string, why: string): Error {
  return openError(elf.name, errno, `nothing is known of extern ${name}: ${why}`, {
    fix: `define ${name} in this object, or declare it with __ksym or __kconfig and -g: ` +
      "libc functions do not exist in BPF",
    data: { extern: name },
  });
}

function compareExterns(a: Draft, b: Draft): number {
  const rank = (draft: Draft): number => draft.kind === "kconfig" ? 0 : 1;
  if (rank(a) !== rank(b)) return rank(a) - rank(b);
  if (a.kind === "kconfig") {
    if (a.alignment !== b.alignment) return b.alignment - a.alignment;
    if (a.size !== b.size) return a.size - b.size;
  }
  return a.name < b.name ? -1 : a.name > b.name ? 1 : 0;
}

/** How a kconfig value of a type is written; undefined for a type that has no such form. */
function kconfigType(btf: Btf, typeId: number): KconfigType | undefined {
  const type = btf.type(btf.resolve(typeId));
  switch (type.kind) {
    case "int": {
      const signed = type.encoding === "signed";
      if (type.encoding === "bool") {
        return type.size === 1 ? { kind: "bool", signed: false } : undefined;
      }
      if (type.size === 1) return { kind: "char", signed };
      return [2, 4, 8].includes(type.size) ? { kind: "int", signed } : undefined;
    }
    case "enum":
    case "enum64":
      return type.name === "libbpf_tristate" && (type.kind === "enum64" || type.size === 4)
        ? { kind: "tristate", signed: false }
        : undefined;
    case "array": {
      // An array of arrays is none; arrays that hold each other have no end.
      if (type.length === 0 || btf.kind(btf.resolve(type.type)) !== Kind.int) return undefined;
      const element = kconfigType(btf, type.type);
      return element?.kind === "char" ? { kind: "text", signed: element.signed } : undefined;
    }
    default:
      return undefined;
  }
}

/** Everything in the externs' sections of BTF must be an extern of the object. */
function checkSections(
  elf: ElfFile,
  btf: Btf,
  sections: ReadonlyMap<number, string>,
  list: readonly ExternSpec[],
): void {
  if (list.length === 0) return;
  const names = new Set(list.map((spec) => spec.name));
  const used = new Set<string>(list.map((spec) => spec.kind === "kconfig" ? ".kconfig" : ".ksyms"));
  for (const [id, section] of sections) {
    if (!used.has(section) || names.has(btf.nameOf(id))) continue;
    throw openError(
      elf.name,
      "ESRCH",
      `${section} of BTF has ${btf.nameOf(id)}, which no symbol of the object declares`,
    );
  }
}
