/**
 * Reads externs: symbols that the kernel or its configuration provides.
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

/** Externs of an object. */
export interface Externs {
  /** Externs in libbpf's order: kconfig by alignment (largest first), size and name; then symbols by name. */
  readonly list: readonly ExternSpec[];
  /** Externs by the index of their ELF symbol. */
  readonly bySymbol: ReadonlyMap<number, ExternSpec>;
  /** Size of the `.kconfig` map in bytes; 0 for none. */
  readonly kconfigSize: number;
}

/** An extern before its index and offset are assigned. */
type Draft =
  & { -readonly [Key in keyof ExternSpec]: ExternSpec[Key] }
  & { readonly symbol: number; readonly alignment: number };

/**
 * Collects undefined symbols and determines their kinds from BTF.
 *
 * @throws {ObjectError} ESRCH when the object has externs but no BTF. ENOENT for a symbol that is not in BTF,
 * usually a call of a function that is neither a helper, a kfunc nor in the object. EINVAL for one that BTF
 * does not declare extern. EOPNOTSUPP for a section or type that externs cannot have.
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

/** Returns the name of the data section of each `var` and `func`, by its type id. */
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
    throw unknownExtern(elf, name, "ENOENT", "it is not in BTF");
  }
  const type = btf.type(btfId);
  if ((type.kind !== "var" && type.kind !== "func") || type.linkage !== "extern") {
    throw openError(
      elf.name,
      "EINVAL",
      `extern ${name} is undefined in ELF, but BTF does not declare it extern`,
    );
  }
  const section = sections.get(btfId);
  if (section === undefined) {
    throw unknownExtern(elf, name, "ENOENT", "it is in no BTF data section");
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
      `kconfig extern ${name} has an unsupported type`,
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
    throw openError(elf.name, "EINVAL", `kconfig extern ${name} has a type without a size`);
  }
  return { ...draft, kind: "kconfig", kconfig, typeId: type.type, size, alignment };
}

function unknownExtern(elf: ElfFile, name: string, errno: string, why: string): Error {
  return openError(elf.name, errno, `extern ${name} cannot be resolved: ${why}`, {
    fix: `define ${name} in this object, or declare it with __ksym or __kconfig and -g: ` +
      "BPF programs cannot call libc functions",
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

/** Returns the encoding of a kconfig value of a type; undefined for an unsupported type. */
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
      // Nested arrays are not supported; the check also ends cycles of arrays in malformed BTF.
      if (type.length === 0 || btf.kind(btf.resolve(type.type)) !== Kind.int) return undefined;
      const element = kconfigType(btf, type.type);
      return element?.kind === "char" ? { kind: "text", signed: element.signed } : undefined;
    }
    default:
      return undefined;
  }
}

/** Checks that all members of the externs' BTF sections are externs of the object. */
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
