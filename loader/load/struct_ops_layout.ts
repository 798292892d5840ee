/**
 * Converts struct_ops values from the struct that the object was compiled with to the kernel's.
 *
 * Members are matched by name. A member that the kernel's struct lacks is skipped when it is zero, and refused
 * when it is set.
 *
 * @module
 */

import type { Btf } from "../../btf/btf.ts";
import type { CompositeType } from "../../btf/types.ts";
import { essentialName } from "../../btf/essential_name.ts";
import { SkepError } from "../../errors/skep_error.ts";
import type { MapSpec } from "../../object/spec/spec.ts";
import type { KernelTypes } from "../features/kernel_btf.ts";

/** The BTF type of a struct_ops map's value. */
export interface StructOpsPlace {
  /** The type id of `struct bpf_struct_ops_NAME`. */
  readonly valueTypeId: number;
  /** The descriptor of the module's BTF; undefined for a type of vmlinux. */
  readonly moduleFd?: number | undefined;
}

/** A member that holds a program. */
export interface StructOpsSlot {
  /** The program's name. */
  readonly program: string;
  /** The member's index in the kernel's struct, which is the program's expected attach type. */
  readonly member: number;
  /** Offset in bytes of the program's descriptor in the kernel's value. */
  readonly offset: number;
}

/** A struct_ops map in the kernel's layout. */
export interface KernelStructOps {
  /** The type of its value. */
  readonly place: StructOpsPlace;
  /** The type id of `struct NAME`, which its programs attach to. */
  readonly typeId: number;
  /** The value; the descriptors of programs are written after they are loaded. */
  readonly value: Uint8Array<ArrayBuffer>;
  /** The members that hold programs. */
  readonly slots: readonly StructOpsSlot[];
}

/** Attach target of a struct_ops program. */
export interface StructOpsTarget {
  /** The struct's type id. */
  readonly typeId: number;
  /** The member's index in the kernel's struct. */
  readonly member: number;
  /** The descriptor of the module's BTF; undefined for a struct of vmlinux. */
  readonly moduleFd?: number | undefined;
}

const UNSUPPORTED = "EOPNOTSUPP";

/**
 * Lays out the value of a struct_ops map for the running kernel.
 *
 * `openModule` returns the descriptor of a module's BTF.
 *
 * @throws {SkepError} ESRCH when no BTF of the kernel has the value's type, ENOENT when it lacks the struct,
 * EOPNOTSUPP when a member does not match (as libbpf's ENOTSUP), EINVAL when the object's or the kernel's type is
 * not as expected.
 */
export function layOutStructOps(
  map: MapSpec,
  local: Btf,
  types: KernelTypes,
  openModule: (name: string) => number,
): KernelStructOps {
  const own = map.structOps;
  const struct = own === undefined ? undefined : compositeOf(local, own.typeId);
  if (own === undefined || struct === undefined) {
    throw refused(map, "EINVAL", "its value is not a struct");
  }
  const programs = new Map(own.programs().map(({ member, program }) => [member, program]));
  const kernel = findTypes(map, essentialName(struct.name), types);
  const value = new Uint8Array(kernel.value.size);
  const base = kernel.dataOffset;
  const contents = map.contents ?? new Uint8Array(struct.size);
  const slots: StructOpsSlot[] = [];
  for (const member of struct.members) {
    const program = programs.get(member.name);
    const from = member.bitOffset >> 3;
    const size = local.size(member.type);
    const bytes = contents.subarray(from, from + size);
    const at = kernel.struct.members.findIndex(({ name }) => name === member.name);
    const target = kernel.struct.members[at];
    if (target === undefined) {
      if (program !== undefined || bytes.some((byte) => byte !== 0)) {
        throw refused(
          map,
          UNSUPPORTED,
          `this kernel's struct ${struct.name} has no member ${member.name}, and the object sets it`,
        );
      }
      continue;
    }
    checkMember(map, local, kernel.btf, member, target);
    const offset = base + (target.bitOffset >> 3);
    const targetType = kernel.btf.resolve(target.type);
    if (kernel.btf.type(targetType).kind === "ptr") {
      if (program === undefined) continue;
      checkFunctionPointer(map, kernel.btf, targetType, member.name);
      slots.push({ program, member: at, offset });
      continue;
    }
    if (kernel.btf.size(targetType) !== size) {
      throw refused(map, UNSUPPORTED, `member ${member.name} has a different size in this kernel`);
    }
    value.set(bytes, offset);
  }
  const moduleFd = kernel.module === undefined ? undefined : openModule(kernel.module);
  return {
    place: { valueTypeId: kernel.valueId, moduleFd },
    typeId: kernel.structId,
    value,
    slots,
  };
}

interface KernelStruct {
  readonly btf: Btf;
  readonly module?: string | undefined;
  readonly valueId: number;
  readonly value: CompositeType;
  readonly structId: number;
  readonly struct: CompositeType;
  readonly dataOffset: number;
}

function findTypes(map: MapSpec, name: string, types: KernelTypes): KernelStruct {
  const wanted = `bpf_struct_ops_${name}`;
  const found = findIn(types, wanted);
  if (found === undefined) {
    throw refused(map, "ESRCH", `no BTF of this kernel has struct ${wanted}`);
  }
  const { btf, id: valueId, module } = found;
  const structId = btf.find(name, "struct");
  const struct = structId === undefined ? undefined : compositeOf(btf, structId);
  const value = compositeOf(btf, valueId);
  if (structId === undefined || struct === undefined || value === undefined) {
    throw refused(map, "ENOENT", `no BTF of this kernel has struct ${name}`);
  }
  const data = value.members.find(({ type }) => type === structId);
  if (data === undefined) {
    throw refused(map, "EINVAL", `struct ${wanted} has no member of type struct ${name}`);
  }
  return {
    btf,
    valueId,
    value,
    structId,
    struct,
    dataOffset: data.bitOffset >> 3,
    module,
  };
}

function findIn(
  types: KernelTypes,
  name: string,
): { btf: Btf; id: number; module?: string | undefined } | undefined {
  const id = types.vmlinux.find(name, "struct");
  if (id !== undefined) return { btf: types.vmlinux, id };
  for (const module of types.modules()) {
    const own = module.btf.find(name, "struct");
    if (own !== undefined) return { btf: module.btf, id: own, module: module.name };
  }
  return undefined;
}

function checkMember(
  map: MapSpec,
  local: Btf,
  kernel: Btf,
  member: { readonly name: string; readonly type: number; readonly bitSize: number },
  target: { readonly type: number; readonly bitSize: number },
): void {
  if (member.bitSize !== 0 || target.bitSize !== 0) {
    throw refused(map, UNSUPPORTED, `member ${member.name} is a bitfield`);
  }
  const own = local.type(local.resolve(member.type)).kind;
  const theirs = kernel.type(kernel.resolve(target.type)).kind;
  if (own !== theirs) {
    throw refused(
      map,
      UNSUPPORTED,
      `member ${member.name} is ${theirs} in this kernel, not ${own}`,
    );
  }
}

function checkFunctionPointer(map: MapSpec, btf: Btf, pointer: number, name: string): void {
  const type = btf.type(pointer);
  const to = type.kind === "ptr" ? btf.type(btf.resolve(type.type)).kind : type.kind;
  if (to !== "func_proto") {
    throw refused(map, UNSUPPORTED, `member ${name} is not a function pointer in this kernel`);
  }
}

function compositeOf(btf: Btf, id: number): CompositeType | undefined {
  const type = btf.type(btf.resolve(id));
  return type.kind === "struct" || type.kind === "union" ? type : undefined;
}

function refused(map: MapSpec, errno: string, why: string): SkepError {
  return new SkepError({
    doing: "lay out struct_ops map",
    subject: map.name,
    errno,
    stage: "map",
    why,
  });
}

/**
 * Returns the attach target of each program that the struct_ops maps name.
 *
 * @throws {SkepError} EINVAL when a program is used for two different structs or members.
 */
export function structOpsTargets(
  maps: Iterable<{ readonly name: string; readonly structOps: KernelStructOps }>,
): Map<string, StructOpsTarget> {
  const targets = new Map<string, StructOpsTarget>();
  for (const { name, structOps } of maps) {
    const { typeId, place: { moduleFd } } = structOps;
    for (const { program, member } of structOps.slots) {
      const earlier = targets.get(program);
      if (earlier !== undefined && (earlier.typeId !== typeId || earlier.member !== member)) {
        throw new SkepError({
          doing: "lay out struct_ops map",
          subject: name,
          errno: "EINVAL",
          stage: "map",
          why: `program ${program} is already used for another member`,
          fix: "write one program for each member",
        });
      }
      targets.set(program, { typeId, member, moduleFd });
    }
  }
  return targets;
}

/** Writes the descriptors of loaded programs into a struct_ops value. */
export function writeStructOpsPrograms(
  structOps: KernelStructOps,
  programFd: (name: string) => number | undefined,
): void {
  const view = new DataView(structOps.value.buffer);
  for (const { program, offset } of structOps.slots) {
    const fd = programFd(program);
    if (fd !== undefined) view.setBigUint64(offset, BigInt(fd), true);
  }
}
