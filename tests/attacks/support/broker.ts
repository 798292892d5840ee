/**
 * The attacked broker: `skep broker` as a child process, as users start it.
 *
 * @module
 */

import { assert } from "@std/assert";
import type { JsonValue } from "../../../errors/skep_error.ts";
import { Attacker, type Facts } from "./attacker.ts";
import { type Limits, policyText, type Rule } from "./policy.ts";
import { kill, patience, readText, skep, sleep, until } from "./under_test.ts";

/** One line of the audit log. */
export type AuditLine = { readonly [key: string]: JsonValue };

/** Options to start a broker. */
export interface BrokerOptions {
  /** Rules of the policy. */
  readonly rules: readonly Rule[];
  /** Limits of the policy. */
  readonly limits?: Limits | undefined;
  /** Command that runs the broker's command line, for example `sh -c …`. */
  readonly wrapper?: readonly string[] | undefined;
  /** Existing folder for the socket and the policy; a new temporary folder when absent. */
  readonly folder?: string | undefined;
}

/** A running broker. */
export class Broker implements AsyncDisposable {
  /** Folder of the broker, which all users may enter. */
  readonly folder: string;
  /** Path of the socket. */
  readonly socket: string;
  /** Audit records written so far. */
  readonly audit: AuditLine[] = [];
  /** Size of the audit log in bytes. */
  auditBytes = 0;
  /** Text written to standard error. */
  errors = "";
  readonly #child: Deno.ChildProcess;
  readonly #ownsFolder: boolean;
  readonly #audit: ReadableStreamDefaultReader<Uint8Array>;
  #ended: Deno.CommandStatus | undefined;
  #resume: PromiseWithResolvers<void> | undefined;

  private constructor(folder: string, options: BrokerOptions) {
    this.folder = folder;
    this.#ownsFolder = options.folder === undefined;
    this.socket = `${folder}/broker.sock`;
    const policy = `${folder}/policy.json`;
    Deno.writeTextFileSync(policy, policyText(options.rules, options.limits));
    const [program = "", ...args] = [
      ...options.wrapper ?? [],
      ...[...skep, "broker", "--socket", this.socket, "--policy", policy],
    ];
    this.#child = new Deno.Command(program, {
      args,
      env: { NO_COLOR: "1" },
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.#audit = this.#child.stdout.getReader();
    this.#readAudit();
    this.#readErrors();
    this.#child.status.then((status) => this.#ended = status);
  }

  /** Starts a broker and waits until it accepts requests. */
  static async start(options: BrokerOptions): Promise<Broker> {
    const folder = options.folder ?? await Deno.makeTempDir({ prefix: "skep-attack-" });
    await Deno.chmod(folder, 0o755);
    const broker = new Broker(folder, options);
    const started = await until(
      () => broker.audit.some(({ event }) => event === "started") || broker.#ended !== undefined,
      15,
    );
    if (!started || broker.#ended !== undefined) {
      const { errors } = broker;
      await broker[Symbol.asyncDispose]();
      throw new Error(`the broker did not start: ${errors}`);
    }
    return broker;
  }

  async #readAudit(): Promise<void> {
    const decoder = new TextDecoder();
    let rest = "";
    for (;;) {
      await this.#resume?.promise;
      const { value } = await this.#audit.read().catch(() => ({ value: undefined }));
      if (value === undefined) return;
      this.auditBytes += value.length;
      const lines = (rest + decoder.decode(value, { stream: true })).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) this.audit.push(JSON.parse(line));
    }
  }

  async #readErrors(): Promise<void> {
    for await (const text of this.#child.stderr.pipeThrough(new TextDecoderStream())) {
      this.errors += text;
    }
  }

  /** Process id of the broker. */
  get pid(): number {
    return this.#child.pid;
  }

  /** Whether the broker is running. */
  get alive(): boolean {
    return this.#ended === undefined;
  }

  /** Closes the reading end of the audit log. */
  async breakAudit(): Promise<void> {
    await this.#audit.cancel();
  }

  /** Stops reading the audit log until {@linkcode resumeAudit}; the pipe holds 64 KiB. */
  pauseAudit(): void {
    this.#resume = Promise.withResolvers();
  }

  /** Resumes reading the audit log. */
  resumeAudit(): void {
    this.#resume?.resolve();
    this.#resume = undefined;
  }

  /** Number of grants in the audit log. */
  get granted(): number {
    return this.audit.filter(({ event }) => event === "granted").length;
  }

  /** Returns the pids of the broker and its descendants. */
  pids(): number[] {
    const found = [this.pid];
    for (let index = 0; index < found.length; index++) {
      for (const task of names(`/proc/${found[index]}/task`)) {
        const children = readText(`/proc/${found[index]}/task/${task}/children`) ?? "";
        found.push(...children.split(" ").filter((pid) => pid !== "").map(Number));
      }
    }
    return found;
  }

  /** Returns the targets of the broker's descriptors. Reads only the links in /proc and opens no descriptor. */
  descriptors(): string[] {
    return this.pids().flatMap((pid) =>
      names(`/proc/${pid}/fd`).flatMap((fd) => {
        try {
          return [Deno.readLinkSync(`/proc/${pid}/fd/${fd}`)];
        } catch {
          return [];
        }
      })
    );
  }

  /** Waits until the broker has no more descriptors than before; returns the surplus after the given seconds. */
  async descriptorsOver(before: number, seconds: number = 3): Promise<number> {
    await until(() => this.descriptors().length <= before, seconds);
    return Math.max(0, this.descriptors().length - before);
  }

  /** Sends SIGTERM and waits the given seconds; returns whether the broker exited by itself. */
  async end(seconds: number = 5): Promise<boolean> {
    kill(this.pid, "SIGTERM");
    return await until(() => this.#ended !== undefined, seconds);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.resumeAudit();
    const pids = this.pids();
    if (this.#ended === undefined && !await this.end(3)) {
      for (const pid of pids.reverse()) {
        kill(pid, "SIGCONT");
        kill(pid, "SIGKILL");
      }
    }
    await this.#child.status;
    await sleep(20);
    if (this.#ownsFolder) await Deno.remove(this.folder, { recursive: true });
  }
}

function names(folder: string): string[] {
  try {
    return [...Deno.readDirSync(folder)].map(({ name }) => name);
  } catch {
    return [];
  }
}

/** Options of an honest client. */
export interface HonestOptions {
  /** Uid of the client, which owns its user namespace. */
  readonly uid: number;
  /** Request to send. */
  readonly request: string;
  /** Timeout for the answer in seconds. @default {5} */
  readonly seconds?: number | undefined;
}

/**
 * Sends one request as an honest client: an ordinary user in a new user and network namespace. `answer` is
 * the broker's text, `token` whether a token arrived, `map` the result of creating a hash map with it.
 */
export async function askHonestly(broker: Broker, options: HonestOptions): Promise<Facts> {
  const { uid, request, seconds = 5 } = options;
  await using client = new Attacker("honest", [broker.socket, uid, request, seconds * patience]);
  return await client.ended(seconds + 5);
}

/** Sends an honest request and throws unless the broker issues a working token. */
export async function expectService(
  broker: Broker,
  options: HonestOptions,
  when: string,
): Promise<void> {
  const { answer = "", token, map } = await askHonestly(broker, options);
  assert(
    token === "yes" && map === "ok",
    `${when}, an honest client got no token that works: ${answer}; the broker said: ${broker.errors}`,
  );
}
