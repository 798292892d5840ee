/**
 * The broker: issues tokens over a socket by a policy.
 *
 * @module
 */

import { Errno, failed } from "../../uapi/errno.ts";
import { KernelError } from "../../errors/kernel_error.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import { linuxKernel } from "../../kernel/linux/linux.ts";
import type { Message } from "../../kernel/processes.ts";
import { CAP_SYS_ADMIN, CAP_SYS_PTRACE } from "../../uapi/processes.ts";
import { ObjectSpec } from "../../object/object_spec.ts";
import { processFacts } from "../facts/process.ts";
import type { Delegation } from "../../plan/delegation.ts";
import { plan } from "../../plan/plan.ts";
import { Audit, type AuditFacts, type AuditSink } from "./audit.ts";
import { type BrokerAddress, BrokerSocket } from "./broker_socket.ts";
import { issueToken, mayEnterNamespaces } from "./issue.ts";
import { Peer } from "./peer.ts";
import { decide, isFor, parsePolicy, type PeerFacts, type Policy } from "./policy.ts";
import {
  decodeRequest,
  encodeAnswer,
  LONGEST_MESSAGE,
  type TokenAnswer,
} from "../protocol/protocol.ts";
import { Rates } from "./rates.ts";
import { type Holder, type Slot, Slots } from "./slots.ts";

/** Connections to accept before other events are handled. */
const MOST_AT_ONCE = 32;
/** Longest cgroup path in the audit log, in characters. */
const LONGEST_CGROUP = 512;

/** Options of {@linkcode serveBroker}. */
export interface BrokerOptions {
  /**
   * The path of the socket, where a leftover file of a dead broker is replaced; or an inherited
   * listening socket.
   */
  readonly socket: BrokerAddress;
  /** Path of the policy. */
  readonly policy: string;
  /**
   * Receives a JSON line for each grant and each load of the policy, and sums of refusals. A token
   * is sent only after its line is recorded: when the sink throws or rejects, none is.
   */
  readonly audit: AuditSink;
  /** Ends the broker. */
  readonly signal?: AbortSignal | undefined;
  /** Called once clients can connect. */
  readonly onReady?: (() => void) | undefined;
  /**
   * Drops all capabilities of the process except CAP_SYS_ADMIN and CAP_SYS_PTRACE for good before
   * the first request is served, and changes to this user if one is given.
   */
  readonly confine?:
    | { readonly user: { readonly uid: number; readonly gid: number } | undefined }
    | undefined;
  /**
   * The kernel interface.
   *
   * @default the kernel of this machine
   */
  readonly kernel?: Kernel | undefined;
}

/**
 * Runs a broker until the signal aborts: an unprivileged process connects, requests a token for its
 * user namespace, and receives it over the socket if the policy allows.
 *
 * Needs CAP_SYS_ADMIN and CAP_SYS_PTRACE in the initial user namespace, and Linux 6.11. SIGHUP
 * reloads the policy; an invalid one is ignored. The owner of the peer's user namespace gains the
 * rights of the token too, so policies list owners.
 *
 * @throws {SkepError} when it cannot start.
 */
export async function serveBroker(options: BrokerOptions): Promise<void> {
  await using broker = await Broker.start(options);
  options.onReady?.();
  await broker.run();
}

class Broker implements AsyncDisposable {
  readonly #options: BrokerOptions;
  readonly #kernel: Kernel;
  readonly #socket: BrokerSocket;
  readonly #audit: Audit;
  readonly #served: Set<Promise<void>> = new Set();
  readonly #slots: Slots = new Slots(() => this.#policy.limits.connections);
  /** Counted separately, so that no number of unknown accounts displaces those that rules list. */
  readonly #rates: { readonly named: Rates; readonly others: Rates };
  readonly #end: AbortController = new AbortController();
  readonly #reload = (): void => {
    this.#reading = this.#reading.then(() => this.#readPolicy());
  };
  #reading: Promise<void> = Promise.resolve();
  #policy: Policy;
  #hash: string;

  static async start(options: BrokerOptions): Promise<Broker> {
    const kernel = options.kernel ?? linuxKernel();
    mayServe(kernel);
    const policy = await loadPolicy(kernel, options.policy);
    const socket = new BrokerSocket(kernel, options.socket);
    try {
      // Before privileges are dropped: the directory may belong to another user.
      if (options.confine?.user !== undefined) socket.keepRemover();
      if (options.confine !== undefined) confine(kernel, options.confine.user);
      return new Broker(options, kernel, socket, policy);
    } catch (error) {
      await socket[Symbol.asyncDispose]();
      throw error;
    }
  }

  private constructor(
    options: BrokerOptions,
    kernel: Kernel,
    socket: BrokerSocket,
    { policy, hash }: LoadedPolicy,
  ) {
    this.#options = options;
    this.#kernel = kernel;
    this.#audit = new Audit(options.audit);
    this.#policy = policy;
    this.#hash = hash;
    const perMinute = (): number => this.#policy.limits.requestsPerMinute;
    this.#rates = { named: new Rates(perMinute), others: new Rates(perMinute) };
    this.#socket = socket;
    // Before onReady: a SIGHUP without a listener ends the process.
    Deno.addSignalListener("SIGHUP", this.#reload);
    this.#audit.record({
      event: "started",
      socket: typeof options.socket === "string" ? options.socket : `fd ${options.socket.fd}`,
      uid: processFacts(this.#kernel).uid ?? null,
      policy: this.#hash,
    });
  }

  async run(): Promise<void> {
    const { signal } = this.#options;
    const stop = (): void => {
      this.#end.abort();
      this.#kernel.poller.forget(this.#socket.fd);
    };
    signal?.addEventListener("abort", stop);
    try {
      if (signal?.aborted === true) stop();
      while (!this.#end.signal.aborted) {
        if (await this.#kernel.poller.wait(this.#socket.fd)) await this.#acceptSome();
      }
    } finally {
      signal?.removeEventListener("abort", stop);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    Deno.removeSignalListener("SIGHUP", this.#reload);
    this.#end.abort();
    this.#slots.evictAll();
    await this.#socket[Symbol.asyncDispose]();
    await Promise.all(this.#served);
    await this.#reading;
    this.#audit.record({ event: "ended" });
    await this.#audit.end();
  }

  /** Accepts a few connections, then lets signals, timers and earlier connections run. */
  async #acceptSome(): Promise<void> {
    for (let count = 0; count < MOST_AT_ONCE; count++) {
      let connection = this.#socket.accept();
      if (failed(connection, Errno.EMFILE, Errno.ENFILE)) {
        connection = this.#socket.acceptWithSpare((fd) =>
          this.#answer(fd, { refused: "the broker has no file descriptors left (EMFILE)" })
        );
        // Avoids a busy loop.
        await sleep(20);
        if (connection >= 0) continue;
      }
      if (failed(connection, Errno.EAGAIN)) return;
      if (failed(connection, Errno.ECONNABORTED, Errno.EINTR)) continue;
      if (connection < 0) return await sleep(100);
      this.#admit(connection);
    }
    await sleep(0);
  }

  /** Determines the account of a connection, and whether it is served. */
  #admit(connection: number): void {
    const holder = this.#holder(connection);
    if (typeof holder === "string") return this.#turnAway(connection, "unknown", holder);
    const { account, named } = holder;
    const rates = named ? this.#rates.named : this.#rates.others;
    if (!rates.take(account)) {
      return this.#turnAway(connection, account, "too many requests per minute");
    }
    const slot = this.#slots.enter(holder, () => this.#kernel.poller.forget(connection));
    if (slot === undefined) return this.#turnAway(connection, account, "the broker is busy");
    const served = this.#serve(connection, slot).finally(() => {
      this.#slots.leave(slot);
      this.#served.delete(served);
    });
    this.#served.add(served);
  }

  #holder(connection: number): Holder | string {
    const peer = Peer.identify(this.#kernel, connection);
    if (typeof peer === "string") return peer;
    using identified = peer;
    const named = this.#policy.rules.some((rule) => isFor(rule, identified));
    return { account: identified.account, named };
  }

  /**
   * Refuses without examining the request. Received bytes are read first, or closing the socket
   * would discard the answer.
   */
  #turnAway(connection: number, account: string, why: string): void {
    const message = this.#kernel.processes.sockets.receive(connection, LONGEST_MESSAGE);
    if (typeof message !== "number") {
      for (const fd of message.descriptors) this.#kernel.close(fd);
    }
    this.#refuse(connection, account, why, {});
    this.#kernel.close(connection);
  }

  /** Serves one client: one request, one answer. All errors end here. */
  async #serve(connection: number, slot: Slot): Promise<void> {
    const { account } = slot;
    try {
      const message = await this.#kernel.processes.sockets.receiveWithin(
        connection,
        LONGEST_MESSAGE + 1,
        this.#policy.limits.timeout * 1000,
      );
      if (!slot.waiting) {
        if (typeof message !== "number") this.#closeAll(message);
        return this.#refuse(
          connection,
          account,
          "it sent no request while the broker was busy",
          {},
        );
      }
      slot.waiting = false;
      // ETIMEDOUT, ECONNRESET and the like: the client is slow or has ended.
      if (typeof message === "number") return;
      this.#closeAll(message);
      if (message.bytes.length > 0) await this.#decide(connection, message, account);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      this.#refuse(connection, account, "the broker failed", { error: why });
    } finally {
      this.#kernel.poller.forget(connection);
      this.#kernel.close(connection);
    }
  }

  #closeAll(message: Message): void {
    for (const fd of message.descriptors) this.#kernel.close(fd);
  }

  async #decide(connection: number, message: Message, account: string): Promise<void> {
    const refuse = (why: string, about: AuditFacts = {}): void =>
      this.#refuse(connection, account, why, about);
    if (message.truncated) return refuse("the request is too long");
    if (message.descriptors.length > 0) return refuse("a request must not carry descriptors");
    const request = decodeRequest(message.bytes);
    if (typeof request === "string") return refuse(`the request is invalid: ${request}`);
    const peer = Peer.identify(this.#kernel, connection);
    if (typeof peer === "string") return refuse(peer);
    using identified = peer;
    if (identified.account !== account) return refuse("its user namespace has changed");
    const facts = identified.facts();
    if (typeof facts === "string") return refuse(facts);
    const decision = decide(this.#policy, facts, request.need);
    const about = {
      ...describe(facts),
      ownsNetwork: identified.seenNetwork ?? null,
      label: request.label,
      asked: request.need?.toJSON() ?? "all",
    };
    if (!decision.granted) return refuse(decision.why, about);
    const { delegation, rule } = decision;
    const token = await this.#issue(identified.userNamespaceFd, delegation);
    if (typeof token === "string") return refuse(token, about);
    const policy = this.#hash;
    const granted = {
      rule: rule.name,
      policy,
      account,
      granted: delegation.toJSON(),
      reads: rule.holder.reads.memory,
      ...about,
    };
    try {
      // The line comes before the token: an unrecorded token is never sent.
      if (!await this.#audit.record({ event: "granted", ...granted })) {
        return refuse("the broker cannot record the grant");
      }
      const answer = encodeAnswer({ granted: delegation });
      const sent = this.#kernel.processes.sockets.send(connection, answer, [token]);
      if (sent < 0) this.#audit.record({ event: "not delivered", ...granted });
    } finally {
      this.#kernel.close(token);
    }
  }

  async #issue(userNamespaceFd: number, delegation: Delegation): Promise<number | string> {
    try {
      const { signal } = this.#end;
      return await issueToken(this.#kernel, userNamespaceFd, delegation, { signal });
    } catch (error) {
      if (error instanceof KernelError) return `the kernel refused: ${error.message}`;
      throw error;
    }
  }

  #refuse(connection: number, account: string, why: string, about: AuditFacts): void {
    this.#audit.refused(account, why, { policy: this.#hash, ...about });
    this.#answer(connection, { refused: why });
  }

  #answer(connection: number, answer: TokenAnswer): void {
    // A client that has ended or does not read is ignored.
    this.#kernel.processes.sockets.send(connection, encodeAnswer(answer));
  }

  async #readPolicy(): Promise<void> {
    try {
      const { policy, hash } = await loadPolicy(this.#kernel, this.#options.policy);
      [this.#policy, this.#hash] = [policy, hash];
      this.#audit.record({ event: "policy read", policy: this.#hash });
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      this.#audit.record({ event: "policy not read", why, policy: this.#hash });
    }
  }
}

/** Drops the privileges that a broker does not need. */
function confine(
  kernel: Kernel,
  user: { readonly uid: number; readonly gid: number } | undefined,
): void {
  const capabilities = [CAP_SYS_ADMIN, CAP_SYS_PTRACE];
  const refused = kernel.processes.credentials.confine({ user, capabilities });
  if (refused === undefined) return;
  throw new KernelError({
    doing: "become",
    subject: user === undefined ? "a process with few capabilities" : `uid ${user.uid}`,
    command: refused.step,
    result: refused.result,
    stage: "token",
  });
}

/** A policy, with a hash that identifies it in the audit log. */
interface LoadedPolicy {
  readonly policy: Policy;
  readonly hash: string;
}

async function loadPolicy(kernel: Kernel, path: string): Promise<LoadedPolicy> {
  const bytes = readFile(kernel, path);
  const policy = await parsePolicy(new TextDecoder().decode(bytes), path, (object) => {
    const file = resolve(path, object);
    return plan(ObjectSpec.parse(readFile(kernel, file), { name: file })).delegation;
  });
  return { policy, hash: fingerprint(bytes) };
}

/** Refuses to start when the broker could not work, or not safely. */
function mayServe(kernel: Kernel): void {
  const facts = processFacts(kernel);
  const has = (capability: number): boolean =>
    ((facts.effective ?? 0n) >> BigInt(capability) & 1n) === 1n;
  if (facts.initialUserNamespace === false || !has(CAP_SYS_ADMIN) || !has(CAP_SYS_PTRACE)) {
    throw new KernelError({
      doing: "start",
      subject: "the broker",
      command: "fsconfig",
      result: -Errno.EPERM,
      why: has(CAP_SYS_ADMIN) && facts.initialUserNamespace !== false
        ? "a broker needs CAP_SYS_PTRACE to read the namespaces of its peers"
        : "only CAP_SYS_ADMIN in the initial user namespace may delegate",
      fix: "run it as root, or with AmbientCapabilities=CAP_SYS_ADMIN CAP_SYS_PTRACE",
      stage: "token",
    });
  }
  mayEnterNamespaces(kernel);
}

function readFile(kernel: Kernel, path: string): Uint8Array {
  const { result, bytes } = kernel.readFile(path);
  if (result >= 0) return bytes;
  throw new KernelError({
    doing: "read",
    subject: path,
    command: "open",
    result,
    why: failed(result, Errno.EACCES)
      ? `uid ${processFacts(kernel).uid ?? "of the broker"} may not read it`
      : undefined,
    stage: "usage",
  });
}

/** Resolves a path in a policy relative to the policy's file. */
function resolve(policy: string, path: string): string {
  return path.startsWith("/") ? path : policy.slice(0, policy.lastIndexOf("/") + 1) + path;
}

function describe(facts: PeerFacts): AuditFacts {
  return {
    pid: facts.pid,
    uid: facts.uid,
    owner: facts.owner,
    userNamespace: `${facts.userNamespace}`,
    nested: facts.nested,
    cgroup: facts.cgroup?.slice(0, LONGEST_CGROUP) ?? null,
  };
}

/** Returns the 64-bit FNV-1a hash, which identifies policies in the log. */
function fingerprint(bytes: Uint8Array): string {
  let hash = 0xcbf29ce484222325n;
  for (const byte of bytes) hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  return hash.toString(16).padStart(16, "0");
}

function sleep(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
