/**
 * The sections that are known, for tests that go over all of them.
 *
 * @module
 */

import { knownEntries } from "../../object/section/table.ts";

/** Every section name, with a closing `+` where a `/target` may follow. */
export function knownSections(): string[] {
  return knownEntries.map(({ name, open }) => open ? `${name}+` : name);
}
