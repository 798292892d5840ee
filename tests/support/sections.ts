/**
 * The known sections, for tests that iterate over all of them.
 *
 * @module
 */

import { knownEntries } from "../../object/section/table.ts";

/** Returns every section name, with a trailing `+` where a `/target` may follow. */
export function knownSections(): string[] {
  return knownEntries.map(({ name, open }) => open ? `${name}+` : name);
}
