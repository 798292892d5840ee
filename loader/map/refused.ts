/**
 * Why a map type refuses what others do.
 *
 * @module
 */

import { KernelError } from "../../errors/kernel_error.ts";
import { MapType, mapTypeName } from "../../uapi/enums.ts";

/** A refused read of a value, with the reason where it is the map's type. */
export function unreadable(error: KernelError, type: number): KernelError {
  const { errno, subject, command } = error;
  const sockets = type === MapType.sockmap || type === MapType.sockhash ||
    type === MapType.reuseport_sockarray;
  const why = sockets && errno === "ENOSPC"
    ? "the kernel gives sockets back as cookies of eight bytes, and its values have four"
    : errno === "EOPNOTSUPP" || errno === "ENOTSUPP"
    ? `what a ${nameOf(type)} holds cannot be read back`
    : undefined;
  if (why === undefined) return error;
  return new KernelError({
    doing: "read the values of map",
    subject,
    command,
    result: -error.number,
    why,
    fix: sockets ? "give the map values of eight bytes" : undefined,
  }, { cause: error });
}

/** A refused BPF_F_CPU: a kernel that does not know it answers EINVAL, and has nothing in its place. */
export function withoutCpuFlag(error: KernelError): KernelError {
  const { errno, subject, command, number } = error;
  if (errno !== "EINVAL") return error;
  return new KernelError({
    doing: "set one CPU's value in map",
    subject,
    command,
    result: -number,
    why: "this kernel does not know BPF_F_CPU, or not for this type of map",
    fix: "set the values of all CPUs, or write it from a program",
  }, { cause: error });
}

/** The kernel's name of a map type, or its number. */
function nameOf(type: number): string {
  return mapTypeName(type) ?? `map of type ${type}`;
}
