/**
 * Mounting: mount(2), fsopen(2), fsconfig(2), open_tree(2), mount_setattr(2).
 *
 * Names and numbers come from the headers of Linux and libc, and are the same on x86-64 and aarch64.
 *
 * Written by `deno task generate --headers FOLDER`. Do not edit.
 *
 * @module
 */

/** `linux/mount.h`. */
export const MS_RDONLY = 1;
/** `linux/mount.h`. */
export const MS_NOSUID = 2;
/** `linux/mount.h`. */
export const MS_NODEV = 4;
/** `linux/mount.h`. */
export const MS_NOEXEC = 0x8;
/** `linux/mount.h`. */
export const MS_REC = 0x4000;
/** `linux/mount.h`. */
export const MS_PRIVATE = 0x40000;
/** `linux/mount.h`. */
export const OPEN_TREE_CLONE = 1;
/** `linux/mount.h`. */
export const OPEN_TREE_CLOEXEC = 0x80000;
/** `linux/mount.h`. */
export const FSPICK_CLOEXEC = 1;
/** `linux/mount.h`. */
export const FSPICK_EMPTY_PATH = 8;
/** `linux/mount.h`. */
export const FSOPEN_CLOEXEC = 1;
/** `linux/mount.h`. */
export const FSMOUNT_CLOEXEC = 1;
/** `linux/mount.h`. */
export const MOVE_MOUNT_F_EMPTY_PATH = 4;
/** `linux/mount.h`. */
export const FSCONFIG_SET_FLAG = 0;
/** `linux/mount.h`. */
export const FSCONFIG_SET_STRING = 1;
/** `linux/mount.h`. */
export const FSCONFIG_CMD_CREATE = 6;
/** `linux/mount.h`. */
export const FSCONFIG_CMD_RECONFIGURE = 7;
/** `linux/mount.h`. */
export const MOUNT_ATTR_RDONLY = 1;
/** `linux/mount.h`. */
export const MOUNT_ATTR_NOSUID = 2;
/** `linux/mount.h`. */
export const MOUNT_ATTR_NODEV = 4;
/** `linux/mount.h`. */
export const MOUNT_ATTR_IDMAP = 0x100000;
/** `linux/mount.h`. */
export const MOUNT_ATTR_SIZE_VER0 = 32;
/** `sys/mount.h`. */
export const MNT_DETACH = 2;
