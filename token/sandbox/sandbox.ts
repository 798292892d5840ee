/**
 * A command in a user namespace that holds exactly the delegation it needs.
 *
 * @module
 */

import { KernelError } from "../../errors/kernel_error.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import {
  type Child,
  type ExitStatus,
  isFailedStep,
  type IsolatedChild,
  type IsolatedCommand,
} from "../../kernel/processes.ts";
import { linuxKernel } from "../../kernel/linux/linux.ts";
import { DelegationError } from "../explain/delegation_error.ts";
import { makeCgroup } from "./cgroup.ts";
import { DEFAULT_MOST_OUTPUT, Pipes, tooMuchOutput } from "./pipes.ts";
import { Terminal } from "./terminal.ts";
import { DEFAULT_USER_RANGE, lockUser, type SandboxUser, type UserRange } from "./user_range.ts";
import { startError } from "./start_error.ts";
import { Delegation, type DelegationMasks } from "../../plan/delegation.ts";
import type { Plan } from "../../plan/plan.ts";
import { delegationCapabilities } from "../../plan/capabilities.ts";
import { type BpfCapability, CAPABILITY_NUMBERS } from "../../plan/bpf_capability.ts";
import { processFacts } from "../facts/process.ts";
import { processEnvironment, TOKEN_PATH_VARIABLE } from "../resolve.ts";
import { DEFAULT_MOUNT } from "../facts/mounts.ts";
import { coversFor } from "./bind_mounts.ts";
import { Errno, failed } from "../../uapi/errno.ts";

/** Milliseconds between SIGTERM and SIGKILL when a sandbox is aborted. */
const GRACE = 5000;

/** What to run, and with what. */
export interface SandboxOptions {
  /** The program and its arguments. A name without a slash is looked for in PATH. */
  readonly command: readonly string[];
  /** What is delegated: a plan, or words. */
  readonly delegation: Plan | DelegationMasks;
  /**
   * The unprivileged user outside, who is root inside: a uid, or both ids.
   *
   * @default A uid of {@linkcode userRange} that no other task has. A uid that is shared with other processes
   * lets them send signals to the command.
   */
  readonly user?: number | { readonly uid: number; readonly gid: number } | undefined;
  /** Where the default user comes from. @default 65,536 uids from 0x70000000 */
  readonly userRange?: UserRange | undefined;
  /** `"new"` (default): a network namespace of its own with loopback up. `"keep"`: that of this process. */
  readonly network?: "new" | "keep" | undefined;
  /**
   * Its whole environment. `LIBBPF_BPF_TOKEN_PATH` is set in any case, and `SKEP_SANDBOX_PID`, the command's pid outside:
   * bpf_get_current_pid_tgid() returns that one, and not the pid in the sandbox's pid namespace.
   *
   * @default That of this process.
   */
  readonly environment?: { readonly [name: string]: string } | undefined;
  /** Its working directory; default that of this process. */
  readonly directory?: string | undefined;
  /**
   * Paths that it may read although the user may not: shown read-only at the same place, and, where the
   * file system can do that, as the user's own. Give what the command is made of.
   */
  readonly readable?: readonly string[] | undefined;
  /** Where its bpffs is mounted; default `/sys/fs/bpf`. */
  readonly mountAt?: string | undefined;
  /** `"inherit"` (default) the terminal or files of this process, or `"piped"` into the result. */
  readonly output?: "inherit" | "piped" | undefined;
  /** Bytes of each of the two that are kept with `"piped"`; a command that writes more is killed. @default 64 MiB */
  readonly mostOutput?: number | undefined;
  /** Paths that are an empty, writable directory inside: a tmpfs of the command's user. */
  readonly scratch?: readonly string[] | undefined;
  /** Standard input: `"inherit"` (default), `"null"`. */
  readonly input?: "inherit" | "null" | undefined;
  /**
   * The capabilities that the command has inside; it cannot gain others.
   *
   * @default Those that the plan names, with those that it says may be needed, or that the delegated map and program types can need.
   */
  readonly capabilities?: readonly BpfCapability[] | undefined;
  /** Other descriptors that it inherits under the same number. */
  readonly descriptors?: readonly number[] | undefined;
  /** Hands on the signals that this process gets (SIGTERM, SIGHUP, SIGINT …) and does not end of them meanwhile. */
  readonly forwardSignals?: boolean | undefined;
  /** Ends it: SIGTERM, five seconds later SIGKILL. */
  readonly signal?: AbortSignal | undefined;
  /** Is told the pid of the command, as this process sees it, when it runs. */
  readonly onStart?: ((pid: number) => void) | undefined;
  /** Is told of each step on the way: one line for people. */
  readonly onStep?: ((text: string) => void) | undefined;
  /** The kernel to speak to; default this machine's. */
  readonly kernel?: Kernel | undefined;
}

/** How a sandbox ended. */
export interface SandboxStatus {
  /** Exit status; 128 and the signal's number when a signal ended it. */
  readonly code: number;
  /** The signal's name, when one ended it. */
  readonly signal: string | undefined;
  /** With `output: "piped"`, what it wrote. */
  readonly stdout: string;
  /** With `output: "piped"`, what it wrote. */
  readonly stderr: string;
}

/**
 * Runs a command as an unprivileged user who is root of a new user namespace, with a bpffs that
 * delegates exactly what is given, at `/sys/fs/bpf`.
 *
 * It needs root (CAP_SYS_ADMIN in the initial user namespace) and Linux 6.9. Exit status and working
 * directory pass through. The command is in a session, a session keyring and, where the caller has a
 * terminal, on a pseudo-terminal of its own. Its user namespace belongs to root, so no other process of its uid can enter it,
 * and it has exactly the planned capabilities. When the command ends, or this process does, by SIGKILL
 * too, the kernel kills every process that it has started: they share a pid namespace, whose /proc shows no
 * others.
 *
 * @example
 * ```ts ignore
 * import { openObject, plan, runInSandbox } from "@skep/skep";
 *
 * const { code } = await runInSandbox({
 *   delegation: plan(await openObject("xdp_count.bpf.o")),
 *   command: ["deno", "run", "--allow-ffi", "--allow-read", "xdp_count.ts"],
 * });
 * ```
 */
export async function runInSandbox(options: SandboxOptions): Promise<SandboxStatus> {
  const kernel = options.kernel ?? linuxKernel();
  mayDelegate(kernel, options);
  // First of all: a signal that comes while the namespaces are made is for the command too.
  using forwarding = new Forwarding(options);
  using user = userOf(kernel, options);
  const isolated = isolatedCommand(kernel, options, user);
  const piped = options.output === "piped";
  using pipes = new Pipes(kernel, piped, options.input === "null");
  using terminal = piped ? undefined : Terminal.open(kernel, user.uid, user.gid);
  using owner = await ownerOf(kernel, isolated);
  using cgroup = makeCgroup(kernel);
  using child = await startIsolated(kernel, {
    ...isolated,
    ownerMapFd: owner.fd,
    standard: [0, 1, 2].map((fd) => pipes.childEnds[fd] ?? terminal?.standard[fd]),
    terminal: terminal?.slave,
    cgroupFd: cgroup?.fd,
  });
  const step = options.onStep ?? ((): void => {});
  const spaces = isolated.newNetwork
    ? "user, mount, pid and network namespace"
    : "user, mount and pid namespace";
  step(`new ${spaces}: uid ${isolated.uid} outside, root inside, no capability outside`);
  const delegation = delegationOf(options);
  delegate(kernel, child.contextFd, delegation);
  step(`bpffs at ${isolated.mountAt} with ${delegation}`);
  pipes.closeChildEnds();
  terminal?.closeSlave();
  const { mostOutput = DEFAULT_MOST_OUTPUT } = options;
  // Readers first: a command that writes much would wait for them otherwise.
  const reading = pipes.read(mostOutput, () => child.kill());
  const relaying = terminal?.relay();
  const pid = await child.run();
  if (isFailedStep(pid)) throw startError(pid, isolated);
  forwarding.start(child);
  options.onStart?.(pid);
  // When the command has ended, the kernel has killed every process of its pid namespace.
  const status = await child.wait();
  const output = await reading;
  await relaying;
  if (output.cut) throw tooMuchOutput(isolated.arguments[0] ?? "", mostOutput, output);
  return { ...named(status), stdout: output.stdout, stderr: output.stderr };
}

/** The user that is asked for, or one that is locked for this sandbox. */
function userOf(kernel: Kernel, options: SandboxOptions): SandboxUser {
  const { user } = options;
  if (user === undefined) return lockUser(kernel, options.userRange ?? DEFAULT_USER_RANGE);
  const { uid, gid } = typeof user === "number" ? { uid: user, gid: user } : user;
  return { uid, gid, [Symbol.dispose](): void {} };
}

/** Numbers of the capabilities that the command has. A token takes CAP_BPF itself. */
function capabilitiesOf(options: SandboxOptions): number[] {
  const { delegation } = options;
  const needed = "capabilities" in delegation
    ? ["bpf" as const, ...delegation.capabilities, ...delegation.maybe.map((one) => one.capability)]
    : delegationCapabilities(new Delegation(delegation));
  return [...new Set(options.capabilities ?? needed)].map((name) => CAPABILITY_NUMBERS[name]);
}

/** Refuses early, and in plain words, what would fail with EPERM somewhere on the way. */
function mayDelegate(kernel: Kernel, options: SandboxOptions): void {
  const subject = options.command[0];
  if (subject === undefined || subject === "") {
    throw new KernelError({
      doing: "run",
      subject: "nothing",
      command: "execve",
      result: -Errno.EINVAL,
      why: "there is no command",
      stage: "usage",
    });
  }
  const facts = processFacts(kernel);
  const privileged = facts.capabilities.includes("sys_admin");
  if (privileged && facts.initialUserNamespace !== false) return;
  throw new DelegationError({
    doing: "make a sandbox for",
    subject,
    command: "fsconfig",
    result: -Errno.EPERM,
    reason: privileged ? "wrong-user-namespace" : "capability-missing",
    why: privileged
      ? "this process is in a user namespace: only root of the initial one may delegate"
      : "only root (CAP_SYS_ADMIN in the initial user namespace) may delegate",
    fix: "run it as root of the machine",
    evidence: [`uid ${facts.uid}`, `user namespace ${facts.userNamespace}`],
  });
}

function isolatedCommand(
  kernel: Kernel,
  options: SandboxOptions,
  { uid, gid }: SandboxUser,
): IsolatedCommand {
  const { command, mountAt = DEFAULT_MOUNT } = options;
  const environment = options.environment ?? wholeEnvironment(kernel);
  const directory = options.directory ?? kernel.readLink("/proc/self/cwd");
  const { visible, covers } = coversFor(
    kernel,
    options.readable ?? [],
    { uid, gid },
    options.scratch ?? [],
  );
  return {
    executables: executables(kernel, command[0] as string, environment["PATH"]),
    arguments: command,
    environment: Object.entries({ ...environment, [TOKEN_PATH_VARIABLE]: mountAt })
      .map(([name, value]) => `${name}=${value}`),
    directory,
    uid,
    gid,
    newNetwork: options.network !== "keep",
    mountAt,
    visible,
    covers,
    ownerMapFd: undefined,
    standard: [],
    descriptors: options.descriptors ?? [],
    terminal: undefined,
    capabilities: capabilitiesOf(options),
  };
}

/** Where a command lies: the files of that name in PATH's directories for a bare name. */
function executables(
  kernel: Kernel,
  name: string,
  path: string = "/usr/local/bin:/usr/bin:/bin",
): string[] {
  if (name.includes("/")) return [name];
  const candidates = path.split(":")
    .map((directory) => directory === "" ? name : `${directory}/${name}`)
    .filter((candidate) => kernel.stat(candidate).result >= 0);
  // With none there is an answer still: the kernel's.
  return candidates.length > 0 ? candidates : [name];
}

function wholeEnvironment(kernel: Kernel): { [name: string]: string } {
  if (Deno.permissions.querySync({ name: "env" }).state === "granted") return Deno.env.toObject();
  const path = processEnvironment(kernel).get("PATH");
  const { bytes } = kernel.readFile("/proc/self/environ");
  const entries = new TextDecoder().decode(bytes).split("\0").filter((entry) =>
    entry.includes("=")
  );
  const environment = Object.fromEntries(entries.map((entry) => {
    const equals = entry.indexOf("=");
    return [entry.slice(0, equals), entry.slice(equals + 1)];
  }));
  if (path !== undefined) environment.PATH = path;
  return environment;
}

function delegationOf(options: SandboxOptions): Delegation {
  const given = "delegation" in options.delegation
    ? options.delegation.delegation
    : options.delegation;
  return new Delegation(given);
}

/** Sets the masks on the context of the child's bpffs, and creates it. */
function delegate(kernel: Kernel, contextFd: number, delegation: Delegation): void {
  const { mounts } = kernel.processes;
  for (const { key, value } of delegation.toFsconfig()) {
    checkDelegated(mounts.setOption(contextFd, key, value), `${key}=${value}`);
  }
  checkDelegated(mounts.create(contextFd), "the bpffs");
}

function checkDelegated(result: number, subject: string): void {
  if (result >= 0) return;
  throw new DelegationError({
    doing: "delegate",
    subject,
    command: "fsconfig",
    result,
    reason: failed(result, Errno.EPERM) ? "capability-missing" : "kernel-too-old",
    why: failed(result, Errno.EPERM)
      ? "only CAP_SYS_ADMIN in the initial user namespace may delegate"
      : "this kernel does not take it: delegation came with Linux 6.9",
  });
}

async function startIsolated(kernel: Kernel, command: IsolatedCommand): Promise<IsolatedChild> {
  const child = await kernel.processes.children.startIsolated(command);
  if (isFailedStep(child)) throw startError(child, command);
  return child;
}

async function ownerOf(
  kernel: Kernel,
  command: IsolatedCommand,
): Promise<{ readonly fd: number | undefined } & Disposable> {
  const fd = command.visible.length === 0
    ? undefined
    : await kernel.processes.namespaces.ownerMap(command.uid, command.gid);
  if (isFailedStep(fd)) throw startError(fd, command);
  return {
    fd: fd === undefined || fd < 0 ? undefined : fd,
    [Symbol.dispose](): void {
      if (fd !== undefined && fd >= 0) kernel.close(fd);
    },
  };
}

/** Signals that a command gets from whoever started it. */
const FORWARDED: readonly (readonly [Deno.Signal, number])[] = [
  ["SIGHUP", 1],
  ["SIGINT", 2],
  ["SIGQUIT", 3],
  ["SIGUSR1", 10],
  ["SIGUSR2", 12],
  ["SIGTERM", 15],
  ["SIGCONT", 18],
];

/** Hands signals on, and ends the command when the caller aborts. What comes before it runs is kept for it. */
class Forwarding implements Disposable {
  readonly #listeners: (readonly [Deno.Signal, () => void])[] = [];
  readonly #early: number[] = [];
  readonly #signal: AbortSignal | undefined;
  readonly #abort: () => void = () => this.#end();
  #child: Child | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(options: SandboxOptions) {
    if (options.forwardSignals === true) {
      // The command is in a session of its own: it gets none of the terminal's signals to this process.
      for (const [name, number] of FORWARDED) {
        const listener = (): void => {
          if (this.#child === undefined) this.#early.push(number);
          else this.#child.signal(number);
        };
        Deno.addSignalListener(name, listener);
        this.#listeners.push([name, listener]);
      }
    }
    this.#signal = options.signal;
    this.#signal?.addEventListener("abort", this.#abort);
  }

  /** The command runs. */
  start(child: Child): void {
    this.#child = child;
    for (const number of this.#early) child.signal(number);
    if (this.#signal?.aborted === true) this.#end();
  }

  #end(): void {
    const child = this.#child;
    if (child === undefined) return;
    child.signal(15);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => child.signal(9), GRACE);
  }

  stop(): void {
    for (const [name, listener] of this.#listeners.splice(0)) {
      Deno.removeSignalListener(name, listener);
    }
    this.#signal?.removeEventListener("abort", this.#abort);
    clearTimeout(this.#timer);
  }

  [Symbol.dispose](): void {
    this.stop();
  }
}

const SIGNALS: { readonly [number: number]: string } = {
  1: "SIGHUP",
  2: "SIGINT",
  3: "SIGQUIT",
  4: "SIGILL",
  6: "SIGABRT",
  7: "SIGBUS",
  8: "SIGFPE",
  9: "SIGKILL",
  10: "SIGUSR1",
  11: "SIGSEGV",
  12: "SIGUSR2",
  13: "SIGPIPE",
  14: "SIGALRM",
  15: "SIGTERM",
};

function named({ code, signal }: ExitStatus): { code: number; signal: string | undefined } {
  return { code, signal: signal === 0 ? undefined : SIGNALS[signal] ?? `signal ${signal}` };
}
