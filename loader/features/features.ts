/**
 * What the running kernel can do, as facts: from its BTF, or from what is implied. Never from a refusal.
 *
 * EPERM says nothing about a feature, so nothing here is tried out. A fact is looked up when a decision
 * hangs on it, and kept.
 *
 * @module
 */

import type { Kernel } from "../../kernel/kernel.ts";
import { kernelTypes } from "./kernel_btf.ts";

/** The enumerations of the kernel that tell of features by their members. */
const ENUMS = {
  command: { type: "bpf_cmd", prefix: "BPF_" },
  map: { type: "bpf_map_type", prefix: "BPF_MAP_TYPE_" },
  program: { type: "bpf_prog_type", prefix: "BPF_PROG_TYPE_" },
  attach: { type: "bpf_attach_type", prefix: "BPF_" },
  helper: { type: "bpf_func_id", prefix: "BPF_FUNC_" },
} as const satisfies { readonly [kind in FeatureKind]: object };

/** Which enumeration a feature is a member of. */
export type FeatureKind = "command" | "map" | "program" | "attach" | "helper";

/** What a kernel can do. */
export class Features {
  readonly #kernel: Kernel;
  readonly #members = new Map<FeatureKind, ReadonlySet<string>>();

  /**
   * Looks nothing up yet. Use {@linkcode features}, which keeps one per kernel.
   *
   * @internal
   */
  constructor(kernel: Kernel) {
    this.#kernel = kernel;
  }

  /**
   * Whether the kernel knows a command, a map, program or attach type, or a helper, by its name in lower
   * case without prefix: `has("attach", "trace_uprobe_multi")`.
   */
  has(kind: FeatureKind, name: string): boolean {
    let members = this.#members.get(kind);
    if (members === undefined) this.#members.set(kind, members = this.#read(kind));
    return members.has(name);
  }

  /** Whether the kernel takes any global function's parameter tagged `arg:ctx` for its context (Linux 6.8). */
  get contextTags(): boolean {
    // The struct came with the tags, to keep what each parameter of a function is.
    return kernelTypes(this.#kernel).vmlinux.find("bpf_subprog_arg_info", "struct") !== undefined;
  }

  /** Whether programs reach all of a map's first 4 GiB by a direct address, not 512 MiB (Linux 7.0). */
  get farMapValues(): boolean {
    // The limit fell in the release that brought this command, and left no type of its own.
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

/** The facts about a kernel: always the same for one {@linkcode Kernel}. */
export function features(kernel: Kernel): Features {
  let facts = perKernel.get(kernel);
  if (facts === undefined) perKernel.set(kernel, facts = new Features(kernel));
  return facts;
}
