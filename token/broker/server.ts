/**
 * The broker: hands out tokens over a socket, by a policy.
 *
 * @module
 */

import type { JsonValue } from "../../errors/skep_error.ts";
import { Errno, failed } from "../../uapi/errno.ts";
import { KernelError } from "../../errors/kernel_error.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import { linuxKernel } from "../../kernel/linux/linux.ts";
import type { Message } from "../../kernel/processes.ts";
import { ObjectSpec } from "../../object/object_spec.ts";
import { processFacts, readText } from "../facts/process.ts";
import type { Delegation } from "../../plan/delegation.ts";
import { plan } from "../../plan/plan.ts";
import { issueToken } from "./issue.ts";
import { identifyPeer } from "./peer.ts";
import { decide, parsePolicy, type PeerFacts, type Policy } from "./policy.ts";
import {
  decodeRequest,
  encodeAnswer,
  LONGEST_MESSAGE,
  type TokenAnswer,
} from "../protocol/protocol.ts";
import { RateLimit } from "./rate_limit.ts";
import { S_IFMT, S_IFSOCK } from "../../uapi/files.ts";

/** How a broker is run. */
export interface BrokerOptions {
  /** The path of the socket. One that a dead broker left is replaced. */
  readonly socket: string;
  /** The path of the policy. */
  readonly policy: string;
  /** Gets a line of JSON for each decision and each reading of the policy. */
  readonly audit: (line: string) => void;
  /** Ends it. */
  readonly signal?: AbortSignal | undefined;
  /** Is told when clients can connect. */
  readonly onReady?: (() => void) | undefined;
  /** The kernel to speak to; default this machine's. */
  readonly kernel?: Kernel | undefined;
}

/**
 * Runs a broker until the signal: an unprivileged process connects, asks for a token for its own user
 * namespace, and gets one over the socket when the policy says so.
 *
 * It needs root of the initial user namespace and Linux 6.11. The policy is read again on SIGHUP; one that
 * cannot be read leaves the old one in force. The right that a token gives is that of the owner of the
 * peer's user namespace too: a policy names owners for that reason.
 *
 * Throws a {@linkcode SkepError} when it cannot start.
 */
export async function serveBroker(options: BrokerOptions): Promise<void> {
  await using broker = new Broker(options);
  options.onReady?.();
  await broker.run();
}

class Broker implements AsyncDisposable {
  readonly #options: BrokerOptions;
  readonly #kernel: Kernel;
  readonly #socket: number;
  readonly #connections: Set<Promise<void>> = new Set();
  readonly #reload = (): void => this.#readPolicy();
  readonly #limit: RateLimit;
  #policy: Policy;
  #hash = "";

  constructor(options: BrokerOptions) {
    this.#options = options;
    this.#kernel = options.kernel ?? linuxKernel();
    mayServe(this.#kernel);
    this.#policy = this.#load();
    this.#limit = new RateLimit(() => this.#policy.limits.requestsPerMinute);
    this.#socket = listen(this.#kernel, options.socket);
    // Before it is told that clients can connect: an early SIGHUP would end the process.
    Deno.addSignalListener("SIGHUP", this.#reload);
    this.#note({ event: "started", socket: options.socket, policy: this.#hash });
  }

  async run(): Promise<void> {
    const { signal } = this.#options;
    const stop = (): void => this.#kernel.poller.forget(this.#socket);
    signal?.addEventListener("abort", stop);
    try {
      while (signal?.aborted !== true) {
        if (!await this.#kernel.poller.wait(this.#socket)) continue;
        await this.#acceptAll();
      }
    } finally {
      signal?.removeEventListener("abort", stop);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    Deno.removeSignalListener("SIGHUP", this.#reload);
    this.#kernel.unlink(this.#options.socket);
    this.#kernel.close(this.#socket);
    await Promise.all(this.#connections);
    this.#note({ event: "ended" });
  }

  async #acceptAll(): Promise<void> {
    for (;;) {
      const connection = this.#kernel.processes.sockets.accept(this.#socket);
      if (failed(connection, Errno.EAGAIN)) return;
      if (connection < 0) {
        // No descriptors left, or a client that is gone already: it must not become a busy loop.
        if (!failed(connection, Errno.ECONNABORTED)) await sleep(100);
        return;
      }
      if (this.#connections.size >= this.#policy.limits.connections) {
        this.#turnAway(connection);
        continue;
      }
      const served = this.#serve(connection).finally(() => this.#connections.delete(served));
      this.#connections.add(served);
    }
  }

  /** Answers without looking at the request; what of it has come is read, or the answer would be lost with it. */
  #turnAway(connection: number): void {
    const message = this.#kernel.processes.sockets.receive(connection, LONGEST_MESSAGE);
    if (typeof message !== "number") {
      for (const fd of message.descriptors) this.#kernel.close(fd);
    }
    this.#answer(connection, { refused: "the broker is busy" });
    this.#kernel.close(connection);
  }

  /** One client: one request, one answer. Whatever it does ends here. */
  async #serve(connection: number): Promise<void> {
    try {
      const message = await this.#request(connection);
      if (message === undefined) return;
      for (const fd of message.descriptors) this.#kernel.close(fd);
      if (message.bytes.length === 0) return;
      const credentials = this.#kernel.processes.sockets.peerCredentials(connection);
      const uid = typeof credentials === "number" ? -1 : credentials.uid;
      // Before anything that costs more than reading.
      if (this.#limit.take(uid)) await this.#decide(connection, message, uid);
      else this.#refuse(connection, "too many requests in a minute", { uid });
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      this.#note({ event: "failed", why });
      this.#answer(connection, { refused: "the broker could not do it" });
    } finally {
      this.#kernel.poller.forget(connection);
      this.#kernel.close(connection);
    }
  }

  async #request(connection: number): Promise<Message | undefined> {
    const milliseconds = this.#policy.limits.timeout * 1000;
    const message = await this.#kernel.processes.sockets.receiveWithin(
      connection,
      LONGEST_MESSAGE + 1,
      milliseconds,
    );
    // ETIMEDOUT, ECONNRESET and the like: the client is slow or gone.
    return typeof message === "number" ? undefined : message;
  }

  async #decide(connection: number, message: Message, uid: number): Promise<void> {
    if (message.truncated) return this.#refuse(connection, "the request is too long", { uid });
    if (message.descriptors.length > 0) {
      return this.#refuse(connection, "a request carries no descriptors", { uid });
    }
    const request = decodeRequest(message.bytes);
    if (typeof request === "string") {
      return this.#refuse(connection, `the request cannot be read: ${request}`, { uid });
    }
    const peer = identifyPeer(this.#kernel, connection);
    if (typeof peer === "string") return this.#refuse(connection, peer, { uid });
    using identified = peer;
    const { facts } = identified;
    const decision = decide(this.#policy, facts, request.need);
    const about = {
      ...describe(facts),
      label: request.label,
      asked: request.need?.toJSON() ?? "all",
    };
    if (!decision.granted) return this.#refuse(connection, decision.why, about);
    const token = await this.#issue(
      connection,
      identified.userNamespaceFd,
      decision.delegation,
      about,
    );
    if (token === undefined) return;
    const sent = this.#kernel.processes.sockets.send(
      connection,
      encodeAnswer({ granted: decision.delegation }),
      [token],
    );
    this.#kernel.close(token);
    this.#note({
      event: sent < 0 ? "not delivered" : "granted",
      rule: decision.rule.name,
      policy: this.#hash,
      granted: decision.delegation.toJSON(),
      ...about,
    });
  }

  async #issue(
    connection: number,
    userNamespaceFd: number,
    delegation: Delegation,
    about: { readonly [key: string]: JsonValue },
  ): Promise<number | undefined> {
    try {
      return await issueToken(this.#kernel, userNamespaceFd, delegation);
    } catch (error) {
      if (!(error instanceof KernelError)) throw error;
      this.#refuse(connection, `the kernel refused: ${error.message}`, about);
      return undefined;
    }
  }

  #refuse(connection: number, why: string, about: { readonly [key: string]: JsonValue }): void {
    this.#note({ event: "refused", why, policy: this.#hash, ...about });
    this.#answer(connection, { refused: why });
  }

  #answer(connection: number, answer: TokenAnswer): void {
    // It may be gone, or not reading: that is its own affair.
    this.#kernel.processes.sockets.send(connection, encodeAnswer(answer));
  }

  #note(facts: { readonly [key: string]: JsonValue }): void {
    this.#options.audit(JSON.stringify({ time: new Date().toISOString(), ...facts }));
  }

  #readPolicy(): void {
    try {
      this.#policy = this.#load();
      this.#note({ event: "policy read", policy: this.#hash });
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      this.#note({ event: "policy not read", why, policy: this.#hash });
    }
  }

  #load(): Policy {
    const path = this.#options.policy;
    const bytes = readFile(this.#kernel, path);
    const policy = parsePolicy(new TextDecoder().decode(bytes), path, (object) => {
      const file = resolve(path, object);
      return plan(ObjectSpec.parse(readFile(this.#kernel, file), { name: file })).delegation;
    });
    this.#hash = fingerprint(bytes);
    return policy;
  }
}

/** Refuses to start where it could not do its work, or not safely. */
function mayServe(kernel: Kernel): void {
  const facts = processFacts(kernel);
  const refuse = (why: string, fix: string): KernelError =>
    new KernelError({
      doing: "start",
      subject: "the broker",
      command: "fsconfig",
      result: -Errno.EPERM,
      why,
      fix,
      stage: "token",
    });
  if (facts.initialUserNamespace === false || !facts.capabilities.includes("sys_admin")) {
    throw refuse("only root of the initial user namespace may delegate", "run it as root");
  }
  // The child that enters a peer's user namespace has a copy of our memory, which then could be read there.
  if (readText(kernel, "/proc/sys/fs/suid_dumpable")?.trim() === "1") {
    throw refuse(
      "with fs.suid_dumpable=1 a peer could read this process's memory",
      "set fs.suid_dumpable to 0 or 2",
    );
  }
}

function listen(kernel: Kernel, path: string): number {
  const { sockets } = kernel.processes;
  let socket = sockets.listen(path);
  const isSocket = (kernel.stat(path).mode & S_IFMT) === S_IFSOCK;
  // What is no socket refuses connections too, and is nobody's to remove.
  if (failed(socket, Errno.EADDRINUSE) && isSocket) {
    const other = sockets.connect(path);
    if (failed(other, Errno.ECONNREFUSED)) {
      // Nobody listens: it was left by one that did not end by itself.
      kernel.unlink(path);
      socket = sockets.listen(path);
    } else if (other >= 0) kernel.close(other);
  }
  if (socket < 0) {
    const taken = failed(socket, Errno.EADDRINUSE);
    throw new KernelError({
      doing: "listen at",
      subject: path,
      command: "bind",
      result: socket,
      why: !taken
        ? undefined
        : isSocket
        ? "another broker listens there"
        : "something stands there that is no socket",
      fix: taken && !isSocket ? "name another path" : undefined,
      stage: "usage",
    });
  }
  // Anybody may ask: the policy decides.
  sockets.setMode(path, 0o666);
  return socket;
}

function readFile(kernel: Kernel, path: string): Uint8Array {
  const { result, bytes } = kernel.readFile(path);
  if (result >= 0) return bytes;
  throw new KernelError({
    doing: "read",
    subject: path,
    command: "open",
    result,
    stage: "usage",
  });
}

/** A path in a policy is relative to the policy. */
function resolve(policy: string, path: string): string {
  return path.startsWith("/") ? path : policy.slice(0, policy.lastIndexOf("/") + 1) + path;
}

function describe(facts: PeerFacts): { readonly [key: string]: JsonValue } {
  return {
    pid: facts.pid,
    uid: facts.uid,
    owner: facts.owner,
    userNamespace: `${facts.userNamespace}`,
    nested: facts.nested,
    ownsNetwork: facts.ownsNetwork,
    cgroup: facts.cgroup ?? null,
  };
}

/** FNV-1a, 64 bits: tells policies apart in the log. */
function fingerprint(bytes: Uint8Array): string {
  let hash = 0xcbf29ce484222325n;
  for (const byte of bytes) hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  return hash.toString(16).padStart(16, "0");
}

function sleep(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
