/**
 * Attaches BPF iterators: the program runs for each object of a kind, and its output is read like a file.
 *
 * @module
 */

import { AttachMethod } from "./kind.ts";
import { givenOptions, INTEGER, oneOf, TEXT_OR_NUMBER, WITH_DESCRIPTOR } from "./options.ts";
import type { IteratorAttachSpec } from "../../object/section/attach_spec.ts";
import { AttachType } from "../../uapi/enums.ts";
import { attachError, checkAttach } from "./target/error.ts";
import type { AttachableProgram } from "./attachable.ts";
import { Link } from "./link.ts";
import { type PathOrDescriptor, withTarget } from "./target/targets.ts";

/** Order in which an iterator walks cgroups (`enum bpf_cgroup_iter_order`). */
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

/** Attach options of `iter` programs: limits the objects that the iterator visits. */
export interface IteratorOptions {
  /** `iter/bpf_map_elem`, `iter/bpf_sk_storage_map`, `iter/sockmap`: the map whose elements are visited. */
  readonly map?: { readonly fd: number } | undefined;
  /** `iter/task*`: visits only this thread (Linux 6.1). */
  readonly tid?: number | undefined;
  /** `iter/task*`: visits only the threads of this process (Linux 6.1). */
  readonly pid?: number | undefined;
  /** `iter/cgroup`: the cgroup where the walk starts (Linux 6.1). */
  readonly cgroup?: PathOrDescriptor | undefined;
  /** `iter/cgroup`: order of the walk. @default {"descendants_pre"} */
  readonly order?: CgroupOrder | undefined;
}

/** Options of each iterator target of the kernel; targets not listed take none. */
const NARROWED: { readonly [target: string]: readonly (keyof IteratorOptions)[] } = {
  bpf_map_elem: ["map"],
  bpf_sk_storage_map: ["map"],
  sockmap: ["map"],
  task: ["pid", "tid"],
  task_file: ["pid", "tid"],
  task_vma: ["pid", "tid"],
  cgroup: ["cgroup", "order"],
};

/** Attach method for `iter` hooks. */
export const iter: AttachMethod<"iter", IteratorOptions> = new AttachMethod<
  "iter",
  IteratorOptions
>({
  kind: "iter",
  options: {
    map: WITH_DESCRIPTOR,
    tid: INTEGER,
    pid: INTEGER,
    cgroup: TEXT_OR_NUMBER,
    order: oneOf(ORDERS),
  },
  attach,
});

/**
 * Creates an iterator link; each `readIterator` of it runs the iterator anew. Minimum kernel: Linux 5.8.
 *
 * @throws {AttachError} when an option is not one of this kind's, or the target is missing or does not exist.
 * @throws {KernelError} when the kernel refuses.
 * @throws {DelegationError} when it refuses because a privilege is missing.
 * @example
 * ```ts ignore
 * import { attachIter } from "@skep/skep/attach";
 *
 * using link = attachIter(object.programs.get("dump_task"), { pid: Deno.pid });
 * ```
 */
export function attachIter(program: AttachableProgram, options: IteratorOptions = {}): Link {
  return iter.attach(program, options);
}

function attach(
  program: AttachableProgram,
  options: IteratorOptions,
  spec: IteratorAttachSpec | undefined,
): Link {
  const { kernel } = program;
  const target = spec?.target ?? "";
  const { map, tid, pid, cgroup } = options;
  const given = givenOptions({ map, tid, pid, cgroup, order: options.order });
  const order = options.order ?? "descendants_pre";
  const wrong = spec?.target === undefined
    ? undefined
    : given.find((option) => !(NARROWED[target] ?? []).some((name) => name === option));
  if (wrong !== undefined) {
    throw attachError(program.name, `iter/${target} reads no option "${wrong}"`, {
      errno: "EINVAL",
      fix: `leave it out; it accepts ${(NARROWED[target] ?? ["none"]).join(" and ")}`,
      data: { option: wrong, target },
    });
  }
  const create = (info?: Uint32Array<ArrayBuffer>): number =>
    kernel.linkCreate({
      programFd: program.fd,
      target: 0,
      attachType: AttachType.trace_iter,
      extra: info === undefined ? undefined : { kind: "iter", info: new Uint8Array(info.buffer) },
    });
  let fd: number;
  if (cgroup !== undefined) {
    fd = withTarget(
      kernel,
      program.name,
      "cgroup",
      cgroup,
      (cgroupFd) => create(new Uint32Array([ORDERS[order], cgroupFd, 0, 0])),
    );
  } else if (map !== undefined) {
    fd = create(new Uint32Array([map.fd]));
  } else if (tid !== undefined || pid !== undefined) {
    fd = create(new Uint32Array([tid ?? 0, pid ?? 0, 0]));
  } else {
    if (target === "bpf_map_elem" || target === "sockmap") {
      throw attachError(
        program.name,
        `iter/${target} visits the elements of a map, and no map was given`,
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
