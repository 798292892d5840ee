/**
 * Computes `LINUX_KERNEL_VERSION`, the running kernel's version as `KERNEL_VERSION(a, b, c)`.
 *
 * @module
 */

/** Texts that contain the kernel's version. */
export interface VersionSources {
  /** `uname -r`. */
  readonly release: string;
  /** `uname -v`. */
  readonly version: string;
  /** Content of `/proc/version_signature`, which only Ubuntu has. */
  readonly signature?: string | undefined;
}

/**
 * Returns LINUX_KERNEL_VERSION, or undefined when no source contains a version.
 *
 * Some distributions put the upstream version elsewhere than in the release: Ubuntu in
 * `/proc/version_signature`, Debian in `uname -v`. libbpf reads the same sources (get_kernel_version()).
 */
export function kernelVersion(sources: VersionSources): number | undefined {
  const found = /^\S+\s+\S+\s+(\d+)\.(\d+)\.(\d+)/.exec(sources.signature ?? "") ??
    /Debian (\d+)\.(\d+)\.(\d+)/.exec(sources.version) ??
    /^(\d+)\.(\d+)\.(\d+)/.exec(sources.release);
  if (found === null) return undefined;
  const [major, minor, patch] = found.slice(1).map(Number) as [number, number, number];
  // The patch level has one byte: the kernel caps it at 255, as in 4.9.256.
  return (major << 16) + (minor << 8) + Math.min(patch, 255);
}
