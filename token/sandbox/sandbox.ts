/**
 * Runs a command in a user namespace with exactly the delegation that it needs.
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

/** Options of {@linkcode runInSandbox}. */
export interface SandboxOptions {
  /** The program and its arguments. A name without a slash is searched in PATH. */
  readonly command: readonly string[];
  /** The delegation: a plan, or masks. */
  readonly delegation: Plan | DelegationMasks;
  /**
   * The unprivileged user outside, who is root inside: a uid, or both ids. Other processes with the same
   * uid can send signals to the command.
   *
   * @default {undefined} a uid of {@linkcode userRange} that no other task has
   */
  readonly user?: number | { readonly uid: number; readonly gid: number } | undefined;
  /**
   * The range of the default user.
   *
   * @default {DEFAULT_USER_RANGE} 65,536 uids from 0x70000000
   */
  readonly userRange?: UserRange | undefined;
  /**
   * `"new"`: a new network namespace with loopback up. `"keep"`: that of this process.
   *
   * @default {"new"}
   */
  readonly network?: "new" | "keep" | undefined;
  /**
   * `"new"`: a cgroup of its own below the caller's, where cgroup version 2 is mounted; it belongs to root.
   * `"keep"`: the caller's cgroup, in which the command may create others when its user owns it.
   *
   * @default "new"
   */
  readonly cgroup?: "new" | "keep" | undefined;
  /**
   * The whole environment. Two variables are always set: `LIBBPF_BPF_TOKEN_PATH`, and `SKEP_SANDBOX_PID`
   * with the command's pid outside, which bpf_get_current_pid_tgid() returns instead of the pid in the
   * sandbox's pid namespace.
   *
   * @default {undefined} that of this process
   */
  readonly environment?: { readonly [name: string]: string } | undefined;
  /**
   * The working directory.
   *
   * @default {undefined} that of this process
   */
  readonly directory?: string | undefined;
  /**
   * Paths that the command may read although the user may not: mounted read-only at the same place and,
   * where the file system supports idmapped mounts, owned by the user. List the files that the command
   * consists of.
   */
  readonly readable?: readonly string[] | undefined;
  /**
   * Where its bpffs is mounted.
   *
   * @default {"/sys/fs/bpf"}
   */
  readonly mountAt?: string | undefined;
  /**
   * `"inherit"`: the terminal or files of this process. `"piped"`: collected in the result.
   *
   * @default {"inherit"}
   */
  readonly output?: "inherit" | "piped" | undefined;
  /**
   * Maximum number of bytes of standard output, and of standard error, that `"piped"` keeps; a command that
   * writes more is killed.
   *
   * @default {67108864}
   */
  readonly mostOutput?: number | undefined;
  /** Paths that are empty, writable directories inside: each a tmpfs owned by the command's user. */
  readonly scratch?: readonly string[] | undefined;
  /**
   * Standard input: that of this process, or /dev/null.
   *
   * @default {"inherit"}
   */
  readonly input?: "inherit" | "null" | undefined;
  /**
   * The capabilities that the command has inside; it cannot gain others.
   *
   * @default {undefined} those that the plan names or may need; for masks, those that the delegated map and
   * program types can need
   */
  readonly capabilities?: readonly BpfCapability[] | undefined;
  /** Other descriptors to inherit, with the same numbers. */
  readonly descriptors?: readonly number[] | undefined;
  /**
   * Forwards signals that this process receives (SIGTERM, SIGHUP, SIGINT …) instead of ending by them.
   *
   * @default {false}
   */
  readonly forwardSignals?: boolean | undefined;
  /** Ends the command when aborted: SIGTERM, five seconds later SIGKILL. */
  readonly signal?: AbortSignal | undefined;
  /** Called when the command runs, with its pid in this process's pid namespace. */
  readonly onStart?: ((pid: number) => void) | undefined;
  /** Called at each step of the preparation, with one line for people. */
  readonly onStep?: ((text: string) => void) | undefined;
  /**
   * The kernel to use.
   *
   * @default {undefined} the running kernel
   */
  readonly kernel?: Kernel | undefined;
}

/** How a command ended. */
export interface SandboxStatus {
  /** The exit status; 128 plus the signal's number after a signal. */
  readonly code: number;
  /** The name of the signal that ended it; undefined otherwise. */
  readonly signal: string | undefined;
  /** Standard output, with `output: "piped"`. */
  readonly stdout: string;
  /** Standard error, with `output: "piped"`. */
  readonly stderr: string;
}

/**
 * Runs a command as an unprivileged user who is root of a new user namespace, with a bpffs at `/sys/fs/bpf`
 * that delegates exactly what is given.
 *
 * Needs root (CAP_SYS_ADMIN in the initial user namespace) and Linux 6.9. Exit status and working directory
 * pass through. The command gets a new session, session keyring and, where the caller has a terminal,
 * pseudo-terminal. Its user namespace is owned by root, so other processes of its uid cannot enter it, and
 * it has exactly the planned capabilities. When the command or this process ends, by SIGKILL included, the
 * kernel kills every process that the command started: they share a pid namespace, whose /proc shows no
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
  // Registered first: signals that arrive while the namespaces are created are forwarded as well.
  using forwarding = new Forwarding(options);
  using user = userOf(kernel, options);
  const isolated = isolatedCommand(kernel, options, user);
  const piped = options.output === "piped";
  using pipes = new Pipes(kernel, piped, options.input === "null");
  using terminal = piped ? undefined : Terminal.open(kernel, user.uid, user.gid);
  using owner = await ownerOf(kernel, isolated);
  using cgroup = options.cgroup === "keep" ? undefined : makeCgroup(kernel);
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
  // Reading starts first; otherwise a command that writes much would block.
  const reading = pipes.read(mostOutput, () => child.kill());
  const relaying = terminal?.relay();
  const pid = await child.run();
  if (isFailedStep(pid)) throw startError(pid, isolated);
  forwarding.start(child);
  options.onStart?.(pid);
  // The kernel has killed every process of the pid namespace when its init has ended.
  const status = await child.wait();
  pipes.finish();
  terminal?.finish();
  const output = await reading;
  await relaying;
  if (output.cut) throw tooMuchOutput(isolated.arguments[0] ?? "", mostOutput, output);
  return { ...named(status), stdout: output.stdout, stderr: output.stderr };
}

/** Returns the user of the options, or one that is locked for this sandbox. */
function userOf(kernel: Kernel, options: SandboxOptions): SandboxUser {
  const { user } = options;
  if (user === undefined) return lockUser(kernel, options.userRange ?? DEFAULT_USER_RANGE);
  const { uid, gid } = typeof user === "number" ? { uid: user, gid: user } : user;
  return { uid, gid, [Symbol.dispose](): void {} };
}

/** Numbers of the capabilities that the command has. */
function capabilitiesOf(options: SandboxOptions): number[] {
  const { delegation } = options;
  const needed = "capabilities" in delegation
    ? ["bpf" as const, ...delegation.capabilities, ...delegation.maybe.map((one) => one.capability)]
    : delegationCapabilities(new Delegation(delegation));
  return [...new Set(options.capabilities ?? needed)].map((name) => CAPABILITY_NUMBERS[name]);
}

/** Refuses early what would fail with EPERM during the preparation. */
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
    // Sorted: the order of Deno.env.toObject() differs from call to call, and a recording compares it.
    environment: Object.entries({ ...environment, [TOKEN_PATH_VARIABLE]: mountAt })
      .map(([name, value]) => `${name}=${value}`)
      .sort(),
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

/** Returns the paths to execute: for a bare name, the files with that name in the directories of PATH. */
function executables(
  kernel: Kernel,
  name: string,
  path: string = "/usr/local/bin:/usr/bin:/bin",
): string[] {
  if (name.includes("/")) return [name];
  const candidates = path.split(":")
    .map((directory) => directory === "" ? name : `${directory}/${name}`)
    .filter((candidate) => kernel.stat(candidate).result >= 0);
  // Without a candidate, execve(2) returns the errno.
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

/** Sets the delegation masks on the context of the child's bpffs, and creates the file system. */
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

/** Signals that are forwarded to the command. */
const FORWARDED: readonly (readonly [Deno.Signal, number])[] = [
  ["SIGHUP", 1],
  ["SIGINT", 2],
  ["SIGQUIT", 3],
  ["SIGUSR1", 10],
  ["SIGUSR2", 12],
  ["SIGTERM", 15],
  ["SIGCONT", 18],
];

/**
 * Forwards signals, and ends the command when the caller aborts. Signals that arrive before it runs are
 * queued.
 */
class Forwarding implements Disposable {
  readonly #listeners: (readonly [Deno.Signal, () => void])[] = [];
  readonly #early: number[] = [];
  readonly #signal: AbortSignal | undefined;
  readonly #abort: () => void = () => this.#end();
  #child: Child | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(options: SandboxOptions) {
    if (options.forwardSignals === true) {
      // The command has its own session, so the terminal's signals reach this process only.
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

  /** Sends the queued signals to the running command. */
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
