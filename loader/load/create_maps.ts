/**
 * Creates an object's maps, in libbpf's order, and fills them.
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

/** What creating maps takes beside the state. */
export interface MapStepOptions {
  /** The object's BTF in the kernel. */
  readonly btfFd: number | undefined;
  /** The bytes of `.kconfig`, once externs are resolved. */
  readonly kconfig: Uint8Array | undefined;
  /** struct_ops maps by name. */
  readonly structOps: ReadonlyMap<string, KernelStructOps>;
}

/** What a load must undo. */
export interface Cleanup {
  /** What the object will own: closed when the load goes wrong, and later with the object. */
  readonly owned: DisposableStack;
  /** What is undone only when the load goes wrong: pins. */
  readonly undo: DisposableStack;
}

/**
 * Creates all maps that are to be created. Everything that it opens, maps or pins is in `cleanup`.
 *
 * Throws a {@linkcode SkepError} at stage `map`.
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

/** A pinned map where there is one, else a new one, pinned when it should be. */
function pinOrCreate(
  state: LoadContext,
  spec: MapSpec,
  options: MapStepOptions,
  cleanup: Cleanup,
): CreatedMap {
  const pinPath = pinPathOf(spec, state.pinRoot);
  if (pinPath === undefined) return createMap(state, spec, options, cleanup.owned);
  // Another process can pin a map between our look and our pin: look a second time, once.
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
  // The kernel copies what it needs of the template: it is closed as soon as the outer map stands.
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

/** BPF_MAP_CREATE, a second time without BTF when the first is refused, as libbpf does. */
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
  // EPERM says nothing about the types: a second answer would only hide it.
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

/** Writes a data section's initial bytes and closes it to writes where the program may only read. */
function fillData(
  state: LoadContext,
  spec: MapSpec,
  fd: number,
  kconfig: Uint8Array | undefined,
): void {
  const { section, contents: origin, constant } = originTraits[spec.origin];
  if (!section) return;
  // A new array is all zeroes.
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

/** Maps an arena where its programs expect it, and puts the object's arena variables into it. */
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
        ? `another mapping of this process lies at 0x${address.toString(16)}`
        : undefined,
    });
  }
  if (!spec.zeroed && spec.contents !== undefined) {
    if ((spec.flags & BPF_F_SEGV_ON_FAULT) !== 0) {
      mapping[Symbol.dispose]();
      throw new SkepError({
        doing: "put globals into arena",
        subject: spec.name,
        errno: "EFAULT",
        stage: "map",
        why: "with BPF_F_SEGV_ON_FAULT, no page is there before a program has allocated it",
        fix: "leave the flag out, or the globals",
      });
    }
    mapping.u8.set(spec.contents, arenaGlobals(state.kernel, spec));
  }
  return mapping;
}

/** Puts an object's own maps into the slots that its source gives them. */
function fillMapSlots(
  state: LoadContext,
  outer: CreatedMap,
  created: ReadonlyMap<string, CreatedMap>,
): void {
  using elements = state.kernel.mapElements(outer.descriptor.fd, 4, 4);
  for (const { index, name } of outer.spec.slots) {
    const inner = created.get(name);
    const doing = `put ${name} into map`;
    // Maps are created in the order of the object, so both sides of this answer are libbpf's: there the
    // kernel is given a descriptor that is no map's, and says EINVAL.
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

/** Puts programs into the slots of program arrays, once they are loaded. */
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
