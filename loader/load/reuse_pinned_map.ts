/**
 * Reuses a pinned map that has the shape of the spec.
 *
 * @module
 */

import { SkepError } from "../../errors/skep_error.ts";
import { KernelError } from "../../errors/kernel_error.ts";
import { Errno, failed } from "../../uapi/errno.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import { mapTypeName } from "../../uapi/enums.ts";
import type { MapSpec } from "../../object/spec/spec.ts";
import { Descriptor } from "../../kernel/descriptor.ts";
import { mapInfo } from "../map/info.ts";
import {
  effectiveMaxEntries,
  type MapShape,
  mapTypeNumber,
  type ShapeDifference,
  shapeDifferences,
} from "../../object/spec/map_rules.ts";
import type { LoadContext } from "./load_context.ts";

/**
 * Opens the map that is pinned at `path`. Returns undefined when nothing is pinned there.
 *
 * @throws {SkepError} EINVAL when the map's shape differs from the spec; names every field that differs.
 * @throws {KernelError} when BPF_OBJ_GET fails with another errno than ENOENT.
 */
export function openPinned(
  state: LoadContext,
  spec: MapSpec,
  path: string,
): Descriptor | undefined {
  const { kernel } = state;
  const fd = kernel.objectGet(path);
  if (failed(fd, Errno.ENOENT)) return undefined;
  if (fd < 0) {
    throw new KernelError({
      doing: "open pinned map",
      subject: path,
      command: "BPF_OBJ_GET",
      result: fd,
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
    `its ${WORDS[field]} is ${show(field, pinned)}, the object declares ${show(field, wanted)}`
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
