/**
 * Checks names that become components of paths: a name from a file must not lead to another directory.
 *
 * @module
 */

/** NAME_MAX: the maximum length of a path component in bytes. */
const LONGEST_COMPONENT = 255;

const encoder = new TextEncoder();

/** Returns why a name is not exactly one path component; undefined when it is one. */
export function componentFault(name: string): string | undefined {
  if (name === "") return "is empty";
  if (name === "." || name === "..") return "is a reference to a directory";
  if (name.includes("/")) return 'contains "/"';
  if (name.includes("\0")) return "contains a NUL";
  const { length } = encoder.encode(name);
  if (length <= LONGEST_COMPONENT) return undefined;
  return `has ${length} bytes, and a file's name has ${LONGEST_COMPONENT} at most`;
}

/**
 * As {@linkcode componentFault}, for a name on a bpffs. The kernel reserves names with dots there
 * (`bpf_lookup()` returns EPERM).
 */
export function bpffsComponentFault(name: string): string | undefined {
  return componentFault(name) ??
    (name.includes(".") ? "has a dot, which no name in a BPF file system may have" : undefined);
}
