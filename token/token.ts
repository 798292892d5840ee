/**
 * A BPF token: a descriptor that stands for what a bpffs mount delegates.
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

/** How a token is made. */
export interface TokenOptions {
  /** The kernel to speak to; default this machine's. */
  readonly kernel?: Kernel | undefined;
}

/** How a broker is asked. */
export interface BrokerRequestOptions extends TokenOptions {
  /** The words; without them, all that the policy gives. */
  readonly need?: DelegationMasks | undefined;
  /** What the broker's audit log is to show; at most 64 characters. */
  readonly label?: string | undefined;
  /** Milliseconds; default 5000. */
  readonly timeout?: number | undefined;
}

/**
 * A BPF token (Linux 6.9): what a process shows to load maps, BTF and programs with the words that its
 * mount delegates, instead of with privileges.
 *
 * It is never opened again through /proc: it is inherited, {@linkcode Token.duplicate}d, or sent over
 * a socket. Disposing it closes the descriptor; what was loaded with it stays.
 *
 * @example
 * ```ts ignore
 * using token = Token.open("/sys/fs/bpf");
 * console.log(token.info()?.toMountOptions());
 * const missing = token.allows(plan(spec).delegation);
 * ```
 */
export class Token implements Disposable {
  /** Where it is from: a path, or `descriptor N`. */
  readonly source: string;
  /** The kernel that it was made by. */
  readonly kernel: Kernel;
  /** Whether this process made it by BPF_TOKEN_CREATE: only then may its fdinfo be read. */
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
   * Throws a {@linkcode DelegationError} that says which of the kernel's conditions is not met.
   */
  static open(path: string, options?: TokenOptions): Token {
    const made = Token.tryOpen(path, options);
    if (made instanceof Token) return made;
    throw made;
  }

  /** As {@linkcode open}, with the error as the answer instead of thrown. */
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
   * Creates the token of the bpffs whose root directory is open as `directoryFd`, which stays the caller's.
   *
   * A descriptor straight from fsmount(2) is O_PATH and does not do: open `.` relative to it.
   */
  static create(directoryFd: number, options?: TokenOptions): Token {
    const kernel = options?.kernel ?? linuxKernel();
    const fd = kernel.tokenCreate(directoryFd);
    if (fd >= 0) return new Token(kernel, fd, `descriptor ${directoryFd}`, true);
    throw explainTokenCreation(kernel, { directoryFd, result: fd });
  }

  /** Every bpffs mount that this process sees, with a verdict on each: see {@linkcode discoverTokens}. */
  static discover(options?: TokenOptions & DiscoverOptions): TokenCandidate[] {
    return discoverTokens(options?.kernel ?? linuxKernel(), options);
  }

  /**
   * Takes over a token's descriptor that was inherited or received over a socket. `delegation` is what it
   * allows, where who sent it has told: kernels before 6.17 do not.
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
   * Asks a broker for a token: for the words of `need`, or for all that its policy gives.
   *
   * Waits at most `timeout` milliseconds (default 5000), on this thread. Throws a {@linkcode KernelError} that
   * says what the broker said.
   */
  static fromBroker(path: string, options: BrokerRequestOptions = {}): Token {
    const { kernel = linuxKernel() } = options;
    const { fd, delegation } = requestToken(kernel, path, options);
    return Token.fromFd(fd, { kernel, delegation, source: `broker ${path}` });
  }

  /** Whether this process made it, in its own user namespace. */
  get fresh(): boolean {
    return this.#fresh;
  }

  /** The descriptor; -1 after disposal. */
  get fd(): number {
    return this.#fd;
  }

  /**
   * What it allows: from the kernel's token info (Linux 6.17), before that from the fdinfo of a token
   * that this process made. Undefined where neither tells: an inherited token on an older kernel.
   */
  info(): Delegation | undefined {
    if (this.#info === undefined) this.#info = this.#read() ?? null;
    return this.#info ?? undefined;
  }

  /** The words of `need` that it lacks; none when it has them all or when the kernel does not tell. */
  allows(need: DelegationMasks): DelegationWord[] {
    return this.info()?.missing(need) ?? [];
  }

  /** A second descriptor of the same token, with its own life. */
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

  /** Closes the descriptor. Programs and maps that were loaded with it stay. */
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
 * Tries every bpffs mount that this process sees, `/sys/fs/bpf` first, and reports for each whether it
 * gives a token and if not, why. Leaves nothing open.
 */
export function discoverTokens(kernel: Kernel, options?: DiscoverOptions): TokenCandidate[] {
  return judgeMounts(kernel, (path) => Token.tryOpen(path, { kernel }), options);
}
