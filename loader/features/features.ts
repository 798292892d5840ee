/**
 * Features of the running kernel, read from its BTF.
 *
 * No feature is probed with a system call, since EPERM does not show whether a feature exists. Each is looked up
 * on first use and cached.
 *
 * @module
 */

import type { Kernel } from "../../kernel/kernel.ts";
import { kernelTypes } from "./kernel_btf.ts";

/** The kernel's enumerations whose members are features. */
const ENUMS = {
  command: { type: "bpf_cmd", prefix: "BPF_" },
  map: { type: "bpf_map_type", prefix: "BPF_MAP_TYPE_" },
  program: { type: "bpf_prog_type", prefix: "BPF_PROG_TYPE_" },
  attach: { type: "bpf_attach_type", prefix: "BPF_" },
  helper: { type: "bpf_func_id", prefix: "BPF_FUNC_" },
} as const satisfies { readonly [kind in FeatureKind]: object };

/** Enumeration of the kernel that a feature is a member of. */
export type FeatureKind = "command" | "map" | "program" | "attach" | "helper";

/** Features of one kernel. */
export class Features {
  readonly #kernel: Kernel;
  readonly #members = new Map<FeatureKind, ReadonlySet<string>>();

  /**
   * Creates an empty cache. Use {@linkcode features}, which keeps one per kernel.
   *
   * @internal
   */
  constructor(kernel: Kernel) {
    this.#kernel = kernel;
  }

  /**
   * Returns whether the kernel has a command, a map, program or attach type, or a helper, by its name in lower
   * case without prefix: `has("attach", "trace_uprobe_multi")`.
   *
   * @throws {SkepError} ESRCH when the kernel publishes no BTF.
   */
  has(kind: FeatureKind, name: string): boolean {
    let members = this.#members.get(kind);
    if (members === undefined) this.#members.set(kind, members = this.#read(kind));
    return members.has(name);
  }

  /** Whether the verifier accepts the declaration tag `arg:ctx` on parameters of global functions (Linux 6.8). */
  get contextTags(): boolean {
    // struct bpf_subprog_arg_info was added together with the tag.
    return kernelTypes(this.#kernel).vmlinux.find("bpf_subprog_arg_info", "struct") !== undefined;
  }

  /** Whether direct map-value addresses reach the first 4 GiB of a map instead of 512 MiB (Linux 7.0). */
  get farMapValues(): boolean {
    // The limit was raised in the release that added this command, without a new type in BTF.
    return this.has("command", "prog_assoc_struct_ops");
  }

  #read(kind: FeatureKind): ReadonlySet<string> {
    const { type, prefix } = ENUMS[kind];
    const { vmlinux } = kernelTypes(this.#kernel);
    const id = vmlinux.find(type, ["enum", "enum64"]);
    const found = id === undefined ? undefined : vmlinux.type(id);
    if (found?.kind !== "enum" && found?.kind !== "enum64") return new Set();
    return new Set(
      found.values.filter(({ name }) => name.startsWith(prefix))
        .map(({ name }) => name.slice(prefix.length).toLowerCase()),
    );
  }
}

const perKernel = new WeakMap<Kernel, Features>();

/** Returns the features of a kernel; the same instance for the same {@linkcode Kernel}. */
export function features(kernel: Kernel): Features {
  let facts = perKernel.get(kernel);
  if (facts === undefined) perKernel.set(kernel, facts = new Features(kernel));
  return facts;
}
