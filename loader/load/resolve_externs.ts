/**
 * Resolves an object's externs once per load, and its references from them.
 *
 * @module
 */

import type { CreatedMap, LoadContext } from "./load_context.ts";
import { kernelSources, type ResolvedExterns, resolveExterns } from "../externs/mod.ts";
import { kernelTypes } from "../features/kernel_btf.ts";
import type { ModuleDescriptors } from "./module_descriptors.ts";
import { originTraits } from "../../object/spec/map_traits.ts";
import type { ExternTarget } from "./references.ts";

const NONE: ResolvedExterns = { find: () => undefined };

/**
 * Resolves all externs of an object. Reads nothing from the kernel when it has none.
 *
 * @throws {SkepError} as {@linkcode resolveExterns}.
 */
export function resolveObjectExterns(state: LoadContext): ResolvedExterns {
  const { spec, kernel, kconfig } = state;
  if (spec.externs.length === 0) return NONE;
  const types = kernelTypes(kernel);
  return resolveExterns(
    spec.externs,
    spec.btf,
    kernelSources({
      kernel,
      vmlinux: () => types.vmlinux,
      modules: () => types.modules(),
      kconfigText: kconfig,
    }),
  );
}

/** Resolves references to maps and externs to the values that instructions hold. */
export class ReferenceResolver {
  readonly #state: LoadContext;
  readonly #externs: ResolvedExterns;
  readonly #maps: ReadonlyMap<string, CreatedMap>;
  readonly #modules: ModuleDescriptors;

  /** Resolves against `maps`, as created so far, and `externs`. */
  constructor(
    state: LoadContext,
    externs: ResolvedExterns,
    maps: ReadonlyMap<string, CreatedMap>,
    modules: ModuleDescriptors,
  ) {
    this.#state = state;
    this.#externs = externs;
    this.#maps = maps;
    this.#modules = modules;
  }

  /** Returns a map's descriptor, or its index in the object when it was not created. */
  map(name: string): { readonly fd: number } | { readonly missing: number } {
    const map = this.#maps.get(name);
    if (map !== undefined) return { fd: map.descriptor.fd };
    return { missing: this.#state.spec.maps.find(name)?.index ?? 0 };
  }

  /** Returns the target of an extern. Opens a module's BTF when the target is in a module. */
  extern(name: string): ExternTarget {
    const found = this.#externs.find(name);
    switch (found?.kind) {
      case "address":
        return found;
      case "kconfig":
        return { kind: "kconfig", map: this.#kconfigFd(), offset: found.offset };
      case "ksym":
        return { kind: "variable", typeId: found.btfId, btfFd: this.#moduleFd(found.module) };
      case "kfunc":
        return {
          kind: "kfunc",
          typeId: found.btfId,
          descriptorIndex: found.module === undefined ? 0 : this.#modules.indexOf(found.module),
          btfFd: this.#moduleFd(found.module),
        };
      default:
        return {
          kind: "missing",
          index: this.#state.spec.externs.find((extern) => extern.name === name)?.index ?? 0,
        };
    }
  }

  #moduleFd(module: string | undefined): number {
    return module === undefined ? 0 : this.#modules.open(module);
  }

  #kconfigFd(): number {
    for (const { spec, descriptor } of this.#maps.values()) {
      if (originTraits[spec.origin].contents === "kernel-configuration") return descriptor.fd;
    }
    return -1;
  }
}
