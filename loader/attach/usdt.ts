/**
 * Attaches to USDT probes (user statically-defined tracepoints).
 *
 * @module
 */

import type { UsdtAttachSpec } from "../../object/section/attach_spec.ts";
import { AttachMethod } from "./kind.ts";
import { BIGINT, INTEGER, TEXT } from "./options.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import { nearestNames } from "../../object/spec/named.ts";
import { attachError, checkAttach, noSuchTarget } from "./target/error.ts";
import { requirePath, withExecutable } from "./target/executable.ts";
import { type AttachableProgram, loadedFor } from "./attachable.ts";
import { Link } from "./link.ts";
import { attachUprobeAt } from "./uprobe_perf.ts";
import { attachToFile } from "./uprobe_multi.ts";
import { encodeUsdtSpec, parseUsdtArguments, USDT_SPEC_SIZES } from "./target/usdt_arguments.ts";
import { type UsdtNote, usdtNotes } from "./target/usdt_notes.ts";
import { numbersOf, type SpecNumbers } from "./target/usdt_numbers.ts";
import { structs, structSizes } from "../../uapi/layouts.ts";
import { StructReader } from "../../uapi/fields.ts";
import { BPF_OBJ_NAME_LEN } from "../../uapi/bpf_flags.ts";

const SPECS = "__bpf_usdt_specs";

/** Attach options of USDT programs. */
export interface UsdtOptions {
  /** Executable or library: a path, or a bare name searched for in PATH or the library directories. */
  readonly path?: string | undefined;
  /** Provider of the probe. */
  readonly provider?: string | undefined;
  /** Name of the probe. */
  readonly name?: string | undefined;
  /** Value that `bpf_usdt_cookie()` returns in the program. @default {0n} */
  readonly cookie?: bigint | undefined;
  /** Process to probe: a process id, or -1 for every process. @default {-1} */
  readonly pid?: number | undefined;
}

/** Attach method for `usdt` hooks. */
export const usdt: AttachMethod<"usdt", UsdtOptions> = new AttachMethod<"usdt", UsdtOptions>({
  kind: "usdt",
  options: {
    path: TEXT,
    provider: TEXT,
    name: TEXT,
    cookie: BIGINT,
    pid: INTEGER,
  },
  attach,
});

/**
 * Attaches to every location of a USDT probe.
 *
 * The program must be built with libbpf's `usdt.bpf.h`, whose map `__bpf_usdt_specs` gets the locations of
 * the arguments. Minimum kernel: Linux 5.15 (attach cookies).
 *
 * @throws {AttachError} when an option is not one of this kind's, or the target is missing or does not exist.
 * @throws {KernelError} when the kernel refuses.
 * @throws {DelegationError} when it refuses because a privilege is missing.
 * @example
 * ```ts ignore
 * import { attachUsdt } from "@skep/skep/attach";
 *
 * const program = object.programs.get("trace");
 * using link = attachUsdt(program, { path: "libc.so.6", provider: "libc", name: "setjmp" });
 * ```
 */
export function attachUsdt(program: AttachableProgram, options: UsdtOptions = {}): Link {
  return usdt.attach(program, options);
}

function attach(
  program: AttachableProgram,
  options: UsdtOptions,
  spec: UsdtAttachSpec | undefined,
): Link {
  const { kernel } = program;
  const { provider = spec?.provider, name = spec?.name, cookie = 0n, pid } = options;
  const path = requirePath(kernel, program, options.path ?? spec?.path);
  if (provider === undefined || name === undefined) {
    throw attachError(program.name, "no USDT probe was given as provider and name", {
      errno: "EINVAL",
      fix: "attach({ path, provider, name }), or name it in the section: usdt/PATH:PROVIDER:NAME",
    });
  }
  const notes = withExecutable(kernel, program.name, path, (file) => {
    const all = usdtNotes(file);
    const found = all.filter((note) => note.provider === provider && note.name === name);
    if (found.length > 0) return found;
    const names = [...new Set(all.map((note) => `${note.provider}:${note.name}`))];
    throw noSuchTarget(
      program.name,
      `USDT probe in ${path}`,
      `${provider}:${name}`,
      nearestNames(`${provider}:${name}`, names),
      "check that the file was built with USDT probes: readelf -n shows its notes",
    );
  });
  const specs = specsMap(kernel, program);
  const ids: number[] = [];
  const release = (): void => {
    specs.release(ids);
    kernel.close(specs.fd);
  };
  try {
    const cookies = specIds(kernel, program, specs, notes, cookie, ids);
    const target = `${path}:${provider}:${name}`;
    return join(program, path, notes, cookies, { target, pid, release });
  } catch (error) {
    release();
    throw error;
  }
}

interface SpecsMap extends SpecNumbers {
  readonly fd: number;
  readonly size: number;
  readonly valueSize: number;
}

/** Opens the map that the program reads argument specs from. The caller closes the descriptor. */
function specsMap(kernel: Kernel, program: AttachableProgram): SpecsMap {
  const known = program.maps?.find(SPECS)?.fd;
  const fd = known === undefined ? findByProgram(kernel, program) : kernel.dup(known);
  if (fd === undefined) {
    throw attachError(program.name, `its object has no map "${SPECS}"`, {
      errno: "ESRCH",
      fix: "include usdt.bpf.h of libbpf, and read arguments with bpf_usdt_arg()",
    });
  }
  checkAttach(fd, program.name, "fcntl");
  const { result, bytes } = kernel.objectInfo(fd, structSizes.bpf_map_info);
  if (result < 0) kernel.close(fd);
  checkAttach(result, program.name, "BPF_OBJ_GET_INFO_BY_FD");
  const info = new StructReader(bytes, structSizes.bpf_map_info);
  const [id, valueSize, size] = [
    info.number(structs.bpf_map_info.id),
    info.number(structs.bpf_map_info.value_size),
    info.number(structs.bpf_map_info.max_entries),
  ];
  if (!USDT_SPEC_SIZES.includes(valueSize)) {
    kernel.close(fd);
    throw attachError(
      program.name,
      `the values of "${SPECS}" have ${valueSize} bytes instead of ${USDT_SPEC_SIZES.join(" or ")}`,
      { errno: "EINVAL", fix: "build it with the usdt.bpf.h of a released libbpf" },
    );
  }
  return { fd, size, valueSize, ...numbersOf(kernel, id) };
}

/** Finds the map among those that the program uses, by its name truncated to BPF_OBJ_NAME_LEN. */
function findByProgram(kernel: Kernel, program: AttachableProgram): number | undefined {
  for (const id of kernel.programInfo(program.fd, { mapIds: true }).mapIds) {
    const fd = kernel.getFdById("map", id);
    if (fd < 0) continue;
    const { bytes } = kernel.objectInfo(fd, structSizes.bpf_map_info);
    const info = new StructReader(bytes, structSizes.bpf_map_info);
    if (info.text(structs.bpf_map_info.name) === SPECS.slice(0, BPF_OBJ_NAME_LEN - 1)) return fd;
    kernel.close(fd);
  }
  return undefined;
}

/** Writes the argument specs into the map and returns the index of each; equal arguments share a spec. */
function specIds(
  kernel: Kernel,
  program: AttachableProgram,
  specs: SpecsMap,
  notes: readonly UsdtNote[],
  cookie: bigint,
  ids: number[],
): bigint[] {
  const byArguments = new Map<string, number>();
  using element = kernel.mapElements(specs.fd, 4, specs.valueSize);
  return notes.map((note) => {
    const text = note.arguments;
    let id = byArguments.get(text);
    if (id !== undefined) return BigInt(id);
    id = 0;
    while (specs.used.has(id)) id++;
    if (id >= specs.size) {
      throw attachError(program.name, `all ${specs.size} entries of "${SPECS}" are in use`, {
        errno: "E2BIG",
        fix: "raise its maxEntries before loading",
      });
    }
    element.value.set(specOf(kernel, program, note, cookie, specs.valueSize));
    new DataView(element.key.buffer, element.key.byteOffset).setUint32(0, id, true);
    checkAttach(element.update(), program.name, "BPF_MAP_UPDATE_ELEM", { data: { map: SPECS } });
    specs.used.add(id);
    ids.push(id);
    byArguments.set(text, id);
    return BigInt(id);
  });
}

function specOf(
  kernel: Kernel,
  program: AttachableProgram,
  note: UsdtNote,
  cookie: bigint,
  size: number,
): Uint8Array {
  try {
    const places = parseUsdtArguments(note.arguments, kernel.machine.machine);
    return encodeUsdtSpec(places, cookie, size);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    const probe = `${note.provider}:${note.name}`;
    throw attachError(program.name, `an argument of ${probe} cannot be read: ${error.message}`, {
      errno: "EINVAL",
      data: { arguments: note.arguments },
    });
  }
}

/** Attaches to all locations: by one uprobe.multi link if the program was loaded for it, else by one each. */
function join(
  program: AttachableProgram,
  path: string,
  notes: readonly UsdtNote[],
  cookies: readonly bigint[],
  { target, pid = -1, release }: {
    readonly target: string;
    readonly pid: number | undefined;
    readonly release: () => void;
  },
): Link {
  const parts: Link[] = [];
  if (loadedFor(program) === "trace_uprobe_multi") {
    const semaphores = notes.map(({ semaphoreOffset }) => semaphoreOffset);
    parts.push(attachToFile(program, {
      path,
      offsets: notes.map(({ offset }) => offset),
      cookies,
      referenceCounterOffsets: semaphores.some((offset) => offset !== 0n) ? semaphores : undefined,
      pid: pid < 0 ? undefined : pid,
    }));
  } else {
    try {
      for (const [index, { offset, semaphoreOffset }] of notes.entries()) {
        parts.push(attachUprobeAt(program, path, offset, target, {
          cookie: cookies[index] as bigint,
          pid,
          referenceCounterOffset: Number(semaphoreOffset),
        }));
      }
    } catch (error) {
      for (const part of parts) part.close();
      throw error;
    }
  }
  return new Link(program.kernel, {
    kind: "usdt",
    program: program.name,
    target,
    fd: -1,
    parts,
    closed: release,
  });
}
