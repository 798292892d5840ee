/**
 * The result of a command.
 *
 * @module
 */

/** Zero or more (often a file descriptor) for success, `-errno` for a refusal. */
export type Result = number;
