/**
 * What a load needs before its first step: the spec, the kernel, the token, the user's BTF.
 *
 * @module
 */

import { checkPinNames } from "./pin_names.ts";
import { Btf } from "../../btf/btf.ts";
import { SkepError } from "../../errors/skep_error.ts";
import { ElfFile } from "../../elf/elf.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import { linuxKernel } from "../../kernel/linux/linux.ts";
import { ObjectSpec } from "../../object/object_spec.ts";
import type { DelegationMasks } from "../../plan/delegation.ts";
import { plan } from "../../plan/plan.ts";
import { resolveToken, type TokenOption } from "../../token/resolve.ts";
import type { Rewrite } from "../../plan/attach_decision.ts";
import type { Token } from "../../token/token.ts";
import { explainRefused } from "../features/refusals.ts";
import type { LoadContext, LogLevel } from "./load_context.ts";
import { readUserFile } from "./user_file.ts";

/** What can be loaded: a spec, a path, or bytes. */
export type ObjectInput = ObjectSpec | string | URL | Uint8Array;

/** How an object is loaded. */
export interface LoadOptions {
  /** The kernel; default is the one that this process runs on. */
  readonly kernel?: Kernel | undefined;
  /**
   * The token: a path, a {@linkcode Token}, `false` for none, or `"auto"` (the default): what
   * `LIBBPF_BPF_TOKEN_PATH` names, else the first mount that delegates, else none.
   */
  readonly token?: TokenOption | undefined;
  /**
   * With a token: whether programs that attach through perf_event_open, which no token opens, are loaded in
   * a form that a token can attach (a kprobe as kprobe.multi), or refused before anything is loaded when
   * there is none. Default `"for-token"`; `"never"` when somebody else attaches them.
   */
  readonly rewrite?: Rewrite | undefined;
  /** When the verifier's log is asked for; default `"errors"`: a second time when a program is refused. */
  readonly logLevel?: LogLevel | undefined;
  /** Whether a refused program ends the load (the default), or is kept in `outcomes` beside those that loaded. */
  readonly onError?: "throw" | "collect" | undefined;
  /** A BTF file, or BTF, that CO-RE is resolved against instead of the kernel's. */
  readonly kernelBtf?: string | URL | Btf | undefined;
  /** Options of the kernel's configuration (`CONFIG_HZ=250`, one a line) that come before those of the system. */
  readonly kconfig?: string | undefined;
  /** Where maps that pin by name are pinned; default `/sys/fs/bpf`. */
  readonly pinRoot?: string | undefined;
  /** How many programs are verified at once; default is the number of CPUs, at most eight. */
  readonly jobs?: number | undefined;
  /** Ends the load: nothing stays loaded. */
  readonly signal?: AbortSignal | undefined;
}

/** What a load starts with. */
export interface Prepared {
  /** What the steps share. */
  readonly state: LoadContext;
  /** The token in use. */
  readonly token: Token | undefined;
  /** How the token was chosen, or why there is none. */
  readonly tokenChoice: string;
}

/** Prepares a load. The token that it opens is closed by `stack`. */
export async function prepare(
  input: ObjectInput,
  options: LoadOptions,
  stack: DisposableStack,
): Promise<Prepared> {
  const spec = input instanceof ObjectSpec ? input : await openObject(input);
  const customBtf = options.kernelBtf === undefined
    ? undefined
    : await customTypes(options.kernelBtf);
  return prepareSpec(spec, customBtf, options, stack);
}

/** As {@linkcode prepare}, for a spec that is there already: without waiting. */
export function prepareSpec(
  spec: ObjectSpec,
  customBtf: Btf | undefined,
  options: LoadOptions,
  stack: DisposableStack,
): Prepared {
  // Before any system call: nothing of the object may be a path that its author chose.
  checkPinNames(spec);
  const kernel = options.kernel ?? linuxKernel();
  const { token, owned, how } = resolveToken(
    kernel,
    options.token,
    undefined,
    new LazyNeed(spec),
  );
  if (owned && token !== undefined) stack.use(token);
  const state: LoadContext = {
    spec,
    kernel,
    tokenFd: token?.fd,
    customBtf,
    pinRoot: options.pinRoot ?? "/sys/fs/bpf",
    kconfig: options.kconfig,
    logLevel: options.logLevel ?? "errors",
    wholeLog: true,
    refused: (facts, subject) => explainRefused(kernel, token, facts, subject),
  };
  return { state, token, tokenChoice: how };
}

/** What an object needs of a token, worked out when a mount is looked at: a load without one never pays. */
class LazyNeed implements DelegationMasks {
  readonly #spec: ObjectSpec;
  #plan: DelegationMasks | undefined;

  constructor(spec: ObjectSpec) {
    this.#spec = spec;
  }

  get #masks(): DelegationMasks {
    return this.#plan ??= plan(this.#spec).delegation;
  }

  get commands(): bigint {
    return this.#masks.commands;
  }

  get maps(): bigint {
    return this.#masks.maps;
  }

  get programs(): bigint {
    return this.#masks.programs;
  }

  get attachments(): bigint {
    return this.#masks.attachments;
  }
}

/** Reads an object file and parses it. Throws an `ElfError`, `BtfError` or `ObjectError`. */
export async function openObject(
  input: string | URL | Uint8Array,
  options: {
    readonly name?: string | undefined;
    readonly legacyMaps?: boolean | undefined;
    readonly relaxedMaps?: boolean | undefined;
  } = {},
): Promise<ObjectSpec> {
  if (input instanceof Uint8Array) return ObjectSpec.parse(input, options);
  const name = options.name ?? (input instanceof URL ? input.pathname : input);
  return ObjectSpec.parse(await readUserFile(input, "open"), { ...options, name });
}

/** The user's BTF: raw, or in the `.BTF` section of an ELF file. */
async function customTypes(input: string | URL | Btf): Promise<Btf> {
  if (input instanceof Btf) return input;
  const bytes = await readUserFile(input, "read types of");
  const name = String(input);
  if (bytes[0] !== 0x7f) return Btf.parse(bytes, { name });
  const section = ElfFile.parse(bytes, name).section(".BTF");
  if (section !== undefined) return Btf.parse(section.data, { name });
  throw new SkepError({
    doing: "read types of",
    subject: name,
    errno: "ENOENT",
    stage: "btf",
    why: "it has no section .BTF",
  });
}
