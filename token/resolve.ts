/**
 * Which token a load uses: the rule of `token: "auto"`.
 *
 * @module
 */

import type { Kernel } from "../kernel/kernel.ts";
import { KernelError } from "../errors/kernel_error.ts";
import { DEFAULT_BROKER } from "./protocol/client.ts";
import { processFacts } from "./facts/process.ts";
import type { DelegationMasks } from "../plan/delegation.ts";
import { type BpffsMount, bpffsMounts } from "./facts/mounts.ts";
import { Token } from "./token.ts";

/** Milliseconds that a load waits for a broker that nobody named. */
const BROKER_TIMEOUT = 2000;

/** libbpf's variable: a path makes the token mandatory, the empty text switches tokens off. */
export const TOKEN_PATH_VARIABLE = "LIBBPF_BPF_TOKEN_PATH";

/** What a caller says about the token: see {@linkcode resolveToken}. */
export type TokenOption = "auto" | string | Token | false;

/** Where environment variables are looked up; `Deno.env` is one. */
export interface Environment {
  /** The value, or undefined when it is not set. */
  get(name: string): string | undefined;
}

/** The token that a load uses, if any. */
export interface ResolvedToken {
  /** The token, or undefined to load without one. */
  readonly token: Token | undefined;
  /** Whether the loader opened it, and so closes it. */
  readonly owned: boolean;
  /** Whether the user asked for it: then there is no load without it. */
  readonly mandatory: boolean;
  /** How it was chosen, or why there is none: one line for people. */
  readonly how: string;
  /** What the mounts that were tried in vain answered. */
  readonly refusals: readonly KernelError[];
}

/**
 * Chooses the token by one rule.
 *
 * - a {@linkcode Token}: that one; it stays the caller's;
 * - a path: the bpffs mounted there, or the error; the empty text is `false`, as for libbpf;
 * - `false`: none;
 * - `"auto"` or nothing: the path in `LIBBPF_BPF_TOKEN_PATH` (then mandatory; empty means none); else
 *   every bpffs mount that delegates, `/sys/fs/bpf` first, preferring one whose words cover `need`;
 *   else, in a user namespace, the broker at `/run/skep/broker.sock`; else none.
 *
 * Throws a {@linkcode DelegationError} when a token was asked for and cannot be had.
 */
export function resolveToken(
  kernel: Kernel,
  option: TokenOption | undefined,
  environment: Environment = processEnvironment(kernel),
  need?: DelegationMasks,
): ResolvedToken {
  if (option instanceof Token) return found(option, false, true, "the token that was given");
  if (option === false) return none("switched off");
  if (option !== undefined && option !== "auto") {
    if (option === "") return none("switched off by an empty path");
    return found(Token.open(option, { kernel }), true, true, `the path that was given, ${option}`);
  }
  const path = environment.get(TOKEN_PATH_VARIABLE);
  if (path === "") return none(`switched off by an empty ${TOKEN_PATH_VARIABLE}`);
  if (path !== undefined) {
    return found(Token.open(path, { kernel }), true, true, `${TOKEN_PATH_VARIABLE}=${path}`);
  }
  return findToken(kernel, need);
}

/** The part of the rule that looks at mounts. */
function findToken(kernel: Kernel, need: DelegationMasks | undefined): ResolvedToken {
  const refusals: KernelError[] = [];
  let second: { token: Token; mount: BpffsMount } | undefined;
  const mounts = bpffsMounts(kernel);
  for (const mount of mounts) {
    // Nothing is gained by asking the kernel for a token of a mount that delegates nothing.
    if (mount.delegation?.empty === true) continue;
    const made = Token.tryOpen(mount.path, { kernel });
    if (!(made instanceof Token)) {
      refusals.push(made);
    } else if (need === undefined || made.allows(need).length === 0) {
      second?.token[Symbol.dispose]();
      return { ...found(made, true, false, `the mount at ${mount.path}`), refusals };
    } else if (second === undefined) {
      second = { token: made, mount };
    } else {
      made[Symbol.dispose]();
    }
  }
  if (second !== undefined) {
    const how = `the mount at ${second.mount.path}, which lacks words`;
    return { ...found(second.token, true, false, how), refusals };
  }
  const brokered = askBroker(kernel, need);
  if (brokered instanceof Token) {
    return { ...found(brokered, true, false, `the broker at ${DEFAULT_BROKER}`), refusals };
  }
  if (brokered !== undefined) refusals.push(brokered);
  const why = mounts.length === 0
    ? "no BPF file system is mounted"
    : refusals.length === 0
    ? "no mount delegates anything"
    : "no mount gives this process a token";
  return { ...none(why), refusals };
}

/** The broker's token, or its refusal; undefined where there is no broker or it cannot help. */
function askBroker(
  kernel: Kernel,
  need: DelegationMasks | undefined,
): Token | KernelError | undefined {
  if (kernel.stat(DEFAULT_BROKER).result < 0) return undefined;
  if (processFacts(kernel).initialUserNamespace !== false) return undefined;
  try {
    const timeout = BROKER_TIMEOUT;
    return Token.fromBroker(DEFAULT_BROKER, {
      kernel,
      timeout,
      need,
    });
  } catch (error) {
    if (error instanceof KernelError) return error;
    throw error;
  }
}

function found(token: Token, owned: boolean, mandatory: boolean, how: string): ResolvedToken {
  return { token, owned, mandatory, how, refusals: [] };
}

function none(how: string): ResolvedToken {
  return { token: undefined, owned: false, mandatory: false, how, refusals: [] };
}

/**
 * The environment of this process: `Deno.env` where it may be read, else what /proc/self/environ says,
 * so that `--allow-ffi` is enough.
 */
export function processEnvironment(kernel: Kernel): Environment {
  return {
    get(name: string): string | undefined {
      const permission = Deno.permissions.querySync({ name: "env", variable: name });
      if (permission.state === "granted") return Deno.env.get(name);
      const { result, bytes } = kernel.readFile("/proc/self/environ");
      if (result < 0) return undefined;
      const prefix = `${name}=`;
      return new TextDecoder().decode(bytes).split("\0")
        .find((entry) => entry.startsWith(prefix))?.slice(prefix.length);
    },
  };
}
