/**
 * Typed kernel symbols: variables and functions that the kernel's or a module's BTF has.
 *
 * @module
 */

import type { Btf } from "../../btf/btf.ts";
import { typesCompatible } from "../../btf/core/mod.ts";
import { SkepError } from "../../errors/skep_error.ts";
import type { ExternSpec } from "../../object/spec/spec.ts";

/** Where symbols are looked for. */
export interface SymbolSources {
  /** vmlinux's types. */
  readonly vmlinux: Btf;
  /** The modules' types, split from vmlinux's; gone through only when vmlinux lacks a symbol. */
  readonly modules: () => Iterable<{ readonly name: string; readonly btf: Btf }>;
}

/** A symbol that was found. */
export interface BtfSymbol {
  /** Its id, in the BTF of `module` or in vmlinux's. */
  readonly btfId: number;
  /** The module that has it; absent for vmlinux. */
  readonly module?: string | undefined;
}

/**
 * Looks a typed extern up: a variable by its name, a kfunc by its name without flavor.
 *
 * A weak extern that is not there, and a weak kfunc of another type, stays undefined.
 *
 * @throws {SkepError} EINVAL when a strong extern is not there or of another type.
 */
export function findBtfSymbol(
  extern: ExternSpec,
  local: Btf,
  sources: SymbolSources,
): BtfSymbol | undefined {
  const kind = extern.kind === "kfunc" ? "func" : "var";
  const name = kind === "func" ? extern.essentialName : extern.name;
  const found = find(name, kind, sources);
  if (found === undefined) {
    if (extern.weak) return undefined;
    throw refuse(
      extern,
      `neither the kernel nor a loaded module has a ${
        kind === "func" ? "kfunc" : "variable"
      } ${name}`,
      "load the module that has it, use a kernel that has it, or declare it __weak",
    );
  }
  const { btf, btfId } = found;
  const symbol = btf.type(btfId);
  // A variable's own qualifiers do not count; a kfunc is compared by its prototype.
  const targetType = symbol.kind === "var"
    ? btf.resolve(symbol.type)
    : symbol.kind === "func"
    ? symbol.type
    : 0;
  if (!typesCompatible(local, extern.typeId, btf, targetType)) {
    if (extern.weak && kind === "func") return undefined;
    throw refuse(
      extern,
      `the kernel's ${name} is ${described(btf, targetType)}, ` +
        `and the object declares ${described(local, extern.typeId)}`,
      "declare it as the running kernel has it, or give the declaration a ___flavor and __weak",
    );
  }
  return found.module === undefined ? { btfId } : { btfId, module: found.module };
}

function find(
  name: string,
  kind: "var" | "func",
  sources: SymbolSources,
): { readonly btf: Btf; readonly btfId: number; readonly module?: string | undefined } | undefined {
  const own = sources.vmlinux.find(name, kind);
  if (own !== undefined) return { btf: sources.vmlinux, btfId: own };
  for (const { name: module, btf } of sources.modules()) {
    const btfId = btf.findOwn(name, kind);
    if (btfId !== undefined) return { btf, btfId, module };
  }
  return undefined;
}

function described(btf: Btf, id: number): string {
  const type = btf.type(id);
  if (type.kind === "func_proto") return `a function of ${type.parameters.length} parameters`;
  return type.name === "" ? `of kind ${type.kind}` : `${type.kind} ${type.name}`;
}

function refuse(extern: ExternSpec, why: string, fix: string): SkepError {
  return new SkepError({
    doing: "resolve extern",
    subject: extern.name,
    errno: "EINVAL",
    stage: "relocate",
    why,
    fix,
  });
}
