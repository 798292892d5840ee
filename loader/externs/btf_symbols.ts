/**
 * Resolves typed kernel symbols: variables and kfuncs in the BTF of vmlinux or a module.
 *
 * @module
 */

import type { Btf } from "../../btf/btf.ts";
import { typesCompatible } from "../../btf/core/mod.ts";
import { SkepError } from "../../errors/skep_error.ts";
import type { ExternSpec } from "../../object/spec/spec.ts";

/** BTF in which symbols are looked up. */
export interface SymbolSources {
  /** BTF of vmlinux. */
  readonly vmlinux: Btf;
  /** Returns the modules' split BTF. Called only for symbols that vmlinux lacks. */
  readonly modules: () => Iterable<{ readonly name: string; readonly btf: Btf }>;
}

/** A resolved symbol. */
export interface BtfSymbol {
  /** The symbol's type id, in the BTF of `module` or else of vmlinux. */
  readonly btfId: number;
  /** The module that has the symbol; undefined for vmlinux. */
  readonly module?: string | undefined;
}

/**
 * Resolves a typed extern: a variable by its name, a kfunc by its name without flavor.
 *
 * Returns undefined for a weak extern that does not exist, and for a weak kfunc of an incompatible type.
 *
 * @throws {SkepError} EINVAL when a strong extern does not exist or is of an incompatible type, or a weak
 * variable is of an incompatible type.
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
  // Qualifiers of a variable are ignored; a kfunc is compared by its prototype.
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
