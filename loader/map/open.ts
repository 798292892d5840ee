/**
 * Opens existing maps by id or pin, with their BTF types.
 *
 * @module
 */

import { Btf } from "../../btf/btf.ts";
import { SkepError } from "../../errors/skep_error.ts";
import { check } from "../../errors/kernel_error.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import { Descriptor } from "../../kernel/descriptor.ts";
import { mapInfo } from "./info.ts";
import type { MapParts } from "./parts.ts";

/**
 * Opens a map by its id, or by the path of its pin. The map has no types when its BTF cannot be opened or parsed.
 *
 * @throws {KernelError} when the map cannot be opened.
 */
export function openMap(which: number | string, kernel: Kernel, tokenFd?: number): MapParts {
  const subject = String(which);
  const doing = "open map";
  const descriptor = new Descriptor(
    kernel,
    typeof which === "number"
      ? check(kernel.getFdById("map", which), {
        doing,
        subject,
        command: "BPF_MAP_GET_FD_BY_ID",
      })
      : check(kernel.objectGet(which), { doing, subject, command: "BPF_OBJ_GET" }),
  );
  try {
    const info = mapInfo(kernel, descriptor.fd, subject);
    return {
      kernel,
      descriptor,
      name: info.name,
      type: info.type,
      keySize: info.keySize,
      valueSize: info.valueSize,
      maxEntries: info.maxEntries,
      flags: info.flags,
      mapExtra: info.mapExtra,
      btf: info.btfId === 0 ? undefined : btfById(kernel, info.btfId, tokenFd),
      keyTypeId: info.keyTypeId,
      valueTypeId: info.valueTypeId,
    };
  } catch (error) {
    descriptor[Symbol.dispose]();
    throw error;
  }
}

/** Reads a BTF by its id. Returns undefined when it cannot be opened, or not parsed. */
function btfById(kernel: Kernel, id: number, tokenFd: number | undefined): Btf | undefined {
  const fd = kernel.getFdById("btf", id, tokenFd);
  if (fd < 0) return undefined;
  using _closing = new Descriptor(kernel, fd);
  const { result, bytes } = kernel.btfInfo(fd);
  if (result < 0) return undefined;
  try {
    return Btf.parse(bytes, { name: `BTF ${id}` });
  } catch (error) {
    if (error instanceof SkepError) return undefined;
    throw error;
  }
}
