/**
 * Tries to create and to use a token in a user namespace nested in the sandbox's.
 *
 * @module
 */

import { linuxKernel } from "../../kernel/linux/linux.ts";
import { DelegationError, explainRefusal, Token } from "../../token/mod.ts";
import { F_SETFD } from "../../uapi/files.ts";
import { systemCalls } from "../../kernel/linux/ffi/syscalls.ts";

/** Answers of the process in the nested namespace. */
export interface NestedAnswers {
  /** True when unshare(1) is not installed and no nested namespace can be created. */
  readonly missing?: true | undefined;
  /** Errno and reason why the bpffs gives no token. */
  readonly create?: string | undefined;
  /** Errno and reason why the inherited token is refused. */
  readonly use?: string | undefined;
}

/** Creates a token, and a process in a nested namespace that inherits it. */
export async function nest(): Promise<NestedAnswers> {
  const kernel = linuxKernel();
  using token = Token.open("/sys/fs/bpf", { kernel });
  // Clears close-on-exec, so that the process inherits the token.
  kernel.call(systemCalls.fcntl, token.fd, F_SETFD, 0);
  const code = `import { below } from ${JSON.stringify(import.meta.url)};
    console.log(JSON.stringify(below(${token.fd})));`;
  try {
    const { stdout } = await new Deno.Command("unshare", {
      // Mapping root would take CAP_SETFCAP in the parent namespace (verify_root_map() in kernel/user_namespace.c).
      args: ["--user", "--keep-caps", Deno.execPath(), "eval", "--quiet", code],
      stderr: "inherit",
    }).output();
    return JSON.parse(new TextDecoder().decode(stdout));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return { missing: true };
    throw error;
  }
}

/** Creates and uses a token in the nested namespace. */
export function below(tokenFd: number): NestedAnswers {
  const kernel = linuxKernel();
  const made = Token.tryOpen("/sys/fs/bpf", { kernel });
  const token = Token.fromFd(tokenFd, { kernel });
  const map = { type: 1, keySize: 4, valueSize: 4, maxEntries: 1 };
  const result = kernel.mapCreate({ ...map, tokenFd });
  const refusal = explainRefusal(kernel, {
    command: "BPF_MAP_CREATE",
    doing: "create map",
    subject: "x",
    result,
    token,
    map,
  });
  return {
    create: made instanceof DelegationError ? `${made.errno} ${made.reason}` : "made",
    use: refusal === undefined ? `${result}` : `${refusal.errno} ${refusal.reason}`,
  };
}
