/**
 * One kind of hook: the options that it reads, and the function that attaches to it.
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

/** What a method is made of. */
export interface MethodParts<Kind extends HookName, Options extends object> {
  /** The kind. */
  readonly kind: Kind;
  /** Every option that it reads, and what each may be. */
  readonly options: Expectations<Options>;
  /** What the kernel has to have besides the hook, for this program. */
  readonly abilities?: ((program: AttachableProgram) => readonly AbilityName[]) | undefined;
  /**
   * Attaches a program.
   *
   * @param spec What the program's section says, where that is of this kind: options override it.
   */
  readonly attach: (
    program: AttachableProgram,
    options: Options,
    spec: AttachSpecOf<Kind> | undefined,
  ) => Link;
}

/** How programs attach to one kind of hook. */
export class AttachMethod<Kind extends HookName, Options extends object> {
  /** Every option that it reads, and what each may be. */
  readonly options: Expectations<Options>;
  /** Attaches without any check. */
  readonly run: MethodParts<Kind, Options>["attach"];
  readonly #kind: Kind;
  readonly #abilities: MethodParts<Kind, Options>["abilities"];

  /** Takes the parts. */
  constructor({ kind, options, abilities, attach }: MethodParts<Kind, Options>) {
    this.options = options;
    this.run = attach;
    this.#kind = kind;
    this.#abilities = abilities;
  }

  /**
   * Attaches a program.
   *
   * @throws AttachError for an option that the kind does not read and for a target that is missing or does
   * not exist; KernelError when the kernel refuses; DelegationError when it refuses for a reason that has
   * to do with privileges.
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

/** A kind whose programs are not attached one by one. */
export class Unattachable {
  /** It reads none. */
  readonly options: Expectations<object> = {};
  readonly #why: (program: AttachableProgram) => string;

  /** Takes what to say: why, and what is done instead. */
  constructor(why: (program: AttachableProgram) => string) {
    this.#why = why;
  }

  /** @throws AttachError always. */
  attach(program: AttachableProgram, _options: object): never {
    throw attachError(program.name, this.#why(program), { errno: "EOPNOTSUPP" });
  }
}

function isOf<Kind extends AttachKind>(spec: AttachSpec, kind: Kind): spec is AttachSpecOf<Kind> {
  return spec.kind === kind;
}

/** The error, or one that names the privilege that is missing. */
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
