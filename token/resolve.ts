/**
 * Chooses the token of a load: the rule of `token: "auto"`.
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

/** Milliseconds to wait for a broker that was not named by the user. */
const BROKER_TIMEOUT = 2000;

/** libbpf's variable: a path makes the token mandatory, an empty value disables tokens. */
export const TOKEN_PATH_VARIABLE = "LIBBPF_BPF_TOKEN_PATH";

/** The `token` option of a load: see {@linkcode resolveToken}. */
export type TokenOption = "auto" | string | Token | false;

/** Looks up environment variables; `Deno.env` implements it. */
export interface Environment {
  /** Returns the value; undefined when it is not set. */
  get(name: string): string | undefined;
}

/** The token that a load uses, if any. */
export interface ResolvedToken {
  /** The token; undefined to load without one. */
  readonly token: Token | undefined;
  /** Whether the loader opened it and so closes it. */
  readonly owned: boolean;
  /** Whether the user asked for it: a load without it is then an error. */
  readonly mandatory: boolean;
  /** How it was chosen, or why there is none, in one line. */
  readonly how: string;
  /** The refusals of the mounts that gave no token. */
  readonly refusals: readonly KernelError[];
}

/**
 * Chooses the token of a load.
 *
 * - a {@linkcode Token}: that token; the caller keeps ownership;
 * - a path: the token of the bpffs mounted there, or an error; an empty path means `false`, as for libbpf;
 * - `false`: none;
 * - `"auto"` or undefined: the path in `LIBBPF_BPF_TOKEN_PATH` (then mandatory; empty means none); else
 *   every bpffs mount that delegates, `/sys/fs/bpf` first, preferring one whose delegation covers `need`;
 *   else, in a user namespace, the broker at `/run/skep/broker.sock`; else none.
 *
 * @throws {DelegationError} when a token was asked for and cannot be created.
 */
export function resolveToken(
  kernel: Kernel,
  option: TokenOption | undefined,
  environment: Environment = processEnvironment(kernel),
  need?: DelegationMasks,
): ResolvedToken {
  if (option instanceof Token) return found(option, false, true, "the token that was passed");
  if (option === false) return none("switched off");
  if (option !== undefined && option !== "auto") {
    if (option === "") return none("switched off by an empty path");
    return found(Token.open(option, { kernel }), true, true, `the path that was passed, ${option}`);
  }
  const path = environment.get(TOKEN_PATH_VARIABLE);
  if (path === "") return none(`switched off by an empty ${TOKEN_PATH_VARIABLE}`);
  if (path !== undefined) {
    return found(Token.open(path, { kernel }), true, true, `${TOKEN_PATH_VARIABLE}=${path}`);
  }
  return findToken(kernel, need);
}

/** Tries the mounts, then the broker. */
function findToken(kernel: Kernel, need: DelegationMasks | undefined): ResolvedToken {
  const refusals: KernelError[] = [];
  let second: { token: Token; mount: BpffsMount } | undefined;
  const mounts = bpffsMounts(kernel);
  for (const mount of mounts) {
    // A mount that delegates nothing gives no token.
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
    const how = `the mount at ${second.mount.path}, which does not delegate everything needed`;
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

/** Returns the broker's token or its refusal; undefined when there is no broker or it cannot help. */
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
 * Returns the environment of this process: `Deno.env` where permitted, else /proc/self/environ, so that
 * `--allow-ffi` suffices.
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
