/**
 * Processes that load objects with a token that allows everything and with a given set of capabilities:
 * one process for each set.
 *
 * @module
 */

import type { JsonValue } from "../../errors/skep_error.ts";
import { linuxKernel } from "../../kernel/linux/linux.ts";
import { sendMessage } from "../../kernel/process/sockets.ts";
import {
  BPF_CAPABILITIES,
  type BpfCapability,
  Delegation,
  Token,
  withToken,
} from "../../token/mod.ts";
import { socketPair, waitForMessage } from "../support/processes.ts";
import { type LoadAnswer, type LoadWay, tryLoad } from "./worker.ts";

const kernel = linuxKernel();
const ANSWER = 64 * 1024;
const MOUNT = "/sys/fs/bpf";

/** Serves requests in the sandbox until the other side closes its socket. */
export async function serve(socket: number): Promise<JsonValue> {
  using token = Token.open(MOUNT, { kernel });
  for (let count = 0;; count++) {
    const request = await waitForMessage(socket, ANSWER);
    if (request === undefined || request.bytes.length === 0) return null;
    const { path, way } = JSON.parse(new TextDecoder().decode(request.bytes));
    // Each object gets a pin directory, so that pinned maps of the same name are not shared.
    const pinRoot = `${MOUNT}/${count}`;
    Deno.mkdirSync(pinRoot);
    const answer = await tryLoad(path, token, pinRoot, way);
    Deno.removeSync(pinRoot, { recursive: true });
    sendMessage(socket, new TextEncoder().encode(JSON.stringify(answer)));
  }
}

/** A process with one set of capabilities. */
class Worker implements AsyncDisposable {
  readonly #socket: number;
  readonly #running: Promise<JsonValue>;

  constructor(capabilities: readonly BpfCapability[]) {
    const [ours, theirs] = socketPair();
    this.#socket = ours;
    this.#running = withToken({
      delegation: Delegation.any,
      capabilities,
      module: import.meta.url,
      function: "serve",
      arguments: [theirs],
      descriptors: [theirs],
      onStart: () => kernel.close(theirs),
    });
    this.#running.catch(() => {});
  }

  async load(path: string, way: LoadWay): Promise<LoadAnswer> {
    const { autoload, rewrite } = way;
    const request = JSON.stringify({ path, way: { autoload, rewrite } });
    sendMessage(this.#socket, new TextEncoder().encode(request));
    const answer = await waitForMessage(this.#socket, ANSWER);
    if (answer === undefined || answer.bytes.length === 0) {
      await this.#running;
      throw new Error("the worker is gone");
    }
    return JSON.parse(new TextDecoder().decode(answer.bytes));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    kernel.poller.forget(this.#socket);
    kernel.close(this.#socket);
    await this.#running;
  }
}

/** Loads with any set of capabilities; starts the process of a set on its first use. */
export class CapabilityWorkers implements AsyncDisposable {
  readonly #workers = new Map<string, Worker>();

  /** Loads and unloads an object with these capabilities and CAP_BPF. */
  async load(
    path: string,
    capabilities: readonly BpfCapability[],
    way: LoadWay = {},
  ): Promise<LoadAnswer> {
    const set = new Set<BpfCapability>(["bpf", ...capabilities]);
    const sorted = BPF_CAPABILITIES.filter((name) => set.has(name));
    const key = sorted.join();
    let worker = this.#workers.get(key);
    if (worker === undefined) this.#workers.set(key, worker = new Worker(sorted));
    return await worker.load(path, way);
  }

  /** Ends the processes. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const worker of this.#workers.values()) await worker[Symbol.asyncDispose]();
  }
}
