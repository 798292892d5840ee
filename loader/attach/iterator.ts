/**
 * BPF iterators: a program that is run for each object of a kind, and whose output is read like a file.
 *
 * @module
 */

import type { Kernel } from "../../kernel/kernel.ts";
import { AttachType } from "../../uapi/enums.ts";
import { attachError, checkAttach } from "./error.ts";
import { type AttachableProgram, Link } from "./link.ts";
import { type PathOrDescriptor, withTarget } from "./targets.ts";

/** Which way an iterator goes through cgroups. */
export type CgroupOrder =
  | "self"
  | "descendants_pre"
  | "descendants_post"
  | "ancestors_up"
  | "children";

const ORDERS: { readonly [order in CgroupOrder]: number } = {
  self: 1,
  descendants_pre: 2,
  descendants_post: 3,
  ancestors_up: 4,
  children: 5,
};

/** What an iterator goes over, where its kind can be narrowed. */
export interface IteratorOptions {
  /** `iter/bpf_map_elem` and `iter/sockmap`: the map. */
  readonly map?: { readonly fd: number };
  /** `iter/task*`: this thread alone (Linux 6.1). */
  readonly tid?: number;
  /** `iter/task*`: the threads of this process alone (Linux 6.1). */
  readonly pid?: number;
  /** `iter/cgroup`: from this cgroup on (Linux 6.1). */
  readonly cgroup?: PathOrDescriptor;
  /** `iter/cgroup`: the way. @default {"descendants_pre"} */
  readonly order?: CgroupOrder;
}

/** Makes an iterator, to be read as often as wanted with {@linkcode readIterator}. Minimum kernel: Linux 5.8. */
export function attachIterator(
  kernel: Kernel,
  program: AttachableProgram,
  target: string,
  options: IteratorOptions,
): Link {
  const create = (info?: Uint32Array<ArrayBuffer>): number =>
    kernel.linkCreate({
      programFd: program.fd,
      target: 0,
      attachType: AttachType.trace_iter,
      ...(info === undefined ? {} : { extra: { kind: "iter", info: new Uint8Array(info.buffer) } }),
    });
  let fd: number;
  if (options.cgroup !== undefined) {
    const order = ORDERS[options.order ?? "descendants_pre"];
    fd = withTarget(
      kernel,
      program.name,
      "cgroup",
      options.cgroup,
      (cgroup) => create(new Uint32Array([order, cgroup, 0, 0])),
    );
  } else if (options.map !== undefined) {
    fd = create(new Uint32Array([options.map.fd]));
  } else if (options.tid !== undefined || options.pid !== undefined) {
    fd = create(new Uint32Array([options.tid ?? 0, options.pid ?? 0, 0]));
  } else {
    if (target === "bpf_map_elem" || target === "sockmap") {
      throw attachError(
        program.name,
        `iter/${target} goes over the elements of a map, and none was given`,
        {
          errno: "EINVAL",
          fix: "attach({ map: object.maps.get(NAME) })",
        },
      );
    }
    fd = create();
  }
  checkAttach(fd, program.name, "BPF_LINK_CREATE", { data: { target } });
  return new Link(kernel, { kind: "iter", program: program.name, target, fd });
}
