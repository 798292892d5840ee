/**
 * BPF iterators: a program that is run for each object of a kind, and whose output is read like a file.
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
  readonly map?: { readonly fd: number } | undefined;
  /** `iter/task*`: this thread alone (Linux 6.1). */
  readonly tid?: number | undefined;
  /** `iter/task*`: the threads of this process alone (Linux 6.1). */
  readonly pid?: number | undefined;
  /** `iter/cgroup`: from this cgroup on (Linux 6.1). */
  readonly cgroup?: PathOrDescriptor | undefined;
  /** `iter/cgroup`: the way. @default {"descendants_pre"} */
  readonly order?: CgroupOrder | undefined;
}

/** The options that narrow each of the kernel's own targets; all others have none. */
const NARROWED: { readonly [target: string]: readonly (keyof IteratorOptions)[] } = {
  bpf_map_elem: ["map"],
  bpf_sk_storage_map: ["map"],
  sockmap: ["map"],
  task: ["pid", "tid"],
  task_file: ["pid", "tid"],
  task_vma: ["pid", "tid"],
  cgroup: ["cgroup", "order"],
};

/** How programs attach to `iter` hooks. */
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
 * Makes an iterator, to be read as often as wanted with `readIterator`. Minimum kernel: Linux 5.8.
 *
 * @throws AttachError, KernelError or DelegationError, as {@linkcode attachProgram}.
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
      fix: `leave it out; it reads ${(NARROWED[target] ?? ["none"]).join(" and ")}`,
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
