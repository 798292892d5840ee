/**
 * The flavor rule of CO-RE: `task_struct___old` is a flavor of `task_struct`.
 *
 * @module
 */

/**
 * Returns a name without its flavor: the part before the last `___` with other characters on both sides.
 *
 * Corresponds to libbpf's `bpf_core_essential_name_len`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { essentialName } from "@skep/skep/btf";
 *
 * assertEquals(essentialName("task_struct___old"), "task_struct");
 * assertEquals(essentialName("___hidden"), "___hidden");
 * ```
 */
export function essentialName(name: string): string {
  let at = name.lastIndexOf("___");
  while (at > 0) {
    const after = at + 3;
    if (after < name.length && name[at - 1] !== "_" && name[after] !== "_") {
      return name.slice(0, at);
    }
    at = name.lastIndexOf("___", at - 1);
  }
  return name;
}
