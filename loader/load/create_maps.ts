/**
 * Creates an object's maps in libbpf's order, and fills them.
 *
 * @module
 */

import { SkepError } from "../../errors/skep_error.ts";
import { KernelError } from "../../errors/kernel_error.ts";
import { Errno, failed } from "../../uapi/errno.ts";
import { Mapping } from "../../kernel/mapping.ts";
import { MapType } from "../../uapi/enums.ts";
import type { MapSpec } from "../../object/spec/spec.ts";
import { BPF_F_SEGV_ON_FAULT } from "../../uapi/bpf_flags.ts";
import { arenaGlobals } from "./arena.ts";
import { Descriptor } from "../../kernel/descriptor.ts";
import {
  holdsMaps,
  type MapContext,
  type MapCreateArguments,
  mapCreateArguments,
  mappedSize,
  mapTypeNumber,
  withoutBtf,
} from "../../object/spec/map_rules.ts";
import { originTraits } from "../../object/spec/map_traits.ts";
import { pinDescriptor } from "../../kernel/pin.ts";
import { pinPathOf } from "./pin_names.ts";
import { openPinned } from "./reuse_pinned_map.ts";
import type { CreatedMap, LoadContext } from "./load_context.ts";
import type { KernelStructOps } from "./struct_ops_layout.ts";

/** Inputs of creating maps, beside the load's state. */
export interface MapStepOptions {
  /** The descriptor of the object's BTF; undefined when it has none or the kernel refused it. */
  readonly btfFd: number | undefined;
  /** The contents of `.kconfig`: the resolved externs. */
  readonly kconfig: Uint8Array | undefined;
  /** The laid-out struct_ops maps, by name. */
  readonly structOps: ReadonlyMap<string, KernelStructOps>;
}

/** Stacks that undo a failed load. */
export interface Cleanup {
  /** Descriptors and mappings that the object will own: closed when the load fails, else with the object. */
  readonly owned: DisposableStack;
  /** Pins that are removed only when the load fails. */
  readonly undo: DisposableStack;
}

/**
 * Creates all maps with `autocreate`, in the object's order. Descriptors, mappings and pins go to `cleanup`.
 *
 * @throws {SkepError} at stage `map` when a map cannot be created, filled, pinned or reused.
 */
export function createMaps(
  state: LoadContext,
  options: MapStepOptions,
  cleanup: Cleanup,
): Map<string, CreatedMap> {
  const created = new Map<string, CreatedMap>();
  for (const spec of state.spec.maps) {
    if (!spec.autocreate || originTraits[spec.origin].created === "with-program") continue;
    const map = pinOrCreate(state, spec, options, cleanup);
    created.set(spec.name, map);
    if (spec.slots.length > 0 && holdsMaps(mapTypeNumber(spec)) && !map.reused) {
      fillMapSlots(state, map, created);
    }
  }
  return created;
}

/** Opens the map's pin if it exists, else creates the map and pins it if its spec has a pin path. */
function pinOrCreate(
  state: LoadContext,
  spec: MapSpec,
  options: MapStepOptions,
  cleanup: Cleanup,
): CreatedMap {
  const pinPath = pinPathOf(spec, state.pinRoot);
  if (pinPath === undefined) return createMap(state, spec, options, cleanup.owned);
  // Another process may pin a map between our lookup and our pin (EEXIST): look it up once more.
  for (let attempt = 0;; attempt++) {
    const pinned = openPinned(state, spec, pinPath);
    if (pinned !== undefined) {
      cleanup.owned.use(pinned);
      return { spec, descriptor: pinned, reused: true, pinPath };
    }
    using own = new DisposableStack();
    const map = createMap(state, spec, options, own);
    const result = pinDescriptor(state.kernel, map.descriptor.fd, pinPath, spec.name);
    if (failed(result, Errno.EEXIST) && attempt === 0) continue;
    if (result < 0) {
      throw new KernelError({
        doing: "pin map",
        subject: `${spec.name} at ${pinPath}`,
        command: "BPF_OBJ_PIN",
        result,
        stage: "map",
      });
    }
    cleanup.undo.defer(() => state.kernel.unlink(pinPath));
    cleanup.owned.use(own.move());
    return { ...map, pinPath };
  }
}

function createMap(
  state: LoadContext,
  spec: MapSpec,
  options: MapStepOptions,
  stack: DisposableStack,
): CreatedMap {
  const structOps = options.structOps.get(spec.name);
  const { kernel, tokenFd } = state;
  // The kernel copies the template's metadata, so it can be closed once the outer map is created.
  using inner = holdsMaps(mapTypeNumber(spec)) && spec.inner !== undefined
    ? createInner(state, spec.inner, options)
    : undefined;
  const descriptor = stack.use(openNew(state, spec, {
    machine: kernel.machine,
    btfFd: options.btfFd,
    tokenFd,
    innerMapFd: inner?.fd,
    structOps: structOps === undefined ? undefined : structOps.place,
  }, structOps));
  const map: CreatedMap = {
    spec,
    descriptor,
    reused: false,
    structOps,
  };
  if (mapTypeNumber(spec) === MapType.arena) {
    return { ...map, arena: stack.use(mapArena(state, spec, descriptor.fd)) };
  }
  fillData(state, spec, descriptor.fd, options.kconfig);
  return map;
}

function createInner(state: LoadContext, spec: MapSpec, options: MapStepOptions): Descriptor {
  return openNew(state, spec, {
    machine: state.kernel.machine,
    btfFd: options.btfFd,
    tokenFd: state.tokenFd,
  });
}

/** Creates a map; when the kernel refuses it, retries without BTF types, as libbpf does. */
function openNew(
  state: LoadContext,
  spec: MapSpec,
  context: MapContext,
  structOps?: KernelStructOps,
): Descriptor {
  const plain = mapCreateArguments(spec, context);
  const attributes: MapCreateArguments = structOps === undefined
    ? plain
    : { ...plain, valueSize: structOps.value.length };
  let result = state.kernel.mapCreate(attributes);
  const typed = (attributes.keyTypeId ?? 0) + (attributes.valueTypeId ?? 0) > 0;
  // EPERM does not depend on the types, and a retry could replace it with another errno.
  if (result < 0 && !failed(result, Errno.EPERM) && typed) {
    result = state.kernel.mapCreate(withoutBtf(attributes));
  }
  if (result >= 0) return new Descriptor(state.kernel, result);
  throw state.refused({
    doing: "create map",
    subject: spec.name,
    command: "BPF_MAP_CREATE",
    result,
    stage: "map",
    data: {
      type: spec.type,
      keySize: attributes.keySize,
      valueSize: attributes.valueSize,
      maxEntries: attributes.maxEntries,
      flags: attributes.flags,
    },
  }, { kind: "map", map: spec });
}

/** Writes the initial contents of a data section's map, and freezes the map if the section is read-only. */
function fillData(
  state: LoadContext,
  spec: MapSpec,
  fd: number,
  kconfig: Uint8Array | undefined,
): void {
  const { section, contents: origin, constant } = originTraits[spec.origin];
  if (!section) return;
  // A new array is zeroed, so zero contents need no write.
  const contents = origin === "kernel-configuration"
    ? kconfig
    : spec.zeroed
    ? undefined
    : spec.contents;
  if (contents !== undefined && contents.some((byte) => byte !== 0)) {
    using elements = state.kernel.mapElements(fd, 4, contents.length);
    elements.key.fill(0);
    elements.value.set(contents);
    mapDone(elements.update(), spec, "fill map", "BPF_MAP_UPDATE_ELEM");
  }
  if (constant) {
    mapDone(state.kernel.mapFreeze(fd), spec, "freeze map", "BPF_MAP_FREEZE");
  }
}

/** Maps an arena at the address in its `map_extra`, and writes the object's arena variables. */
function mapArena(state: LoadContext, spec: MapSpec, fd: number): Mapping {
  const address = spec.mapExtra;
  const mapping = state.kernel.map(fd, mappedSize(spec, state.kernel.machine), {
    writable: true,
    inPlace: true,
    address: address || undefined,
  });
  if (!(mapping instanceof Mapping)) {
    throw new KernelError({
      doing: "map the memory of arena",
      subject: spec.name,
      command: "mmap",
      result: mapping,
      stage: "map",
      why: failed(mapping, Errno.EEXIST)
        ? `another mapping of this process is at 0x${address.toString(16)}`
        : undefined,
    });
  }
  if (!spec.zeroed && spec.contents !== undefined) {
    if ((spec.flags & BPF_F_SEGV_ON_FAULT) !== 0) {
      mapping[Symbol.dispose]();
      throw new SkepError({
        doing: "write globals into arena",
        subject: spec.name,
        errno: "EFAULT",
        stage: "map",
        why: "BPF_F_SEGV_ON_FAULT leaves every page unmapped until a program allocates it",
        fix: "remove the flag or the globals",
      });
    }
    mapping.u8.set(spec.contents, arenaGlobals(state.kernel, spec));
  }
  return mapping;
}

/** Fills the slots of a map of maps with the maps that the object assigns to them. */
function fillMapSlots(
  state: LoadContext,
  outer: CreatedMap,
  created: ReadonlyMap<string, CreatedMap>,
): void {
  using elements = state.kernel.mapElements(outer.descriptor.fd, 4, 4);
  for (const { index, name } of outer.spec.slots) {
    const inner = created.get(name);
    const doing = `put ${name} into map`;
    // libbpf fails the same way: maps are created in the object's order, so it passes an invalid descriptor
    // and the kernel returns EINVAL.
    if (inner === undefined) {
      throw new SkepError({
        doing,
        subject: outer.spec.name,
        errno: "EINVAL",
        stage: "map",
        why: `map ${name}, which slot ${index} names, is not created before it`,
        fix: `define ${name} before ${outer.spec.name} and leave its autocreate on`,
      });
    }
    writeWord(elements.key, index);
    writeWord(elements.value, inner.descriptor.fd);
    mapDone(elements.update(), outer.spec, doing, "BPF_MAP_UPDATE_ELEM");
  }
}

/** Fills the slots of program arrays with the loaded programs. Reused arrays keep their contents. */
export function fillProgramSlots(
  state: LoadContext,
  maps: Iterable<CreatedMap>,
  programFd: (name: string) => number | undefined,
): void {
  for (const map of maps) {
    const { spec, reused, descriptor } = map;
    if (mapTypeNumber(spec) !== MapType.prog_array || spec.slots.length === 0 || reused) continue;
    using elements = state.kernel.mapElements(descriptor.fd, 4, 4);
    for (const { index, name } of spec.slots) {
      writeWord(elements.key, index);
      writeWord(elements.value, programFd(name) ?? -1);
      mapDone(elements.update(), spec, `put program ${name} into map`, "BPF_MAP_UPDATE_ELEM");
    }
  }
}

/** Writes a 32-bit word at the start of a buffer. */
function writeWord(buffer: Uint8Array, value: number): void {
  new DataView(buffer.buffer, buffer.byteOffset).setInt32(0, value, true);
}

function mapDone(result: number, spec: MapSpec, doing: string, command: string): void {
  if (result < 0) throw mapFailed(result, spec, doing, command);
}

function mapFailed(result: number, spec: MapSpec, doing: string, command: string): SkepError {
  return new KernelError({ doing, subject: spec.name, command, result, stage: "map" });
}
