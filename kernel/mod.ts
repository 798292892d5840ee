/**
 * The one seam to Linux: the {@linkcode Kernel} interface, Linux itself behind it, and stand-ins for
 * tests.
 *
 * @module
 */

export { type ErrorFacts, type JsonValue, SkepError, type Stage } from "../elf/error.ts";
export * from "./errno.ts";
export * from "./error.ts";
export * from "./kernel.ts";
export * from "./mapping.ts";
export * from "./poller.ts";
export * from "./linux.ts";
export * from "./fake.ts";
export * from "./fake_machine.ts";
export { FakeMap } from "./fake_maps.ts";
export * from "./fake_poller.ts";
export * from "./recording.ts";
