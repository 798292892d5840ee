/**
 * A broker that is attacked: `skep broker` in a process of its own, as users start it.
 *
 * @module
 */

import { assert } from "@std/assert";
import type { JsonValue } from "../../../errors/skep_error.ts";
import { Attacker, type Facts } from "./attacker.ts";
import { type Limits, policyText, type Rule } from "./policy.ts";
import { kill, patience, readText, skep, sleep, until } from "./under_test.ts";

/** A line of the audit. */
export type AuditLine = { readonly [key: string]: JsonValue };

/** How a broker is started. */
export interface BrokerOptions {
  /** Its rules. */
  readonly rules: readonly Rule[];
  /** Its bounds. */
  readonly limits?: Limits | undefined;
  /** What the program is run by, `sh -c …` for example. */
  readonly wrapper?: readonly string[] | undefined;
  /** A folder that exists, for its socket and policy; default one of its own. */
  readonly folder?: string | undefined;
}

/** A broker that runs. */
export class Broker implements AsyncDisposable {
  /** Its folder, which everybody may enter. */
  readonly folder: string;
  /** Its socket. */
  readonly socket: string;
  /** What it wrote to its audit. */
  readonly audit: AuditLine[] = [];
  /** Bytes of its audit. */
  auditBytes = 0;
  /** What it wrote to standard error. */
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

  /** Starts one and waits until it can be asked. */
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

  /** Its pid. */
  get pid(): number {
    return this.#child.pid;
  }

  /** Whether it runs. */
  get alive(): boolean {
    return this.#ended === undefined;
  }

  /** Nobody reads its audit from here on. */
  async breakAudit(): Promise<void> {
    await this.#audit.cancel();
  }

  /** Nobody reads its audit until {@linkcode resumeAudit}: a pipe holds 64 KiB. */
  pauseAudit(): void {
    this.#resume = Promise.withResolvers();
  }

  /** Its audit is read again. */
  resumeAudit(): void {
    this.#resume?.resolve();
    this.#resume = undefined;
  }

  /** How many tokens it has recorded as given. */
  get granted(): number {
    return this.audit.filter(({ event }) => event === "granted").length;
  }

  /** The processes that it consists of: it, and those below it. */
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

  /** What its descriptors lead to. Only the links' texts are read: no descriptor is opened. */
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

  /** Waits until it has no more descriptors than before: how many more it has after so many seconds. */
  async descriptorsOver(before: number, seconds: number = 3): Promise<number> {
    await until(() => this.descriptors().length <= before, seconds);
    return Math.max(0, this.descriptors().length - before);
  }

  /** Asks it to end, and waits so many seconds: whether it did, by itself. */
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

/** How an honest client is. */
export interface HonestOptions {
  /** Its uid, which owns its user namespace. */
  readonly uid: number;
  /** Its request. */
  readonly request: string;
  /** Seconds that it waits for the answer. @default {5} */
  readonly seconds?: number | undefined;
}

/**
 * An honest client: an ordinary user in a user and network namespace of its own asks once. `answer` is
 * the broker's text, `token` whether one came, `map` what making a hash with it came to.
 */
export async function askHonestly(broker: Broker, options: HonestOptions): Promise<Facts> {
  const { uid, request, seconds = 5 } = options;
  await using client = new Attacker("honest", [broker.socket, uid, request, seconds * patience]);
  return await client.ended(seconds + 5);
}

/** Asks honestly, and fails when the broker does not give a token that works. */
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
