/**
 * The client of `cycles.ts`: requests tokens many times, and aborts some of the requests.
 *
 * @module
 */

import type { JsonValue } from "../../errors/skep_error.ts";
import { SkepError } from "../../errors/mod.ts";
import { linuxKernel } from "../../kernel/linux/linux.ts";
import { Token } from "../../token/mod.ts";

/** Requests tokens a number of times; returns how often each outcome occurred. */
export function askMany(path: string, times: number): JsonValue {
  const kernel = linuxKernel();
  const { sockets } = kernel.processes;
  const outcomes: { [outcome: string]: number } = {};
  for (let time = 0; time < times; time++) {
    let outcome = "token";
    if (time % 5 === 4) {
      // Connects, sends part of a request or nothing, and disconnects.
      const socket = sockets.connect(path);
      if (socket >= 0) {
        if (time % 10 === 9) sockets.send(socket, new TextEncoder().encode('{"version":1}'));
        kernel.close(socket);
      }
      outcome = "broken off";
    } else {
      try {
        using token = Token.fromBroker(path, { kernel });
        if (token.fd < 0) outcome = "no descriptor";
      } catch (error) {
        if (!(error instanceof SkepError)) throw error;
        outcome = `refused: ${error.why.slice(0, 60)}`;
      }
    }
    outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
  }
  return outcomes;
}
