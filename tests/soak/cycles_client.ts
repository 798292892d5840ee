/**
 * The client of `cycles.ts`: asks a broker many times, and breaks off some of the requests.
 *
 * @module
 */

import type { JsonValue } from "../../errors/skep_error.ts";
import { SkepError } from "../../errors/mod.ts";
import { linuxKernel } from "../../kernel/linux/linux.ts";
import { Token } from "../../token/mod.ts";

/** Asks so many times; how often what came of it. */
export function askMany(path: string, times: number): JsonValue {
  const kernel = linuxKernel();
  const { sockets } = kernel.processes;
  const outcomes: { [outcome: string]: number } = {};
  for (let time = 0; time < times; time++) {
    let outcome = "token";
    if (time % 5 === 4) {
      // Connects, says something or nothing, and goes.
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
