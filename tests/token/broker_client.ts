/**
 * Well-behaved and hostile clients of a broker; `withToken()` calls each in a new user namespace.
 *
 * @module
 */

import type { JsonValue } from "../../errors/skep_error.ts";
import { Errno, failed } from "../../uapi/errno.ts";
import { KernelError } from "../../errors/kernel_error.ts";
import { linuxKernel } from "../../kernel/linux/linux.ts";
import { connectTo, receiveMessage, sendMessage } from "../../kernel/process/sockets.ts";
import { openFilesystem } from "../../kernel/process/mounts.ts";
import { Delegation, type DelegationWords, resolveToken, Token } from "../../token/mod.ts";

const kernel = linuxKernel();

/** Sends one request; returns what the token allows, or why it was refused. */
export function ask(path: string, need?: DelegationWords): JsonValue {
  try {
    using token = Token.fromBroker(path, {
      kernel,
      label: "test",
      need: need === undefined ? undefined : Delegation.of(need),
    });
    const map = kernel.mapCreate({
      type: 1,
      keySize: 4,
      valueSize: 4,
      maxEntries: 1,
      tokenFd: token.fd,
    });
    if (map >= 0) kernel.close(map);
    return { allows: token.info()?.toMountOptions() ?? null, map: map >= 0 };
  } catch (error) {
    if (!(error instanceof KernelError)) throw error;
    return { refused: error.why };
  }
}

/** Returns how `token: "auto"` found its token, without the environment variable for a mount. */
export function auto(): JsonValue {
  Deno.env.delete("LIBBPF_BPF_TOKEN_PATH");
  const { token, owned, how } = resolveToken(kernel, "auto");
  if (owned) token?.[Symbol.dispose]();
  return how;
}

/** The answer to raw bytes, and the number of descriptors received with it. */
interface RawAnswer {
  readonly text: string;
  readonly descriptors: number;
}

function raw(path: string, bytes: Uint8Array, descriptors: readonly number[] = []): RawAnswer {
  const socket = connectTo(path);
  if (socket < 0) return { text: `connect ${socket}`, descriptors: 0 };
  const sent = sendMessage(socket, bytes, descriptors);
  kernel.poller.poll(socket, 3000);
  const message = receiveMessage(socket, 4096);
  kernel.close(socket);
  if (typeof message === "number") {
    return { text: `send ${sent} receive ${message}`, descriptors: 0 };
  }
  for (const fd of message.descriptors) kernel.close(fd);
  return {
    text: new TextDecoder().decode(message.bytes),
    descriptors: message.descriptors.length,
  };
}

/** Sends malformed and hostile requests. Only the one named "as long as allowed" may be answered with a descriptor. */
export function hostile(path: string): JsonValue {
  const text = (value: string): Uint8Array => new TextEncoder().encode(value);
  const answers: { [name: string]: RawAnswer } = {};
  const good = '{"version":1,"need":{"commands":"0x1","maps":"0x2"}}';
  const messages: { [name: string]: Uint8Array } = {
    "one byte": text("x"),
    "half a message": text(good.slice(0, 20)),
    "not UTF-8": new Uint8Array([0xff, 0xfe, 0x00, 0x80]),
    "zeroes": new Uint8Array(100),
    "too long": text(`${good}${" ".repeat(5000)}`),
    "as long as allowed": text(`${good}${" ".repeat(4096 - good.length)}`),
    "a list": text("[1,2,3]"),
    "null": text("null"),
    "deep": text("[".repeat(4000)),
    "another version": text(good.replace("1", "2")),
    "no version": text('{"need":{}}'),
    "unknown part": text('{"version":1,"uid":0}'),
    "prototype": text('{"version":1,"__proto__":{"need":{}}}'),
    "mask of text": text('{"version":1,"need":{"commands":"any"}}'),
    "negative mask": text('{"version":1,"need":{"commands":"-0x1"}}'),
    "long mask": text(`{"version":1,"need":{"commands":"0x${"f".repeat(17)}"}}`),
    "mask of number": text('{"version":1,"need":{"commands":1}}'),
    "unknown set": text('{"version":1,"need":{"caps":"0x1"}}'),
    "everything": text(
      `{"version":1,"need":{${
        ["commands", "maps", "programs", "attachments"].map((set) =>
          `"${set}":"0x${"f".repeat(16)}"`
        )
      }}}`,
    ),
    "nothing": text('{"version":1,"need":{}}'),
    "long label": text(`{"version":1,"label":"${"x".repeat(100)}"}`),
    "escape codes": text('{"version":1,"label":"\\u001b[2J","need":{"programs":"0x4000000"}}'),
  };
  for (const [name, bytes] of Object.entries(messages)) answers[name] = raw(path, bytes);
  const files = Array.from({ length: 200 }, () => kernel.open("/dev/null"));
  answers["many descriptors"] = raw(path, text(good), files);
  for (const fd of files) kernel.close(fd);
  const context = openFilesystem("bpf");
  answers["a context"] = raw(path, text(good), [context]);
  kernel.close(context);
  return answers as unknown as JsonValue;
}

/** Disconnects at each step of a request, and holds many connections without sending. */
export function vanish(path: string, connections: number): JsonValue {
  const held: number[] = [];
  let turnedAway = 0;
  for (let count = 0; count < connections; count++) {
    const socket = connectTo(path);
    if (failed(socket, Errno.EAGAIN)) {
      kernel.poller.poll(0, 1);
      continue;
    }
    if (socket < 0) return { failed: socket };
    switch (count % 4) {
      case 0:
        kernel.close(socket);
        break;
      case 1:
        sendMessage(socket, new TextEncoder().encode('{"version":1}'));
        kernel.close(socket);
        break;
      case 2:
        sendMessage(socket, new Uint8Array(1));
        kernel.close(socket);
        break;
      default:
        if (held.length < 100) held.push(socket);
        else kernel.close(socket);
    }
  }
  for (const socket of held) {
    if (kernel.poller.poll(socket, 0)) turnedAway++;
    kernel.close(socket);
  }
  return { turnedAway };
}

/** Sends a request and exits before it reads the answer. */
export function execAway(path: string): JsonValue {
  const socket = connectTo(path);
  sendMessage(socket, new TextEncoder().encode('{"version":1}'));
  // The answer is not read, so the process ends with the descriptor in flight.
  Deno.exit(0);
}

/** Sends a request from a user namespace within this one. */
export async function nested(path: string): Promise<JsonValue> {
  const code = `import { ask } from ${JSON.stringify(import.meta.url)};
    console.log(JSON.stringify(ask(${JSON.stringify(path)})));`;
  try {
    const { stdout } = await new Deno.Command("unshare", {
      args: ["--user", Deno.execPath(), "eval", "--quiet", code],
      stderr: "inherit",
    }).output();
    return JSON.parse(new TextDecoder().decode(stdout));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return { missing: true };
    throw error;
  }
}
