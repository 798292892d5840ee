/**
 * An in-memory kernel for tests without privileges.
 *
 * @module
 */

import { setField } from "../../uapi/fields.ts";
import { Errno } from "../../uapi/errno.ts";
import type { FakeObject } from "./ground.ts";
import { FakeMachine } from "./machine.ts";
import { FakeMap, FakeMapBatch, FakeMapElements } from "./maps.ts";
import type { FakeRing } from "./ring.ts";
import type * as K from "../kernel.ts";
import type { Mapping } from "../mapping.ts";
import { structs, structSizes } from "../../uapi/layouts.ts";
import { BPF_FS_MAGIC } from "../../uapi/files.ts";

const EMPTY: Uint8Array<ArrayBuffer> = new Uint8Array(0);

/**
 * Implements {@linkcode K.Kernel} in memory: maps work, loads succeed, and any command can be made to fail.
 *
 * Needs no permission. Descriptors are counted: {@linkcode FakeKernel.leaks} lists those still open.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { FakeKernel } from "@skep/skep/kernel";
 *
 * const kernel = new FakeKernel();
 * kernel.inject({ command: "map_create", errno: "EPERM", nth: 2 });
 * const map = { type: 1, keySize: 4, valueSize: 8, maxEntries: 16 };
 * const first = kernel.mapCreate(map);
 * assertEquals(kernel.mapCreate(map), -1);
 * kernel.close(first);
 * assertEquals(kernel.leaks(), []);
 * ```
 */
export class FakeKernel extends FakeMachine implements K.Kernel {
  /** Implements BPF_MAP_CREATE with the checks that all map types share. */
  mapCreate(attributes: K.MapCreate): K.Result {
    return this.run("map_create", attributes, () => {
      const { type, keySize, valueSize, maxEntries, tokenFd, btfFd, innerMapFd } = attributes;
      for (const [fd, kind] of [[tokenFd, "token"], [btfFd, "btf"], [innerMapFd, "map"]] as const) {
        if (fd === undefined || fd === 0) continue;
        const object = this.find(fd, kind);
        if (typeof object === "number") return object;
      }
      if (type === 0 || keySize < 0 || valueSize < 0 || maxEntries < 0) return -Errno.EINVAL;
      return this.make({
        kind: "map",
        name: attributes.name ?? "",
        map: new FakeMap(attributes),
        attributes,
      });
    });
  }

  #findMap(fd: number): FakeMap | K.Result {
    const object = this.find(fd, "map");
    return typeof object === "number" ? object : object.map ?? -Errno.EINVAL;
  }

  /**
   * Returns the producer side of a ring buffer map; a submitted record ends waits for every descriptor of
   * the map.
   *
   * @throws {TypeError} when `mapFd` is not a ring buffer map.
   */
  ring(mapFd: number): FakeRing {
    const map = this.#findMap(mapFd);
    const ring = typeof map === "number" ? undefined : map.ring;
    if (ring === undefined) throw new TypeError(`descriptor ${mapFd} is no ring buffer`);
    ring.submitted = () => {
      for (const fd of this.descriptors.keys()) {
        if (this.#findMap(fd) === map) this.poller.ready(fd);
      }
    };
    return ring;
  }

  /** Creates element buffers; each command on them is logged and can be refused. */
  mapElements(mapFd: number, keySize: number, valueSize: number): K.MapElements {
    return new FakeMapElements(
      (command, attributes, work) => this.run(command, attributes, work),
      () => this.#findMap(mapFd),
      keySize,
      valueSize,
    );
  }

  /** Creates batch buffers; each command on them is logged and can be refused. */
  mapBatch(mapFd: number, keySize: number, valueSize: number, capacity: number): K.MapBatch {
    return new FakeMapBatch(
      (command, attributes, work) => this.run(command, attributes, work),
      () => this.#findMap(mapFd),
      keySize,
      valueSize,
      capacity,
    );
  }

  /** Implements BPF_MAP_FREEZE. */
  mapFreeze(mapFd: number): K.Result {
    return this.run("map_freeze", { mapFd }, () => {
      const map = this.#findMap(mapFd);
      if (typeof map === "number") return map;
      if (map.frozen) return -Errno.EBUSY;
      map.frozen = true;
      return 0;
    });
  }

  /** Implements BPF_PROG_LOAD and resolves in a later microtask, as `LinuxKernel` does. */
  async programLoad(attributes: K.ProgramLoad): Promise<K.LoadResult> {
    await Promise.resolve();
    return this.programLoadSync(attributes);
  }

  /** Implements BPF_PROG_LOAD; the option `verify` decides the result. */
  programLoadSync(attributes: K.ProgramLoad): K.LoadResult {
    let log = "";
    const result = this.run("prog_load", attributes, () => {
      const { tokenFd, instructions } = attributes;
      if (tokenFd !== undefined) {
        const token = this.find(tokenFd, "token");
        if (typeof token === "number") return token;
      }
      if (instructions.length === 0 || instructions.length % 8 !== 0) return -Errno.E2BIG;
      const verdict = this.options.verify?.(attributes);
      log = verdict?.log ?? "";
      if (verdict?.result !== undefined && verdict.result < 0) return verdict.result;
      return this.make({ kind: "program", name: attributes.name ?? "", attributes });
    });
    const text = (attributes.logLevel ?? 0) > 0 ? this.log || log : "";
    return { result, log: text, logTrueSize: text.length };
  }

  /** Implements BPF_BTF_LOAD; accepts any bytes that begin with BTF's magic. */
  btfLoad(attributes: K.BtfLoad): K.LoadResult {
    const result = this.run("btf_load", attributes, () => {
      const { bytes, tokenFd } = attributes;
      if (tokenFd !== undefined) {
        const token = this.find(tokenFd, "token");
        if (typeof token === "number") return token;
      }
      if (bytes[0] !== 0x9f || bytes[1] !== 0xeb) return -Errno.EINVAL;
      return this.make({ kind: "btf", name: "", attributes, bytes: Uint8Array.from(bytes) });
    });
    const log = (attributes.logLevel ?? 0) > 0 ? this.log : "";
    return { result, log, logTrueSize: log.length };
  }

  #byKind(kind: K.ObjectKind): FakeObject[] {
    const objects = [...this.descriptors.values(), ...this.pins.values()]
      .filter((object) => object.kind === kind);
    return [...new Map(objects.map((object) => [object.id, object])).values()]
      .sort((a, b) => a.id - b.id);
  }

  /** Implements BPF_*_GET_FD_BY_ID for objects that are open or pinned. */
  getFdById(kind: K.ObjectKind, id: number, tokenFd?: number): K.Result {
    return this.run(`${short(kind)}_get_fd_by_id`, { id, tokenFd }, () => {
      const object = this.#byKind(kind).find((each) => each.id === id);
      return object === undefined ? -Errno.ENOENT : this.addDescriptor(object);
    });
  }

  /** Implements BPF_*_GET_NEXT_ID. */
  getNextId(kind: K.ObjectKind, id: number): K.Result {
    return this.run(
      `${short(kind)}_get_next_id`,
      { id },
      () => this.#byKind(kind).find((each) => each.id > id)?.id ?? -Errno.ENOENT,
    );
  }

  /** Implements BPF_OBJ_GET_INFO_BY_FD with types, ids, names and sizes; the other fields are zero. */
  objectInfo(fd: number, size: number): K.BytesResult {
    let bytes = EMPTY;
    const result = this.run("obj_get_info_by_fd", { fd, size }, () => {
      const object = this.find(fd, "map", "program", "link", "token", "btf");
      if (typeof object === "number") return object;
      bytes = infoOf(object).slice(0, size);
      return 0;
    });
    return { result, bytes };
  }

  /** Implements BPF_OBJ_GET_INFO_BY_FD for a BTF. */
  btfInfo(btfFd: number): ReturnType<K.Kernel["btfInfo"]> {
    const object = this.find(btfFd, "btf");
    const result = this.run(
      "obj_get_info_by_fd",
      { fd: btfFd },
      () => typeof object === "number" ? object : 0,
    );
    if (result < 0 || typeof object === "number") {
      return { result, id: 0, name: "", kernel: false, bytes: EMPTY };
    }
    const bytes = object.bytes?.slice() ?? EMPTY;
    return { result, id: object.id, name: object.name, kernel: false, bytes };
  }

  /** Implements BPF_OBJ_GET_INFO_BY_FD for a program; of the arrays, only `xlated` is filled. */
  programInfo(
    programFd: number,
    arrays: Parameters<K.Kernel["programInfo"]>[1] = {},
  ): K.ProgramInfoResult {
    let info = EMPTY;
    let xlated = EMPTY;
    const result = this.run(
      "obj_get_info_by_fd",
      { fd: programFd, arrays },
      () =>
        this.on(programFd, "program", (object) => {
          info = infoOf(object);
          const load = object.attributes as K.ProgramLoad | undefined;
          if (arrays.xlated && load !== undefined) xlated = Uint8Array.from(load.instructions);
          return 0;
        }),
    );
    return {
      result,
      info,
      mapIds: [],
      xlated,
      jited: EMPTY,
      funcInfo: EMPTY,
      lineInfo: EMPTY,
      jitedKsyms: [],
    };
  }

  /** Returns -E2BIG, as a call that reaches bpf(2), unless another errno was injected. */
  probeCommand(command: number): K.Result {
    return this.run("probe_command", { command }, () => -Errno.E2BIG);
  }

  /** Implements BPF_OBJ_PIN. */
  objectPin(fd: number, path: string, directoryFd?: number): K.Result {
    return this.run("obj_pin", { fd, path, directoryFd }, () => {
      const object = this.find(fd, "map", "program", "link");
      if (typeof object === "number") return object;
      if (this.pins.has(path)) return -Errno.EEXIST;
      this.pins.set(path, object);
      return 0;
    });
  }

  /** Implements BPF_OBJ_GET. */
  objectGet(path: string, flags?: number, directoryFd?: number): K.Result {
    return this.run("obj_get", { path, flags, directoryFd }, () => {
      const object = this.pins.get(path);
      return object === undefined ? -Errno.ENOENT : this.addDescriptor(object);
    });
  }

  /** Implements BPF_LINK_CREATE for a program or a struct_ops map. */
  linkCreate(attributes: K.LinkCreate): K.Result {
    return this.run("link_create", attributes, () => {
      const object = this.find(attributes.programFd, "program", "map");
      if (typeof object === "number") return object;
      return this.make({ kind: "link", name: object.name, attributes });
    });
  }

  /** Implements BPF_LINK_UPDATE. */
  linkUpdate(linkFd: number, newFd: number, oldFd?: number): K.Result {
    return this.run(
      "link_update",
      { linkFd, newFd, oldFd },
      () =>
        this.on(linkFd, "link", () => {
          const object = this.find(newFd, "program", "map");
          return typeof object === "number" ? object : 0;
        }),
    );
  }

  /** Implements BPF_LINK_DETACH. */
  linkDetach(linkFd: number): K.Result {
    return this.run("link_detach", { linkFd }, () => this.on(linkFd, "link", () => 0));
  }

  /** Implements BPF_RAW_TRACEPOINT_OPEN. */
  rawTracepointOpen(programFd: number, name?: string, cookie?: bigint): K.Result {
    const attributes = { programFd, name, cookie };
    return this.run("raw_tracepoint_open", attributes, () =>
      this.on(
        programFd,
        "program",
        (object) => this.make({ kind: "link", name: name ?? object.name, attributes }),
      ));
  }

  /** Implements BPF_PROG_ATTACH. */
  programAttach(attributes: K.ProgramAttach): K.Result {
    return this.run(
      "prog_attach",
      attributes,
      () => this.on(attributes.programFd, "program", () => 0),
    );
  }

  /** Implements BPF_PROG_DETACH. */
  programDetach(attributes: K.ProgramAttach): K.Result {
    return this.run("prog_detach", attributes, () => 0);
  }

  /** Implements BPF_PROG_QUERY: no program is ever attached. */
  programQuery(target: number, attachType: number, flags?: number): K.ProgramQuery {
    const result = this.run("prog_query", { target, attachType, flags }, () => 0);
    return { result, programIds: [], linkIds: [], attachFlags: 0, revision: 0n };
  }

  /** Implements BPF_PROG_TEST_RUN; the option `testRun` supplies the result. */
  programTestRun(attributes: K.TestRun): K.TestRunResult {
    const answer = this.options.testRun?.(attributes) ?? {};
    const result = this.run(
      "prog_test_run",
      attributes,
      () => this.on(attributes.programFd, "program", () => answer.result ?? 0),
    );
    const rest = { returnValue: 0, duration: 0, dataOut: EMPTY, contextOut: EMPTY };
    return result < 0 ? { ...rest, result } : { ...rest, ...answer, result };
  }

  /** Implements BPF_PROG_BIND_MAP. */
  programBindMap(programFd: number, mapFd: number): K.Result {
    return this.run(
      "prog_bind_map",
      { programFd, mapFd },
      () => this.on(programFd, "program", () => this.on(mapFd, "map", () => 0)),
    );
  }

  /** Implements BPF_PROG_STREAM_READ_BY_FD: every stream is empty. */
  programStreamRead(programFd: number, stream: number, size: number): K.BytesResult {
    const result = this.run(
      "prog_stream_read_by_fd",
      { programFd, stream, size },
      () => this.on(programFd, "program", () => 0),
    );
    return { result, bytes: EMPTY };
  }

  /** Implements BPF_ITER_CREATE. */
  iteratorCreate(linkFd: number): K.Result {
    return this.run("iter_create", { linkFd }, () =>
      this.on(
        linkFd,
        "link",
        (link) => this.make({ kind: "file", name: link.name, bytes: EMPTY }),
      ));
  }

  /** Implements BPF_ENABLE_STATS. */
  enableStatistics(type: number): K.Result {
    return this.run(
      "enable_stats",
      { type },
      () => type === 0 ? this.make({ kind: "other", name: "stats" }) : -Errno.EINVAL,
    );
  }

  /** Implements BPF_TOKEN_CREATE: every bpffs delegates everything. */
  tokenCreate(bpffsFd: number): K.Result {
    return this.run(
      "token_create",
      { bpffsFd },
      () =>
        this.on(
          bpffsFd,
          "file",
          (file) =>
            this.filesystemType(file.name) === BPF_FS_MAGIC
              ? this.make({ kind: "token", name: file.name })
              : -Errno.EINVAL,
        ),
    );
  }

  /**
   * Implements mmap(2) of a ring buffer or of an array map with BPF_F_MMAPABLE; the mapping shares the
   * map's memory.
   */
  map(
    fd: number,
    size: number,
    options?: Parameters<K.Kernel["map"]>[2],
  ): Mapping | K.Result {
    let mapping: Mapping | undefined;
    const result = this.run("mmap", { fd, size, options }, () => {
      const map = this.#findMap(fd);
      if (typeof map === "number") return map;
      if (map.frozen && options?.writable) return -Errno.EPERM;
      const made = map.mapping(size, options?.offset);
      if (typeof made === "number") return made;
      mapping = made;
      return 0;
    });
    return mapping ?? result;
  }
}

function short(kind: K.ObjectKind): string {
  return kind === "program" ? "prog" : kind;
}

function infoOf(object: FakeObject): Uint8Array<ArrayBuffer> {
  const sizes = {
    map: structSizes.bpf_map_info,
    program: structSizes.bpf_prog_info,
    link: structSizes.bpf_link_info,
    btf: structSizes.bpf_btf_info,
    token: structSizes.bpf_token_info,
  } as const;
  const { kind } = object;
  if (!(kind in sizes)) return EMPTY;
  const bytes = new Uint8Array(sizes[kind as keyof typeof sizes]);
  const view = new DataView(bytes.buffer);
  const name = new TextEncoder().encode(object.name).subarray(0, 15);
  if (kind === "map") {
    const field = structs.bpf_map_info;
    const map = object.attributes as K.MapCreate;
    setField(view, field.type, map.type);
    setField(view, field.id, object.id);
    setField(view, field.key_size, map.keySize);
    setField(view, field.value_size, map.valueSize);
    setField(view, field.max_entries, map.maxEntries);
    setField(view, field.map_flags, map.flags ?? 0);
    bytes.set(name, field.name[0]);
  } else if (kind === "program") {
    const field = structs.bpf_prog_info;
    const program = object.attributes as K.ProgramLoad;
    setField(view, field.type, program.type);
    setField(view, field.id, object.id);
    setField(view, field.xlated_prog_len, program.instructions.length);
    bytes.set(name, field.name[0]);
  } else if (kind === "link") setField(view, structs.bpf_link_info.id, object.id);
  else if (kind === "btf") setField(view, structs.bpf_btf_info.id, object.id);
  else if (kind === "token") bytes.fill(0xff);
  return bytes;
}
