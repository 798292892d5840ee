/**
 * Paths of maps that pin by name.
 *
 * @module
 */

import { SkepError } from "../../errors/skep_error.ts";
import { bpffsComponentFault } from "../../kernel/path_component.ts";
import type { MapSpec } from "../../object/spec/spec.ts";
import type { ObjectSpec } from "../../object/object_spec.ts";

/** Returns the path of a map's pin, or undefined for a map that is not pinned. */
export function pinPathOf(map: MapSpec, pinRoot: string): string | undefined {
  return map.pinPath ?? (map.pinning === "by-name" ? `${pinRoot}/${map.name}` : undefined);
}

/**
 * Refuses maps that pin by name and whose names lead out of `pinRoot`, such as `../other/map`.
 *
 * @throws {SkepError} EINVAL when a name is not one path component that a BPF file system accepts.
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
      why: `it pins by name, and its name ${fault}`,
      fix:
        "set pinPath on the map's spec; compilers emit no such names, so check where the object comes from",
      data: { map: name },
    });
  }
}
