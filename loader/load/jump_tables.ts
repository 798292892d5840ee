/**
 * Creates jump tables: one BPF_MAP_TYPE_INSN_ARRAY map per program and table (Linux 6.19).
 *
 * @module
 */

import { MapType } from "../../uapi/enums.ts";
import type { Reference, RelocatedProgram } from "../../object/spec/spec.ts";
import { Descriptor } from "../../kernel/descriptor.ts";
import type { LoadContext } from "./load_context.ts";

/** Size in bytes of `struct bpf_insn_array_value`: `orig_off`, then fields that the kernel fills in. */
const VALUE_SIZE = 16;

/** A reference to a jump table. */
export type JumpTableReference = Extract<Reference, { readonly kind: "jumptable" }>;

/** The jump tables of one load. */
export class JumpTables {
  readonly #state: LoadContext;
  readonly #owned: DisposableStack;
  readonly #open = new Map<string, number>();

  /** Creates an empty set. Maps that it creates are closed by `owned`. */
  constructor(state: LoadContext, owned: DisposableStack) {
    this.#state = state;
    this.#owned = owned;
  }

  /**
   * Returns the descriptor of a program's table, creating, filling and freezing the map on first use.
   *
   * @throws {SkepError} when the kernel refuses the map.
   */
  open(linked: RelocatedProgram, reference: JumpTableReference): number {
    const key = `${reference.symbolOffset} ${linked.program.name}`;
    let fd = this.#open.get(key);
    if (fd === undefined) this.#open.set(key, fd = this.#make(linked, reference.targets));
    return fd;
  }

  #make(linked: RelocatedProgram, targets: readonly number[]): number {
    const { kernel, tokenFd } = this.#state;
    const shape = { keySize: 4, valueSize: VALUE_SIZE, maxEntries: targets.length };
    const subject = `.jumptables of program ${linked.program.name}`;
    const done = (result: number, doing: string, command: string): number => {
      if (result >= 0) return result;
      throw this.#state.refused({ doing, subject, command, result, stage: "map" }, {
        kind: "map",
        map: { type: "insn_array", ...shape, flags: 0 },
      });
    };
    const fd = done(
      kernel.mapCreate({
        type: MapType.insn_array,
        ...shape,
        name: ".jumptables",
        tokenFd,
      }),
      "create map",
      "BPF_MAP_CREATE",
    );
    const descriptor = this.#owned.use(new Descriptor(kernel, fd));
    using elements = kernel.mapElements(descriptor.fd, 4, VALUE_SIZE);
    const key = new DataView(elements.key.buffer, elements.key.byteOffset);
    const value = new DataView(elements.value.buffer, elements.value.byteOffset);
    for (const [index, target] of targets.entries()) {
      key.setUint32(0, index, true);
      value.setUint32(0, target, true);
      done(elements.update(), "fill map", "BPF_MAP_UPDATE_ELEM");
    }
    done(kernel.mapFreeze(fd), "freeze map", "BPF_MAP_FREEZE");
    return fd;
  }
}
