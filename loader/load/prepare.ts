/**
 * Prepares a load: parses the object, opens the token, reads the user's BTF.
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

/** An object to load: a spec, the path or file URL of an object, or its bytes. */
export type ObjectInput = ObjectSpec | string | URL | Uint8Array;

/** Options of loading an object. */
export interface LoadOptions {
  /**
   * The kernel that loads it.
   *
   * @default the kernel that this process runs on
   */
  readonly kernel?: Kernel | undefined;
  /**
   * The token: a {@linkcode Token}, the path of a bpffs mount, `false` for none, or `"auto"`.
   *
   * `"auto"` tries, in this order: the path in `LIBBPF_BPF_TOKEN_PATH` (an empty value means none); bpffs mounts
   * that delegate, `/sys/fs/bpf` first, preferring one that delegates all that the object needs; in a user
   * namespace, the broker at `/run/skep/broker.sock`; no token.
   *
   * @default "auto"
   */
  readonly token?: TokenOption | undefined;
  /**
   * With a token: whether programs that attach through perf_event_open, which takes no token, are loaded in a
   * form that a token can attach (a kprobe as kprobe.multi), and refused before anything is loaded if there is
   * none. Use `"never"` if a more privileged process attaches the programs.
   *
   * @default "for-token"
   */
  readonly rewrite?: Rewrite | undefined;
  /**
   * When the verifier's log is requested; `"errors"` loads a refused program a second time, with a log.
   *
   * @default "errors"
   */
  readonly logLevel?: LogLevel | undefined;
  /**
   * Whether a refused program ends the load, or its error is collected in `outcomes` and the others are loaded.
   *
   * @default "throw"
   */
  readonly onError?: "throw" | "collect" | undefined;
  /**
   * BTF, or the path of a BTF or ELF file, that CO-RE relocations are resolved against instead of the kernel's
   * BTF.
   */
  readonly kernelBtf?: string | URL | Btf | undefined;
  /** Kernel configuration for `.kconfig` externs, one option per line (`CONFIG_HZ=250`); overrides the system's. */
  readonly kconfig?: string | undefined;
  /**
   * Directory that holds the pins of maps that pin by name.
   *
   * @default "/sys/fs/bpf"
   */
  readonly pinRoot?: string | undefined;
  /**
   * How many programs are loaded concurrently.
   *
   * @default the number of online CPUs, at most 8
   */
  readonly jobs?: number | undefined;
  /** Aborts the load before its next step or program; everything that it created is closed or unpinned. */
  readonly signal?: AbortSignal | undefined;
}

/** A prepared load. */
export interface Prepared {
  /** State that the steps share. */
  readonly state: LoadContext;
  /** The token in use; undefined to load without one. */
  readonly token: Token | undefined;
  /** How the token was chosen, or why there is none, in one line. */
  readonly tokenChoice: string;
}

/**
 * Prepares a load: reads and parses its inputs, then does what {@linkcode prepareSpec} does.
 *
 * @throws {SkepError} when a file cannot be read or parsed, a pin name is refused, or the token cannot be opened.
 */
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

/**
 * Prepares the load of a parsed object: checks its pin names and chooses the token. Synchronous. A token that it
 * opens is closed by `stack`.
 *
 * @throws {SkepError} EINVAL for a pin name that is refused.
 * @throws {DelegationError} when a requested token cannot be opened.
 */
export function prepareSpec(
  spec: ObjectSpec,
  customBtf: Btf | undefined,
  options: LoadOptions,
  stack: DisposableStack,
): Prepared {
  // Before any system call: a map's name in the object must not choose a path.
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

/** Delegations that an object needs, planned on first use: loads without a delegating mount skip the plan. */
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

/**
 * Reads and parses an object file.
 *
 * @throws {SkepError} when the file cannot be read; {@linkcode readUserFile} lists the errnos.
 * @throws {ElfError | BtfError | ObjectError} when the object is malformed.
 */
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

/** Reads the user's BTF: raw, or from the `.BTF` section of an ELF file. */
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
    why: "it has no .BTF section",
  });
}
