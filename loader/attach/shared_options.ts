/**
 * Options for all programs of an object: each program takes those that its kind reads.
 *
 * @module
 */

import type { AttachSpec } from "../../object/section/attach_spec.ts";
import { attachError } from "./target/error.ts";
import { optionsOf } from "./kinds.ts";
import { givenOptions, unreadOption } from "./options.ts";

/** What of a program says which options it reads. */
interface Reader {
  readonly name: string;
  readonly spec: { readonly attach: AttachSpec };
}

/** The programs of an object. */
export interface OptionReaders {
  /** Those that are attached. */
  readonly attached: readonly Reader[];
  /** Those that are not. */
  readonly leftOut: readonly Reader[];
}

/**
 * Refuses an option that no program reads.
 *
 * @throws AttachError with the option and the nearest that a program reads.
 */
export function checkSharedOptions(
  object: string,
  { attached, leftOut }: OptionReaders,
  options: object,
): void {
  const read: { [option: string]: true } = {};
  for (const { spec } of attached) {
    for (const name of optionsOf(spec.attach.kind)) read[name] = true;
  }
  for (const option of givenOptions(options)) {
    if (Object.hasOwn(read, option)) continue;
    const reader = leftOut.find(({ spec }) => optionsOf(spec.attach.kind).includes(option));
    if (reader === undefined) throw unreadOption(object, "the programs attached", option, read);
    throw attachError(object, `the programs attached read no option "${option}"`, {
      errno: "EINVAL",
      fix: `${reader.name} reads it, and is attached only by its name: ` +
        `attach({ programs: { ${reader.name}: { ${option} } } })`,
      data: { option, program: reader.name },
    });
  }
}

/** Of options for all programs, those that one reads. */
export function optionsFor<Options extends object>(program: Reader, options: Options): Options {
  const read = optionsOf(program.spec.attach.kind);
  const entries = Object.entries(options).filter(([name]) => read.includes(name));
  return Object.fromEntries(entries) as Options;
}
