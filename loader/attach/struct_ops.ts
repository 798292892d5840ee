/**
 * struct_ops: a table of functions for the kernel, in a map.
 *
 * @module
 */

import type { Kernel } from "../../kernel/kernel.ts";
import { AttachType } from "../../uapi/enums.ts";
import { attachError, checkAttach } from "./target/error.ts";
import { Link } from "./link.ts";
import { BPF_F_LINK } from "../../uapi/bpf_flags.ts";
import { Errno, failed } from "../../uapi/errno.ts";

/** A struct_ops map, loaded and with its value prepared. */
export interface StructOpsMap {
  /** The kernel that it is in. */
  readonly kernel: Kernel;
  /** The map. */
  readonly fd: number;
  /** The map's name. */
  readonly name: string;
  /** BPF_F_… of the map. */
  readonly flags: number;
  /** Bytes of the value, in the kernel's layout with program descriptors: what registers it. */
  readonly value: Uint8Array;
}

/**
 * Registers the table with the kernel.
 *
 * A map from `SEC(".struct_ops.link")` is registered by a link (Linux 6.4), one from
 * `SEC(".struct_ops")` by its update, and then stays until it is deleted.
 */
export function attachStructOps(map: StructOpsMap): Link {
  const { kernel } = map;
  const parts = { kind: "struct_ops", program: map.name, target: map.name };
  if ((map.flags & BPF_F_LINK) !== 0) {
    put(map);
    const fd = kernel.linkCreate({
      programFd: map.fd,
      target: 0,
      attachType: AttachType.struct_ops,
    });
    checkAttach(fd, map.name, "BPF_LINK_CREATE");
    return new Link(kernel, { ...parts, fd });
  }
  put(map);
  const own = checkAttach(kernel.dup(map.fd), map.name, "fcntl");
  return new Link(kernel, {
    ...parts,
    fd: -1,
    descriptors: [own],
    legacy: {
      detach: () => {
        using element = kernel.mapElements(own, 4, map.value.length);
        return element.delete();
      },
    },
  });
}

/** Writes the value into the map's only slot: for a map without BPF_F_LINK, this registers it. */
function put(map: StructOpsMap): void {
  using element = map.kernel.mapElements(map.fd, 4, map.value.length);
  element.value.set(map.value);
  const result = element.update();
  // EBUSY: a map that a link can register keeps its first value, which is this one.
  if (failed(result, Errno.EBUSY) && (map.flags & BPF_F_LINK) !== 0) return;
  if (failed(result, Errno.EEXIST)) {
    throw attachError(map.name, "the kernel has something registered under this name already", {
      errno: "EEXIST",
    });
  }
  checkAttach(result, map.name, "BPF_MAP_UPDATE_ELEM");
}
