/**
 * Where to load from, and how much, to have a whole bitfield in a register.
 *
 * @module
 */

/** A load: where it starts in the struct and how many bytes it takes. */
export interface LoadUnit {
  /** Bytes from the start of the struct, a multiple of `byteSize`. */
  readonly byteOffset: number;
  /** Bytes: the declared type's size, doubled until the bitfield fits. */
  readonly byteSize: number;
}

/**
 * Finds the smallest naturally aligned load, at least as wide as the declared type, that takes in all
 * bits of a bitfield; undefined when not even eight bytes do.
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
