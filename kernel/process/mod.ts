/**
 * Child processes, namespaces, mounts and sockets: `Processes` implemented with system calls.
 *
 * Imports: uapi, errors, kernel, kernel/linux/ffi.
 *
 * @module
 */

export { linuxProcesses } from "./linux_processes.ts";
