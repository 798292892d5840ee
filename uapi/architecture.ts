/**
 * Constants whose values depend on the architecture.
 *
 * Written by `deno task generate --headers FOLDER`. Do not edit.
 *
 * @module
 */

/** A supported architecture, named as the kernel does in `uname -m`. */
export type Architecture = "x86_64" | "aarch64";

/** The numbers by architecture. */
export const architectures = {
  x86_64: {
    /** `linux/fcntl.h`. */
    O_DIRECTORY: 0o200000,
    /** `linux/eventpoll.h`. */
    EPOLL_EVENT_SIZE: 12,
    /** `linux/eventpoll.h`. */
    EPOLL_EVENT_DATA: 4,
  },
  aarch64: {
    /** `linux/fcntl.h`. */
    O_DIRECTORY: 0o40000,
    /** `linux/eventpoll.h`. */
    EPOLL_EVENT_SIZE: 16,
    /** `linux/eventpoll.h`. */
    EPOLL_EVENT_DATA: 0x8,
  },
} as const;

/** Returns the numbers of a machine by its `uname -m`; those of x86-64 for an unknown one. */
export function numbersOf(machine: string): typeof architectures[Architecture] {
  return architectures[machine === "aarch64" ? "aarch64" : "x86_64"];
}
