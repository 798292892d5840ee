/**
 * Probes for permissions that create nothing, whatever the result.
 *
 * Each call has a fault that the kernel detects only after it has checked the token and the capabilities:
 * EPERM means no, any other error means yes. Measured on Linux 6.12, 6.18 and 7.2.
 *
 * @module
 */

import { Errno, failed } from "../../uapi/errno.ts";
import type { Kernel, MapCreate } from "../../kernel/kernel.ts";
import { MapType, mapTypeName } from "../../uapi/enums.ts";
import { BPF_F_MMAPABLE, BPF_F_NO_PREALLOC } from "../../uapi/bpf_flags.ts";

/**
 * Returns whether the kernel's permission checks passed. ENOSYS comes from a filter, or from a kernel
 * without bpf(2).
 */
function isAnswered(result: number): boolean {
  return !failed(result, Errno.EPERM, Errno.ENOSYS);
}

/** A lone `exit`: the verifier refuses it because r0 is not set. */
const EXIT: Uint8Array = new Uint8Array([0x95, 0, 0, 0, 0, 0, 0, 0]);

/** Returns whether token and capabilities permit loading a program of the type and attach type. */
export function mayLoadProgram(
  kernel: Kernel,
  type: number,
  attachType: number,
  tokenFd?: number,
): boolean {
  const { result } = kernel.programLoadSync({
    type,
    instructions: EXIT,
    license: "GPL",
    expectedAttachType: attachType === 0 ? undefined : attachType,
    tokenFd,
  });
  // The load cannot succeed; if it did, its descriptor must not leak.
  if (result >= 0) kernel.close(result);
  return isAnswered(result);
}

/**
 * Returns whether the token delegates the program type and attach type and CAP_BPF is present, regardless
 * of the capabilities that the type also requires: the kernel refuses a program without instructions
 * between the two checks.
 */
export function hasWordsForProgram(
  kernel: Kernel,
  type: number,
  attachType: number,
  tokenFd?: number,
): boolean {
  const { result } = kernel.programLoadSync({
    type,
    instructions: new Uint8Array(0),
    license: "GPL",
    expectedAttachType: attachType === 0 ? undefined : attachType,
    tokenFd,
  });
  if (result >= 0) kernel.close(result);
  return isAnswered(result);
}

/** Returns whether token and capabilities permit creating a map of the type. */
export function mayCreateMap(
  kernel: Kernel,
  type: number,
  tokenFd?: number,
  attributes: Omit<MapCreate, "type" | "tokenFd" | "name"> = plausibleMap(type),
): boolean {
  const result = kernel.mapCreate({
    ...attributes,
    type,
    name: "bad name",
    tokenFd,
  });
  if (result >= 0) kernel.close(result);
  return isAnswered(result);
}

/** Returns whether token and capabilities permit loading BTF. */
export function mayLoadBtf(kernel: Kernel, tokenFd?: number): boolean {
  const { result } = kernel.btfLoad({
    bytes: new Uint8Array(1),
    tokenFd,
  });
  if (result >= 0) kernel.close(result);
  return isAnswered(result);
}

/** Returns attributes that are valid for the map type, so that the kernel does not refuse them first. */
export function plausibleMap(type: number): Omit<MapCreate, "type" | "tokenFd" | "name"> {
  const name = mapTypeName(type);
  const map = { keySize: 4, valueSize: 4, maxEntries: 1 };
  switch (type) {
    case MapType.stack_trace:
      return { ...map, valueSize: 8 };
    case MapType.lpm_trie:
      return { ...map, keySize: 8, flags: BPF_F_NO_PREALLOC };
    case MapType.queue:
    case MapType.stack:
    case MapType.bloom_filter:
      return { ...map, keySize: 0 };
    case MapType.ringbuf:
    case MapType.user_ringbuf:
      return { keySize: 0, valueSize: 0, maxEntries: 4096 };
    case MapType.reuseport_sockarray:
      return { ...map, valueSize: 8 };
    case MapType.arena:
      return { keySize: 0, valueSize: 0, maxEntries: 1, flags: BPF_F_MMAPABLE };
    case MapType.struct_ops:
      return { ...map, vmlinuxValueTypeId: 1 };
    case MapType.cgroup_storage:
    case MapType.percpu_cgroup_storage:
      return { ...map, keySize: 8, maxEntries: 0 };
    default:
      return name?.endsWith("_storage") === true
        ? { ...map, maxEntries: 0, flags: BPF_F_NO_PREALLOC, keyTypeId: 1, valueTypeId: 1 }
        : map;
  }
}
