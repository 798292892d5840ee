/**
 * Finds out whether an object's BTF must be loaded, and whether BTF must be fetched from the kernel
 * by id.
 *
 * @module
 */

import { mapTypeTraits } from "../object/spec/map_traits.ts";
import type { MapSpec, ProgramSpec } from "../object/spec/spec.ts";
import { Helper } from "../uapi/enums.ts";
import { helperTakesCallback, helperText, scanInstructions } from "./scan.ts";
import type { Btf } from "../btf/btf.ts";
import type { Plannable } from "./plannable.ts";
import { POINTER_TAGS, SPECIAL_STRUCTS } from "./special_fields.ts";

/** Result of {@linkcode btfNeeds}. */
export interface BtfNeeds {
  /** Whether the object has BTF that a loader loads. */
  readonly load: boolean;
  /** Why the kernel refuses the object without its BTF; empty when it does not. */
  readonly required: readonly string[];
  /**
   * Why the BTF of a program or module must be fetched by id, which needs CAP_SYS_ADMIN in the user
   * namespace.
   */
  readonly byId: readonly string[];
}

/** Helpers that work on special fields. */
const FIELD_HELPERS: ReadonlySet<number> = new Set([
  Helper.spin_lock,
  Helper.spin_unlock,
  Helper.timer_init,
  Helper.timer_set_callback,
  Helper.timer_start,
  Helper.timer_cancel,
  Helper.kptr_xchg,
]);

/**
 * Finds what the given maps and programs need of BTF. `helpers` maps each called helper to its
 * caller.
 */
export function btfNeeds(
  object: Plannable,
  maps: readonly MapSpec[],
  programs: readonly ProgramSpec[],
  helpers: ReadonlyMap<number, string>,
): BtfNeeds {
  const required: string[] = [];
  const byId: string[] = [];
  for (const map of maps) {
    if (map.type === "struct_ops") required.push(`struct_ops map ${map.name}`);
    // bpf_local_storage_map_alloc_check() refuses maps without BTF for key and value.
    else if (mapTypeTraits(map.type).kind === "storage") {
      required.push(`${map.type} map ${map.name}`);
    }
  }
  for (const program of programs) {
    if (program.type === "ext") required.push(`program ${program.name} replaces a function`);
    if (program.type === "struct_ops") required.push(`program ${program.name}`);
    if (program.type === "ext" || program.attachTarget?.programFd !== undefined) {
      byId.push(`program ${program.name}: BTF of the program it attaches to`);
    }
    const plan = program.attach;
    if ("module" in plan && plan.module !== undefined && plan.module !== "vmlinux") {
      byId.push(`program ${program.name}: BTF of the module ${plan.module}`);
    }
  }
  for (const [helper, by] of helpers) {
    if (helperTakesCallback(helper)) {
      required.push(`${by} passes a callback to ${helperText(helper)}`);
    }
  }
  for (const { name, instructions } of programs.length > 0 ? object.subprograms ?? [] : []) {
    if (scanInstructions(instructions).abnormalReturn) {
      required.push(`function ${name} makes a tail call or uses BPF_LD_ABS or BPF_LD_IND`);
    }
  }
  const loads = maps.length + programs.length > 0;
  // The kernel needs BTF for a special field only when a program uses the field.
  const uses = [...helpers.keys()].some((helper) => FIELD_HELPERS.has(helper)) ||
    callsKernelFunctions(object, programs);
  if (uses && object.btf !== undefined) {
    for (const name of specialTypes(object.btf)) {
      required.push(`${name} in the BTF of ${object.name}`);
    }
  }
  return { load: loads && object.btf !== undefined, required, byId };
}

/** Returns whether one of the programs, or a function that it may call, calls a kernel function. */
function callsKernelFunctions(object: Plannable, programs: readonly ProgramSpec[]): boolean {
  if (programs.length === 0) return false;
  const names = new Set([
    ...programs.map(({ name }) => name),
    ...[...object.subprograms ?? []].map(({ name }) => name),
  ]);
  return [...object.relocations ?? []].some((relocation) =>
    relocation.kind === "extern-call" && names.has(relocation.function)
  );
}

function* specialTypes(btf: Btf): Generator<string> {
  const seen = new Set<string>();
  for (let id = 1; id < btf.endId; id++) {
    const kind = btf.kindName(id);
    if (kind !== "struct" && kind !== "type_tag") continue;
    const name = btf.nameOf(id);
    const special = kind === "struct" ? SPECIAL_STRUCTS.has(name) : POINTER_TAGS.has(name);
    if (special && !seen.has(name)) {
      seen.add(name);
      yield name;
    }
  }
}
