/**
 * The messages between a broker and its clients, and the client.
 *
 * Imports: uapi, errors, plan, kernel.
 *
 * @module
 */
