/**
 * What a command answers.
 *
 * @module
 */

/** Zero or more (often a file descriptor) for success, `-errno` for a refusal. */
export type Result = number;
