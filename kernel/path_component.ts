/**
 * Names that become parts of paths: names from files must not lead elsewhere.
 *
 * @module
 */

/** NAME_MAX: bytes of one component of a path, on every file system. */
const LONGEST_COMPONENT = 255;

const encoder = new TextEncoder();

/**
 * Why a name is not exactly one component of a path, or undefined when it is one.
 */
export function componentFault(name: string): string | undefined {
  if (name === "") return "is empty";
  if (name === "." || name === "..") return "is a directory's own name or its parent's";
  if (name.includes("/")) return 'has a "/"';
  if (name.includes("\0")) return "has a NUL";
  const { length } = encoder.encode(name);
  if (length <= LONGEST_COMPONENT) return undefined;
  return `has ${length} bytes, and a file's name has ${LONGEST_COMPONENT} at most`;
}

/**
 * As {@linkcode componentFault}, for a name in a BPF file system, which has no dots either: the kernel keeps
 * names with them for itself (`bpf_lookup()` answers EPERM).
 */
export function bpffsComponentFault(name: string): string | undefined {
  return componentFault(name) ??
    (name.includes(".") ? "has a dot, which no name in a BPF file system may have" : undefined);
}
