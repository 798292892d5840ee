/**
 * Kernels for tests: one in memory, and one that replays a recording of a real kernel.
 *
 * Imports: uapi, errors, kernel.
 *
 * @module
 */

export * from "./fake.ts";
export type * from "./ground.ts";
export * from "./machine.ts";
export { FakeMap } from "./maps.ts";
export * from "./poller.ts";
export * from "./processes.ts";
export * from "./recording.ts";
export type { FakeRing } from "./ring.ts";
export { FakeSockets } from "./sockets.ts";
