/**
 * Finds the load that reads a whole bitfield into a register.
 *
 * @module
 */

/** A load from a struct. */
export interface LoadUnit {
  /** Offset in the struct in bytes, a multiple of `byteSize`. */
  readonly byteOffset: number;
  /** Size in bytes: that of the declared type, doubled until the bitfield fits. */
  readonly byteSize: number;
}

/**
 * Returns the smallest naturally aligned load, at least as wide as the declared type, that covers all bits
 * of a bitfield; undefined when eight bytes do not suffice.
 */
export function loadUnit(
  bitOffset: number,
  bitSize: number,
  declaredSize: number,
): LoadUnit | undefined {
  if (declaredSize <= 0) return undefined;
  let byteSize = declaredSize;
  for (;;) {
    const byteOffset = Math.floor((bitOffset >>> 3) / byteSize) * byteSize;
    if (bitOffset + bitSize - byteOffset * 8 <= byteSize * 8) return { byteOffset, byteSize };
    if (byteSize >= 8) return undefined;
    byteSize *= 2;
  }
}
