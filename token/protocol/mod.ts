/**
 * The messages between a broker and its clients, and the client's side of them.
 *
 * Imports: uapi, errors, plan, kernel.
 *
 * @module
 */
