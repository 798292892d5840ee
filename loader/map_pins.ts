/**
 * Maps that are pinned by name: found again when they fit, pinned when they are new.
 *
 * @module
 */

import { SkepError } from "../elf/error.ts";
import { KernelError } from "../kernel/error.ts";
import { Errno, errnoName } from "../kernel/errno.ts";
import type { Kernel } from "../kernel/kernel.ts";
import { mapTypeName } from "../object/kernel_enums.ts";
import type { MapSpec } from "../object/spec.ts";
import { Descriptor } from "./descriptor.ts";
import { mapInfo } from "./info.ts";
import {
  effectiveMaxEntries,
  type MapShape,
  mapTypeNumber,
  type ShapeDifference,
  shapeDifferences,
} from "./map_rules.ts";
import type { LoadState } from "./state.ts";

/** The magic number of a BPF file system (`BPF_FS_MAGIC`). */
export const BPF_FS_MAGIC: number = 0xcafe4a11;

/**
 * Opens the map that is pinned at `path`, when there is one.
 *
 * Throws a {@linkcode SkepError} with EINVAL that names every field in which it differs from the spec.
 */
export function openPinned(
  state: LoadState,
  spec: MapSpec,
  path: string,
): Descriptor | undefined {
  const { kernel } = state;
  const fd = kernel.objectGet(path);
  if (fd === -Errno.ENOENT) return undefined;
  if (fd < 0) {
    throw new KernelError({
      doing: "open pinned map",
      subject: path,
      command: "BPF_OBJ_GET",
      number: fd,
      stage: "map",
    });
  }
  const descriptor = new Descriptor(kernel, fd);
  try {
    const differences = shapeDifferences(
      wantedShape(spec, kernel),
      mapInfo(kernel, fd, path),
    );
    if (differences.length > 0) throw mismatch(spec, path, differences);
    return descriptor;
  } catch (error) {
    descriptor[Symbol.dispose]();
    throw error;
  }
}

function wantedShape(spec: MapSpec, kernel: Kernel): MapShape {
  const type = mapTypeNumber(spec);
  const { keySize, valueSize, flags, mapExtra } = spec;
  const maxEntries = effectiveMaxEntries(type, spec.maxEntries, kernel.machine);
  return { type, keySize, valueSize, maxEntries, flags, mapExtra };
}

function mismatch(
  spec: MapSpec,
  path: string,
  differences: readonly ShapeDifference[],
): SkepError {
  const said = differences.map(({ field, wanted, pinned }) =>
    `its ${WORDS[field]} is ${show(field, pinned)}, the object wants ${show(field, wanted)}`
  ).join(", ");
  return new SkepError({
    doing: "reuse pinned map",
    subject: `${spec.name} at ${path}`,
    errno: "EINVAL",
    stage: "map",
    why: said,
    fix: `remove the pin (rm ${path}) or make the definitions equal`,
    data: { differences: differences.map((difference) => ({ ...difference })) },
  });
}

const WORDS: { readonly [K in keyof MapShape]: string } = {
  type: "type",
  keySize: "key_size",
  valueSize: "value_size",
  maxEntries: "max_entries",
  flags: "map_flags",
  mapExtra: "map_extra",
};

function show(field: keyof MapShape, value: string): string {
  if (field === "type") return mapTypeName(Number(value)) ?? value;
  return field === "flags" ? `0x${Number(value).toString(16)}` : value;
}

/**
 * Pins a descriptor at `path`, whose directory is made when it is missing (one level, mode 0700).
 *
 * Answers 0 or `-errno`; throws a {@linkcode SkepError} when the directory is not in a BPF file system.
 */
export function pinMap(kernel: Kernel, fd: number, path: string, subject: string): number {
  const directory = path.slice(0, Math.max(1, path.lastIndexOf("/")));
  const made = kernel.makeDirectory(directory, 0o700);
  if (made < 0 && made !== -Errno.EEXIST) return made;
  const magic = kernel.filesystemType(directory);
  if (magic < 0) return magic;
  if (magic >>> 0 !== BPF_FS_MAGIC) {
    throw new SkepError({
      doing: "pin",
      subject: `${subject} at ${path}`,
      errno: errnoName(Errno.EINVAL),
      stage: "map",
      why: `${directory} is not in a BPF file system`,
      fix: "name a path below a bpffs mount such as /sys/fs/bpf",
    });
  }
  return kernel.objectPin(fd, path);
}
