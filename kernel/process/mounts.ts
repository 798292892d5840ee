/**
 * File systems through the mount API of Linux 5.2: open a context, configure it, mount it, move it.
 *
 * Every function returns a descriptor or 0, or `-errno`.
 *
 * @module
 */

import type { Result } from "../result.ts";
import { native } from "../linux/ffi/native.ts";
import { systemCalls } from "../linux/ffi/syscalls.ts";
import {
  FSCONFIG_CMD_CREATE,
  FSCONFIG_CMD_RECONFIGURE,
  FSCONFIG_SET_STRING,
  FSPICK_CLOEXEC,
  FSPICK_EMPTY_PATH,
  MOVE_MOUNT_F_EMPTY_PATH,
} from "../../uapi/mounts.ts";
import { AT_FDCWD } from "../../uapi/files.ts";

/** fsopen(2): opens a context for a new file system in the caller's user namespace. */
export function openFilesystem(type: string): Result {
  using frame = native().frame();
  return native().call(systemCalls.fsopen, frame.text(type), 1);
}

/** fspick(2): opens a context for the file system mounted at the directory. */
export function pickFilesystem(directoryFd: number): Result {
  using frame = native().frame();
  const flags = FSPICK_CLOEXEC | FSPICK_EMPTY_PATH;
  return native().call(systemCalls.fspick, directoryFd, frame.text(""), flags);
}

/** fsconfig(2) with FSCONFIG_SET_STRING; EINVAL for values of more than 255 bytes. */
export function setFilesystemOption(contextFd: number, key: string, value: string): Result {
  using frame = native().frame();
  return native().call(
    systemCalls.fsconfig,
    contextFd,
    FSCONFIG_SET_STRING,
    frame.text(key),
    frame.text(value),
    0,
  );
}

/** fsconfig(2) with FSCONFIG_CMD_CREATE. A refused context cannot be used again. */
export function createFilesystem(contextFd: number): Result {
  return native().call(systemCalls.fsconfig, contextFd, FSCONFIG_CMD_CREATE, 0, 0, 0);
}

/** fsconfig(2) with FSCONFIG_CMD_RECONFIGURE. */
export function reconfigureFilesystem(contextFd: number): Result {
  return native().call(systemCalls.fsconfig, contextFd, FSCONFIG_CMD_RECONFIGURE, 0, 0, 0);
}

/** fsmount(2): returns a detached mount as an O_PATH descriptor. */
export function mountFilesystem(contextFd: number, attributes: number = 0): Result {
  return native().call(systemCalls.fsmount, contextFd, 1, attributes);
}

/** move_mount(2): attaches a mount at a path. */
export function moveMount(mountFd: number, path: string): Result {
  using frame = native().frame();
  return native().call(
    systemCalls.move_mount,
    mountFd,
    frame.text(""),
    AT_FDCWD,
    frame.text(path),
    MOVE_MOUNT_F_EMPTY_PATH,
  );
}
