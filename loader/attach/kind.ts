/**
 * Attaches to one kind of hook: checks the options, runs the attach function and explains refusals.
 *
 * @module
 */

import { Errno } from "../../uapi/errno.ts";
import { AttachType } from "../../uapi/enums.ts";
import { KernelError } from "../../errors/kernel_error.ts";
import type { AttachKind, AttachSpec, AttachSpecOf } from "../../object/section/attach_spec.ts";
import { explainRefusal } from "../../token/explain/refusal.ts";
import { explainUnavailable } from "../features/availability.ts";
import type { AbilityName, HookName } from "../features/requirements.ts";
import { type AttachableProgram, loadedFor } from "./attachable.ts";
import { attachError } from "./target/error.ts";
import type { Link } from "./link.ts";
import { checkOptions, type Expectations } from "./options.ts";

/** Constructor arguments of {@linkcode AttachMethod}. */
export interface MethodParts<Kind extends HookName, Options extends object> {
  /** The kind. */
  readonly kind: Kind;
  /** Every option that the kind reads, with its accepted values. */
  readonly options: Expectations<Options>;
  /** Kernel features that this program needs besides the hook. */
  readonly abilities?: ((program: AttachableProgram) => readonly AbilityName[]) | undefined;
  /**
   * Attaches a program.
   *
   * @param spec The program's attach spec, if it is of this kind. Options override it.
   */
  readonly attach: (
    program: AttachableProgram,
    options: Options,
    spec: AttachSpecOf<Kind> | undefined,
  ) => Link;
}

/** Attach method of one kind of hook. */
export class AttachMethod<Kind extends HookName, Options extends object> {
  /** Every option that the kind reads, with its accepted values. */
  readonly options: Expectations<Options>;
  /** Attaches without checking options or explaining refusals. */
  readonly run: MethodParts<Kind, Options>["attach"];
  readonly #kind: Kind;
  readonly #abilities: MethodParts<Kind, Options>["abilities"];

  /** Creates the method from its parts. */
  constructor({ kind, options, abilities, attach }: MethodParts<Kind, Options>) {
    this.options = options;
    this.run = attach;
    this.#kind = kind;
    this.#abilities = abilities;
  }

  /**
   * Attaches a program.
   *
   * @throws {AttachError} when an option is not one of this kind's, or the target is missing or does not
   * exist.
   * @throws {KernelError} when the kernel refuses.
   * @throws {DelegationError} when it refuses because a privilege is missing.
   */
  attach(program: AttachableProgram, options: object): Link {
    const kind = this.#kind;
    const given = checkOptions(program.name, kind, this.options, options);
    const { attach: written, section } = program.spec;
    const spec = isOf(written, kind) ? written : undefined;
    if (spec?.problem !== undefined) {
      throw attachError(program.name, spec.problem, { errno: "EINVAL", data: { section } });
    }
    try {
      return this.run(program, given, spec);
    } catch (error) {
      const needed = [
        ["hook", kind] as const,
        ...(this.#abilities?.(program) ?? []).map((name) => ["ability", name] as const),
      ];
      throw explained(program, explainUnavailable(program.kernel, error, needed) ?? error);
    }
  }
}

/** A kind whose programs cannot be attached individually. */
export class Unattachable {
  /** No options. */
  readonly options: Expectations<object> = {};
  readonly #why: (program: AttachableProgram) => string;

  /** Creates the kind with a function that returns why, and what to do instead. */
  constructor(why: (program: AttachableProgram) => string) {
    this.#why = why;
  }

  /** @throws {AttachError} EOPNOTSUPP, always. */
  attach(program: AttachableProgram, _options: object): never {
    throw attachError(program.name, this.#why(program), { errno: "EOPNOTSUPP" });
  }
}

function isOf<Kind extends AttachKind>(spec: AttachSpec, kind: Kind): spec is AttachSpecOf<Kind> {
  return spec.kind === kind;
}

/** Returns a DelegationError that names the missing privilege, or the error unchanged. */
function explained(program: AttachableProgram, error: unknown): unknown {
  if (!(error instanceof KernelError)) return error;
  if (error.number !== Errno.EPERM && error.number !== Errno.EACCES) return error;
  const { type, section } = program.spec;
  const attachType = loadedFor(program);
  return explainRefusal(program.kernel, {
    command: error.command,
    doing: error.doing,
    subject: error.subject,
    result: -error.number,
    program: {
      type,
      section,
      attachType: attachType === undefined ? 0 : AttachType[attachType],
    },
  }) ?? error;
}
