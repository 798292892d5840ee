/**
 * A process in a sandbox that loads objects with one delegation after the other: it opens each filesystem
 * context inside the sandbox, and the privileged side configures it.
 *
 * @module
 */

import { type JsonValue, SkepError } from "../../errors/skep_error.ts";
import { linuxKernel } from "../../kernel/linux/linux.ts";
import {
  createFilesystem,
  mountFilesystem,
  openFilesystem,
  setFilesystemOption,
} from "../../kernel/process/mounts.ts";
import { sendMessage } from "../../kernel/process/sockets.ts";
import { BpfObject, openObject } from "../../loader/mod.ts";
import {
  BPF_CAPABILITIES,
  Delegation,
  type DelegationMasks,
  type Rewrite,
  Token,
  withToken,
} from "../../token/mod.ts";
import { socketPair, waitForMessage } from "../support/processes.ts";
import { architectures } from "../../uapi/architecture.ts";

const kernel = linuxKernel();
const { O_DIRECTORY } = architectures[Deno.build.arch];
const ANSWER = 64 * 1024;

/** Result of one load. */
export interface LoadAnswer {
  /** Whether the object was loaded. */
  readonly ok: boolean;
  /** Message of the error. */
  readonly message?: string | undefined;
  /** Stage of the error. */
  readonly stage?: string | undefined;
  /** Cause of the refusal (`data.reason` of the error). */
  readonly reason?: string | undefined;
  /** Names of the programs in the kernel. */
  readonly programs?: readonly string[] | undefined;
  /** Names of the maps in the kernel. */
  readonly maps?: readonly string[] | undefined;
}

/** Options of one load. */
export interface LoadWay {
  /** Names of the programs to load. @default {the programs that the object loads by default} */
  readonly autoload?: readonly string[] | undefined;
  /** When the loader rewrites programs for the token. */
  readonly rewrite?: Rewrite | undefined;
}

/** Loads an object and unloads it; with `autoload`, loads only those programs. */
export async function tryLoad(
  path: string,
  token: Token | false,
  pinRoot: string,
  way: LoadWay = {},
): Promise<LoadAnswer> {
  const { autoload, rewrite = "for-token" } = way;
  try {
    const spec = await openObject(path);
    if (autoload !== undefined) {
      for (const program of spec.programs) program.autoload = autoload.includes(program.name);
    }
    using object = await BpfObject.load(spec, { token, pinRoot, rewrite, logLevel: "none" });
    return {
      ok: true,
      programs: [...object.programs].map((program) => program.info().name),
      maps: [...object.maps].map((map) => map.info().name),
    };
  } catch (error) {
    if (!(error instanceof SkepError)) throw error;
    const reason = error.data["reason"];
    return {
      ok: false,
      message: error.message.slice(0, 2000),
      stage: error.stage,
      reason: typeof reason === "string" ? reason : undefined,
    };
  }
}

/** Serves requests in the sandbox until the other side closes its socket. */
export async function serve(socket: number): Promise<JsonValue> {
  for (;;) {
    const request = await waitForMessage(socket, ANSWER);
    if (request === undefined || request.bytes.length === 0) return null;
    const { path, way } = JSON.parse(new TextDecoder().decode(request.bytes));
    const context = openFilesystem("bpf");
    sendMessage(socket, new Uint8Array(1), [context]);
    await waitForMessage(socket, ANSWER);
    const mount = mountFilesystem(context);
    const directory = kernel.open(".", O_DIRECTORY, mount);
    let answer: LoadAnswer;
    try {
      using token = Token.create(directory, { kernel });
      answer = await tryLoad(path, token, `/proc/self/fd/${directory}`, way);
    } catch (error) {
      answer = { ok: false, message: String(error), reason: "no-token" };
    }
    for (const fd of [directory, mount, context]) kernel.close(fd);
    sendMessage(socket, new TextEncoder().encode(JSON.stringify(answer)));
  }
}

/** The privileged side. */
export class TokenWorker implements AsyncDisposable {
  readonly #socket: number;
  readonly #running: Promise<JsonValue>;

  /** Starts the process, with all BPF capabilities in the sandbox. */
  constructor() {
    const [ours, theirs] = socketPair();
    this.#socket = ours;
    this.#running = withToken({
      delegation: Delegation.none,
      // It mounts a bpffs for each token, which takes CAP_SYS_ADMIN inside.
      capabilities: BPF_CAPABILITIES,
      module: import.meta.url,
      function: "serve",
      arguments: [theirs],
      descriptors: [theirs],
      onStart: () => kernel.close(theirs),
    });
    this.#running.catch(() => {});
  }

  /** Loads an object in the sandbox with a token of exactly this delegation. */
  async load(
    path: string,
    delegation: DelegationMasks,
    way: LoadWay = {},
  ): Promise<LoadAnswer> {
    sendMessage(this.#socket, new TextEncoder().encode(JSON.stringify({ path, way })));
    const asked = await waitForMessage(this.#socket, ANSWER);
    const context = asked?.descriptors[0];
    if (context === undefined) {
      await this.#running;
      throw new Error("the worker is gone");
    }
    for (const { key, value } of new Delegation(delegation).toFsconfig()) {
      setFilesystemOption(context, key, value);
    }
    const created = createFilesystem(context);
    kernel.close(context);
    if (created < 0) throw new Error(`fsconfig: ${created}`);
    sendMessage(this.#socket, new Uint8Array(1));
    const answer = await waitForMessage(this.#socket, ANSWER);
    if (answer === undefined || answer.bytes.length === 0) throw new Error("the worker is gone");
    return JSON.parse(new TextDecoder().decode(answer.bytes));
  }

  /** Ends the process. */
  async [Symbol.asyncDispose](): Promise<void> {
    kernel.poller.forget(this.#socket);
    kernel.close(this.#socket);
    await this.#running;
  }
}
