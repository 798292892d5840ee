/**
 * Explains refusals that depend on the map type.
 *
 * @module
 */

import { KernelError } from "../../errors/kernel_error.ts";
import { MapType, mapTypeName } from "../../uapi/enums.ts";

/** Returns the error of a refused read of a value, with the reason if the map type is the reason. */
export function unreadable(error: KernelError, type: number): KernelError {
  const { errno, subject, command } = error;
  const sockets = type === MapType.sockmap || type === MapType.sockhash ||
    type === MapType.reuseport_sockarray;
  const why = sockets && errno === "ENOSPC"
    ? "the kernel returns sockets as cookies of eight bytes, and values of this map have four"
    : errno === "EOPNOTSUPP" || errno === "ENOTSUPP"
    ? `values of a ${nameOf(type)} cannot be read back`
    : undefined;
  if (why === undefined) return error;
  return new KernelError({
    doing: "read the values of map",
    subject,
    command,
    result: -error.number,
    why,
    fix: sockets ? "create the map with values of eight bytes" : undefined,
  }, { cause: error });
}

/** Returns the error of a refused BPF_F_CPU: EINVAL on kernels or map types without it. */
export function withoutCpuFlag(error: KernelError): KernelError {
  const { errno, subject, command, number } = error;
  if (errno !== "EINVAL") return error;
  return new KernelError({
    doing: "set one CPU's value in map",
    subject,
    command,
    result: -number,
    why: "this kernel does not support BPF_F_CPU for this map type (it needs Linux 7.0)",
    fix: "set the values of all CPUs, or write it from a program",
  }, { cause: error });
}

/** Returns the map type's name, or its number when it has no name. */
function nameOf(type: number): string {
  return mapTypeName(type) ?? `map of type ${type}`;
}
