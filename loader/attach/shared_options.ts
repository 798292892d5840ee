/**
 * Checks options that all programs of an object share: each program gets those that its kind reads.
 *
 * @module
 */

import type { AttachSpec } from "../../object/section/attach_spec.ts";
import { attachError } from "./target/error.ts";
import { optionsOf } from "./kinds.ts";
import { givenOptions, unreadOption } from "./options.ts";

/** The part of a program that determines which options it reads. */
interface Reader {
  readonly name: string;
  readonly spec: { readonly attach: AttachSpec };
}

/** Programs of an object. */
export interface OptionReaders {
  /** Programs that are attached. */
  readonly attached: readonly Reader[];
  /** Programs that are not attached. */
  readonly leftOut: readonly Reader[];
}

/**
 * Refuses an option that no program reads.
 *
 * @throws {AttachError} EINVAL with the option, and the nearest option that a program reads or the program
 * left out that reads it.
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
      fix: `${reader.name} reads it and is attached only when named: ` +
        `attach({ programs: { ${reader.name}: { ${option} } } })`,
      data: { option, program: reader.name },
    });
  }
}

/** Returns those of the shared options that a program reads. */
export function optionsFor<Options extends object>(program: Reader, options: Options): Options {
  const read = optionsOf(program.spec.attach.kind);
  const entries = Object.entries(options).filter(([name]) => read.includes(name));
  return Object.fromEntries(entries) as Options;
}
