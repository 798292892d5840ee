/**
 * Where maps are pinned by their names.
 *
 * @module
 */

import { SkepError } from "../../errors/skep_error.ts";
import { bpffsComponentFault } from "../../kernel/path_component.ts";
import type { MapSpec } from "../../object/spec/spec.ts";
import type { ObjectSpec } from "../../object/object_spec.ts";

/** The path of a map's pin; undefined for one that is not pinned. */
export function pinPathOf(map: MapSpec, pinRoot: string): string | undefined {
  return map.pinPath ?? (map.pinning === "by-name" ? `${pinRoot}/${map.name}` : undefined);
}

/**
 * Refuses maps whose names would lead out of `pinRoot`: `../other/map` is another application's.
 *
 * @throws {SkepError} EINVAL for a name that is not one component of a path in a BPF file system.
 */
export function checkPinNames(spec: ObjectSpec): void {
  for (const { name, pinning, pinPath, autocreate } of spec.maps) {
    if (pinning !== "by-name" || pinPath !== undefined || !autocreate) continue;
    const fault = bpffsComponentFault(name);
    if (fault === undefined) continue;
    throw new SkepError({
      doing: "pin map",
      subject: name,
      errno: "EINVAL",
      stage: "map",
      why: `it is to be pinned by its name, which ${fault}`,
      fix:
        "give it a path of its own (pinPath), or do not load this object: compilers make no such names",
      data: { map: name },
    });
  }
}
