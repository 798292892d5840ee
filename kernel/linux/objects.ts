/**
 * Ids, info structs and pins of programs, maps, links and BTF.
 *
 * @module
 */

import { Command } from "../../uapi/enums.ts";
import { copyOf, textUpToNul } from "./ffi/attributes.ts";
import { getNumber, setField, viewOf } from "../../uapi/fields.ts";
import type { BytesResult, Kernel, ObjectKind, ProgramInfoResult, Result } from "../kernel.ts";
import type { Place } from "./ffi/memory.ts";
import type { Native } from "./ffi/native.ts";
import { attributes, structs, structSizes } from "../../uapi/layouts.ts";
import { argumentError, wholeNumber } from "../arguments.ts";
import { BPF_F_PATH_FD, BPF_F_TOKEN_FD } from "../../uapi/bpf_flags.ts";
import { PATH_MAX } from "../../uapi/files.ts";

const EMPTY: Uint8Array<ArrayBuffer> = new Uint8Array(0);

const byId: { readonly [kind in ObjectKind]: number } = {
  program: Command.prog_get_fd_by_id,
  map: Command.map_get_fd_by_id,
  link: Command.link_get_fd_by_id,
  btf: Command.btf_get_fd_by_id,
};

const nextId: { readonly [kind in ObjectKind]: number } = {
  program: Command.prog_get_next_id,
  map: Command.map_get_next_id,
  link: Command.link_get_next_id,
  btf: Command.btf_get_next_id,
};

/** BPF_*_GET_FD_BY_ID. */
export function getFdById(native: Native, kind: ObjectKind, id: number, tokenFd?: number): Result {
  const field = attributes.get_id;
  const attr = native.attributes.begin().set(field.start_id, id);
  if (tokenFd !== undefined) {
    attr.set(field.open_flags, BPF_F_TOKEN_FD).set(field.fd_by_id_token_fd, tokenFd);
  }
  return attr.command(byId[kind]);
}

/** BPF_*_GET_NEXT_ID. */
export function getNextId(native: Native, kind: ObjectKind, id: number): Result {
  const field = attributes.get_id;
  const attr = native.attributes.begin().set(field.start_id, id);
  const result = attr.command(nextId[kind]);
  return result < 0 ? result : attr.number(field.next_id);
}

/** Calls BPF_OBJ_GET_INFO_BY_FD with a struct that the caller has prepared. */
function askInfo(native: Native, fd: number, info: Place): { result: Result; size: number } {
  const field = attributes.info;
  const attr = native.attributes.begin().set(field.bpf_fd, fd)
    .set(field.info_len, info.bytes.length).set(field.info, info.address);
  const result = attr.command(Command.obj_get_info_by_fd);
  return { result, size: Math.min(attr.number(field.info_len), info.bytes.length) };
}

/** BPF_OBJ_GET_INFO_BY_FD. */
export function objectInfo(
  native: Native,
  fd: number,
  size: number,
  text?: { readonly pointer: number; readonly length: number },
): BytesResult & { readonly text?: string | undefined } {
  using frame = native.frame();
  const info = frame.room(size);
  if (text !== undefined) checkText(text, size);
  const name = text === undefined ? undefined : frame.room(PATH_MAX);
  if (text !== undefined && name !== undefined) {
    const view = viewOf(info.bytes);
    view.setBigUint64(text.pointer, BigInt(name.address), true);
    view.setUint32(text.length, PATH_MAX, true);
  }
  const answer = askInfo(native, fd, info);
  if (answer.result < 0) return { result: answer.result, bytes: EMPTY };
  const bytes = copyOf(info, answer.size);
  if (name === undefined) return { result: 0, bytes };
  return {
    result: 0,
    bytes,
    text: new TextDecoder().decode(name.bytes.slice()).split("\0", 1)[0] ?? "",
  };
}

/** Throws unless the fields of a text lie in the struct, aligned as the kernel has them, and apart from each other. */
function checkText(
  text: { readonly pointer: number; readonly length: number },
  size: number,
): void {
  const { pointer, length } = text;
  wholeNumber(pointer, "the offset of a text's pointer", 0, size - 8);
  wholeNumber(length, "the offset of a text's length", 0, size - 4);
  if (pointer % 8 === 0 && length % 4 === 0 && (length < pointer || length >= pointer + 8)) return;
  throw argumentError(
    "the offsets of a text",
    `${pointer} and ${length} are no pointer and length`,
  );
}

/** The facts of a map that the element commands and mmap(2) depend on. */
export interface KernelMapShape {
  /** The map type. */
  readonly type: number;
  /** Size of a key in bytes. */
  readonly keySize: number;
  /** Size of a value in bytes; for per-CPU maps, of one CPU's value. */
  readonly valueSize: number;
  /** BPF_F_… flags. */
  readonly flags: number;
}

/** Returns the facts of a map; `-errno` when the descriptor cannot be queried. */
export function mapShape(native: Native, fd: number): KernelMapShape | Result {
  using frame = native.frame();
  const info = frame.room(structSizes.bpf_map_info);
  const field = structs.bpf_map_info;
  // Programs, links and BTF fill the struct of their own kind.
  const target = askInfo(native, fd, info);
  if (target.result < 0) return target.result;
  const view = viewOf(info.bytes);
  return {
    type: getNumber(view, field.type),
    keySize: getNumber(view, field.key_size),
    valueSize: getNumber(view, field.value_size),
    flags: getNumber(view, field.map_flags),
  };
}

/** BPF_OBJ_GET_INFO_BY_FD of a BTF, with its name and bytes. */
export function btfInfo(native: Native, btfFd: number): ReturnType<Kernel["btfInfo"]> {
  const field = structs.bpf_btf_info;
  const refused = (result: Result): ReturnType<Kernel["btfInfo"]> => ({
    result,
    id: 0,
    name: "",
    kernel: false,
    bytes: EMPTY,
  });
  using frame = native.frame();
  const info = frame.room(structSizes.bpf_btf_info);
  const view = viewOf(info.bytes);
  const name = frame.room(64);
  const ask = (btf?: Place): Result => {
    info.bytes.fill(0);
    setField(view, field.name, name.address);
    setField(view, field.name_len, name.bytes.length);
    if (btf !== undefined) {
      setField(view, field.btf, btf.address);
      setField(view, field.btf_size, btf.bytes.length);
    }
    return askInfo(native, btfFd, info).result;
  };
  const sized = ask();
  if (sized < 0) return refused(sized);
  const room = frame.room(getNumber(view, field.btf_size));
  const result = ask(room);
  if (result < 0) return refused(result);
  return {
    result: 0,
    id: getNumber(view, field.id),
    name: textUpToNul(name.bytes),
    kernel: getNumber(view, field.kernel_btf) !== 0,
    bytes: copyOf(room),
  };
}

/** BPF_OBJ_GET_INFO_BY_FD of a program, with the selected arrays. */
export function programInfo(
  native: Native,
  programFd: number,
  wanted: NonNullable<Parameters<Kernel["programInfo"]>[1]> = {},
): ProgramInfoResult {
  const field = structs.bpf_prog_info;
  using frame = native.frame();
  const info = frame.room(structSizes.bpf_prog_info);
  const view = viewOf(info.bytes);
  const first = askInfo(native, programFd, info);
  if (first.result < 0) return noProgramInfo(first.result);
  const recordSize = (of: typeof field.func_info_rec_size | typeof field.line_info_rec_size) =>
    getNumber(view, of);
  const sizes = {
    mapIds: wanted.mapIds ? getNumber(view, field.nr_map_ids) * 4 : 0,
    xlated: wanted.xlated ? getNumber(view, field.xlated_prog_len) : 0,
    jited: wanted.jited ? getNumber(view, field.jited_prog_len) : 0,
    jitedKsyms: wanted.jitedKsyms ? getNumber(view, field.nr_jited_ksyms) * 8 : 0,
    funcInfo: wanted.funcInfo
      ? getNumber(view, field.nr_func_info) * recordSize(field.func_info_rec_size)
      : 0,
    lineInfo: wanted.lineInfo
      ? getNumber(view, field.nr_line_info) * recordSize(field.line_info_rec_size)
      : 0,
  };
  const records = {
    func: recordSize(field.func_info_rec_size),
    line: recordSize(field.line_info_rec_size),
  };
  const place = (size: number): Place | undefined => size > 0 ? frame.room(size) : undefined;
  const mapIds = place(sizes.mapIds);
  const xlated = place(sizes.xlated);
  const jited = place(sizes.jited);
  const jitedKsyms = place(sizes.jitedKsyms);
  const funcInfo = place(sizes.funcInfo);
  const lineInfo = place(sizes.lineInfo);
  let size = first.size;
  if (mapIds ?? xlated ?? jited ?? jitedKsyms ?? funcInfo ?? lineInfo) {
    info.bytes.fill(0);
    const put = (
      room: Place | undefined,
      address: readonly [number, number],
      count: readonly [number, number],
      unit: number,
    ): void => {
      if (room === undefined) return;
      setField(view, address, room.address);
      setField(view, count, room.bytes.length / unit);
    };
    put(mapIds, field.map_ids, field.nr_map_ids, 4);
    put(xlated, field.xlated_prog_insns, field.xlated_prog_len, 1);
    put(jited, field.jited_prog_insns, field.jited_prog_len, 1);
    put(jitedKsyms, field.jited_ksyms, field.nr_jited_ksyms, 8);
    if (funcInfo) setField(view, field.func_info_rec_size, records.func);
    put(funcInfo, field.func_info, field.nr_func_info, records.func);
    if (lineInfo) setField(view, field.line_info_rec_size, records.line);
    put(lineInfo, field.line_info, field.nr_line_info, records.line);
    const second = askInfo(native, programFd, info);
    if (second.result < 0) return noProgramInfo(second.result);
    size = second.size;
  }
  // The kernel zeroes the address of an array that it hides from this caller.
  const taken = (
    room: Place | undefined,
    address: readonly [number, number],
  ): Uint8Array<ArrayBuffer> =>
    room === undefined || getNumber(view, address) === 0 ? EMPTY : copyOf(room);
  return {
    result: 0,
    info: copyOf(info, size),
    mapIds: [...new Uint32Array(taken(mapIds, field.map_ids).buffer)],
    xlated: taken(xlated, field.xlated_prog_insns),
    jited: taken(jited, field.jited_prog_insns),
    funcInfo: taken(funcInfo, field.func_info),
    lineInfo: taken(lineInfo, field.line_info),
    jitedKsyms: [...new BigUint64Array(taken(jitedKsyms, field.jited_ksyms).buffer)],
  };
}

function noProgramInfo(result: Result): ProgramInfoResult {
  return {
    result,
    info: EMPTY,
    mapIds: [],
    xlated: EMPTY,
    jited: EMPTY,
    funcInfo: EMPTY,
    lineInfo: EMPTY,
    jitedKsyms: [],
  };
}

/** Larger than a page of any machine (64 KiB), which is the most that bpf(2) reads. */
const TOO_LONG = 1 << 20;

/** Calls bpf(2) with attributes larger than any kernel accepts. */
export function probeCommand(native: Native, command: number): Result {
  return native.attributes.begin().command(command, TOO_LONG);
}

/** BPF_OBJ_PIN. */
export function objectPin(native: Native, fd: number, path: string, directory?: number): Result {
  using frame = native.frame();
  const field = attributes.object;
  const attr = native.attributes.begin().set(field.pathname, frame.text(path))
    .set(field.bpf_fd, fd);
  if (directory !== undefined) {
    attr.set(field.file_flags, BPF_F_PATH_FD).set(field.path_fd, directory);
  }
  return attr.command(Command.obj_pin);
}

/** BPF_OBJ_GET. */
export function objectGet(
  native: Native,
  path: string,
  flags: number = 0,
  directory?: number,
): Result {
  using frame = native.frame();
  const field = attributes.object;
  const attr = native.attributes.begin().set(field.pathname, frame.text(path))
    .set(field.file_flags, directory === undefined ? flags : flags | BPF_F_PATH_FD)
    .set(field.path_fd, directory);
  return attr.command(Command.obj_get);
}
