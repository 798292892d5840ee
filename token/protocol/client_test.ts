import { assertEquals, assertThrows } from "@std/assert";
import { KernelError } from "../../errors/kernel_error.ts";
import { FakeKernel } from "../../kernel/fake/fake.ts";
import { Delegation } from "../../plan/delegation.ts";
import { requestToken } from "./client.ts";
import { encodeAnswer } from "./protocol.ts";

/** A kernel whose broker has answered before the client receives. */
class AnsweringKernel extends FakeKernel {
  constructor(answer: Uint8Array, withToken: boolean) {
    super();
    const { sockets } = this.processes;
    const listener = sockets.listen("/s");
    const connect = sockets.connect.bind(sockets);
    sockets.connect = (path: string): number => {
      const socket = connect(path);
      if (socket < 0) return socket;
      const ours = sockets.accept(listener);
      const token = this.addDescriptor({ kind: "token", name: "t" });
      sockets.send(ours, answer, withToken ? [token] : []);
      this.close(token);
      return socket;
    };
  }
}

const granted = encodeAnswer({ granted: Delegation.of({ maps: ["hash"] }) });

Deno.test("a client retries while the broker's queue is full, until its timeout", () => {
  const kernel = new AnsweringKernel(granted, true);
  kernel.inject({ command: "connect", errno: "EAGAIN", nth: 1 })
    .inject({ command: "connect", errno: "EAGAIN", nth: 1 });
  const { fd } = requestToken(kernel, "/s", { timeout: 1000 });
  assertEquals(kernel.object(fd)?.kind, "token");
  assertEquals(kernel.commands().filter((command) => command === "connect").length, 3);
  const full = new AnsweringKernel(granted, true);
  full.inject({ command: "connect", errno: "EAGAIN" });
  assertThrows(() => requestToken(full, "/s", { timeout: 20 }), KernelError, "EAGAIN");
});

Deno.test("a client refused before its request was read receives the answer after the error", () => {
  const kernel = new AnsweringKernel(encodeAnswer({ refused: "the broker is busy" }), false);
  kernel.inject({ command: "recvmsg", errno: "ECONNRESET", nth: 1 });
  assertThrows(
    () => requestToken(kernel, "/s", { timeout: 1000 }),
    KernelError,
    "the broker refused: the broker is busy",
  );
});
