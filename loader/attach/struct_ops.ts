/**
 * Registers struct_ops maps: tables of functions that the kernel calls.
 *
 * @module
 */

import type { Kernel } from "../../kernel/kernel.ts";
import { AttachType } from "../../uapi/enums.ts";
import { attachError, checkAttach } from "./target/error.ts";
import { Link } from "./link.ts";
import { BPF_F_LINK } from "../../uapi/bpf_flags.ts";
import { Errno, failed } from "../../uapi/errno.ts";

/** A loaded struct_ops map with its prepared value. */
export interface StructOpsMap {
  /** The kernel that it was created in. */
  readonly kernel: Kernel;
  /** Descriptor of the map. */
  readonly fd: number;
  /** The map's name. */
  readonly name: string;
  /** Map flags (BPF_F_…). */
  readonly flags: number;
  /** The map's value in the kernel's layout, with descriptors of the programs. */
  readonly value: Uint8Array;
}

/**
 * Registers a struct_ops map with the kernel.
 *
 * A map from `SEC(".struct_ops.link")` is registered by a link (Linux 6.4). A map from `SEC(".struct_ops")`
 * is registered by updating its element (Linux 5.6), and stays registered until the element is deleted.
 *
 * @throws {AttachError} EEXIST when the name is already registered.
 * @throws {KernelError} when the kernel refuses.
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

/** Updates the map's only element. This registers a map without BPF_F_LINK. */
function put(map: StructOpsMap): void {
  using element = map.kernel.mapElements(map.fd, 4, map.value.length);
  element.value.set(map.value);
  const result = element.update();
  // EBUSY: the value of a BPF_F_LINK map can be set once, and this is the value it was set to.
  if (failed(result, Errno.EBUSY) && (map.flags & BPF_F_LINK) !== 0) return;
  if (failed(result, Errno.EEXIST)) {
    throw attachError(map.name, "a struct_ops of this name is already registered", {
      errno: "EEXIST",
    });
  }
  checkAttach(result, map.name, "BPF_MAP_UPDATE_ELEM");
}
