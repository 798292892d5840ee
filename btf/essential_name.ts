/**
 * The flavor rule of CO-RE: `task_struct___old` stands for `task_struct`.
 *
 * @module
 */

/**
 * The name without its flavor: what is before the last `___` that has other characters on both sides.
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
