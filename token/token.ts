/**
 * A BPF token: a descriptor for what a bpffs mount delegates.
 *
 * @module
 */

import type { Kernel } from "../kernel/kernel.ts";
import { Errno } from "../uapi/errno.ts";
import { check, KernelError } from "../errors/kernel_error.ts";
import { linuxKernel } from "../kernel/linux/linux.ts";
import { Delegation, type DelegationMasks, type DelegationWord } from "../plan/delegation.ts";
import { requestToken } from "./protocol/client.ts";
import { type DiscoverOptions, judgeMounts, type TokenCandidate } from "./discover.ts";
import { explainTokenCreation } from "./explain/creation.ts";
import { numbersOf } from "../uapi/architecture.ts";
import { structs, structSizes } from "../uapi/layouts.ts";
import { endOf } from "../uapi/fields.ts";

/** Options for creating a token. */
export interface TokenOptions {
  /**
   * The kernel to use.
   *
   * @default {undefined} the running kernel
   */
  readonly kernel?: Kernel | undefined;
}

/** Options of {@linkcode Token.fromBroker}. */
export interface BrokerRequestOptions extends TokenOptions {
  /**
   * The delegation to ask for.
   *
   * @default {undefined} everything that the policy grants
   */
  readonly need?: DelegationMasks | undefined;
  /** A label for the broker's audit log, at most 64 characters. */
  readonly label?: string | undefined;
  /**
   * Milliseconds to wait for the broker.
   *
   * @default {5000}
   */
  readonly timeout?: number | undefined;
}

/**
 * A BPF token (Linux 6.9): lets a process load maps, BTF and programs as its mount delegates, in place of
 * privileges.
 *
 * A token is inherited, {@linkcode Token.duplicate}d or sent over a socket, never reopened through /proc.
 * Disposal closes the descriptor; objects loaded with it stay.
 *
 * @example
 * ```ts ignore
 * using token = Token.open("/sys/fs/bpf");
 * console.log(token.info()?.toMountOptions());
 * const missing = token.allows(plan(spec).delegation);
 * ```
 */
export class Token implements Disposable {
  /** The origin: a path, or `descriptor N`. */
  readonly source: string;
  /** The kernel that created it. */
  readonly kernel: Kernel;
  /** Whether this process created it with BPF_TOKEN_CREATE; only then may its fdinfo be read. */
  readonly #fresh: boolean;
  #fd: number;
  #info: Delegation | null | undefined;

  private constructor(kernel: Kernel, fd: number, source: string, fresh: boolean) {
    this.kernel = kernel;
    this.#fd = fd;
    this.source = source;
    this.#fresh = fresh;
  }

  /**
   * Creates the token of the bpffs mounted at `path`, which may be `/proc/self/fd/N` for an open directory.
   *
   * @throws {DelegationError} with the unmet condition when the kernel refuses.
   */
  static open(path: string, options?: TokenOptions): Token {
    const made = Token.tryOpen(path, options);
    if (made instanceof Token) return made;
    throw made;
  }

  /** As {@linkcode open}, but returns the error instead of throwing it. */
  static tryOpen(path: string, options?: TokenOptions): Token | KernelError {
    const kernel = options?.kernel ?? linuxKernel();
    const directory = kernel.open(path, numbersOf(kernel.machine.machine).O_DIRECTORY);
    if (directory < 0) return explainTokenCreation(kernel, { path, openResult: directory });
    try {
      const fd = kernel.tokenCreate(directory);
      if (fd < 0) {
        return explainTokenCreation(kernel, { path, directoryFd: directory, result: fd });
      }
      return new Token(kernel, fd, path, true);
    } finally {
      kernel.close(directory);
    }
  }

  /**
   * Creates the token of the bpffs whose root directory is open as `directoryFd`; the caller keeps
   * ownership of it.
   *
   * A descriptor from fsmount(2) is O_PATH and is refused: open `.` relative to it.
   *
   * @throws {DelegationError} with the unmet condition when the kernel refuses.
   */
  static create(directoryFd: number, options?: TokenOptions): Token {
    const kernel = options?.kernel ?? linuxKernel();
    const fd = kernel.tokenCreate(directoryFd);
    if (fd >= 0) return new Token(kernel, fd, `descriptor ${directoryFd}`, true);
    throw explainTokenCreation(kernel, { directoryFd, result: fd });
  }

  /** Tries every bpffs mount of this process: see {@linkcode discoverTokens}. */
  static discover(options?: TokenOptions & DiscoverOptions): TokenCandidate[] {
    return discoverTokens(options?.kernel ?? linuxKernel(), options);
  }

  /**
   * Takes ownership of a token's descriptor that was inherited or received over a socket. `delegation` is
   * what the token allows, if the sender reported it: kernels before 6.17 do not.
   */
  static fromFd(
    fd: number,
    options: TokenOptions & {
      readonly delegation?: Delegation | undefined;
      readonly source?: string | undefined;
    } = {},
  ): Token {
    const { kernel = linuxKernel(), delegation, source = `descriptor ${fd}` } = options;
    const token = new Token(kernel, fd, source, false);
    kernel.takeOver(fd, "token");
    token.#info = delegation;
    return token;
  }

  /**
   * Requests a token from a broker, for `need` or for everything that its policy grants.
   *
   * Blocks this thread for at most `timeout` milliseconds.
   *
   * @throws {KernelError} with the broker's reason when it refuses, or when it cannot be reached.
   */
  static fromBroker(path: string, options: BrokerRequestOptions = {}): Token {
    const { kernel = linuxKernel() } = options;
    const { fd, delegation } = requestToken(kernel, path, options);
    return Token.fromFd(fd, { kernel, delegation, source: `broker ${path}` });
  }

  /** Whether this process created it, in its own user namespace. */
  get fresh(): boolean {
    return this.#fresh;
  }

  /** The descriptor; -1 after disposal. */
  get fd(): number {
    return this.#fd;
  }

  /**
   * Returns what the token allows: from the kernel's token info (Linux 6.17), or from the fdinfo of a token
   * that this process created. Undefined for an inherited token on an older kernel.
   */
  info(): Delegation | undefined {
    if (this.#info === undefined) this.#info = this.#read() ?? null;
    return this.#info ?? undefined;
  }

  /**
   * Returns the parts of `need` that the token lacks; none when it has all of them or when what it allows
   * is unknown.
   */
  allows(need: DelegationMasks): DelegationWord[] {
    return this.info()?.missing(need) ?? [];
  }

  /** Duplicates the descriptor; the duplicate is disposed of separately. */
  duplicate(): Token {
    const fd = check(this.kernel.dup(this.#fd), {
      doing: "duplicate",
      subject: `token of ${this.source}`,
      command: "fcntl",
      stage: "token",
    });
    const copy = new Token(this.kernel, fd, this.source, this.#fresh);
    copy.#info = this.#info;
    return copy;
  }

  /** Closes the descriptor. Programs and maps loaded with the token stay. */
  [Symbol.dispose](): void {
    if (this.#fd < 0) return;
    this.kernel.close(this.#fd);
    this.#fd = -1;
  }

  #read(): Delegation | undefined {
    if (this.#fd < 0) {
      throw new KernelError({
        doing: "read",
        subject: `token of ${this.source}`,
        command: "BPF_OBJ_GET_INFO_BY_FD",
        result: -Errno.EBADF,
        why: "it was disposed of",
        stage: "token",
      });
    }
    const { result, bytes } = this.kernel.objectInfo(this.#fd, structSizes.bpf_token_info);
    if (result >= 0 && bytes.length >= endOf(structs.bpf_token_info.allowed_attachs)) {
      return Delegation.fromInfo(bytes);
    }
    if (!this.#fresh) return undefined;
    const fdinfo = this.kernel.readFile(`/proc/self/fdinfo/${this.#fd}`, 4096);
    if (fdinfo.result < 0) return undefined;
    return Delegation.fromFdinfo(new TextDecoder().decode(fdinfo.bytes));
  }
}

/**
 * Tries every bpffs mount of this process, `/sys/fs/bpf` first, and reports whether each gives a token, and
 * why not. Leaves no descriptor open.
 */
export function discoverTokens(kernel: Kernel, options?: DiscoverOptions): TokenCandidate[] {
  return judgeMounts(kernel, (path) => Token.tryOpen(path, { kernel }), options);
}
