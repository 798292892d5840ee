/**
 * The version of the running kernel as BPF programs compare it: `KERNEL_VERSION(a, b, c)`.
 *
 * @module
 */

/** What tells the version. */
export interface VersionSources {
  /** `uname -r`. */
  readonly release: string;
  /** `uname -v`. */
  readonly version: string;
  /** `/proc/version_signature`, which only Ubuntu has. */
  readonly signature?: string | undefined;
}

/**
 * Works out LINUX_KERNEL_VERSION; undefined when nothing tells it.
 *
 * Distributions that patch a stable kernel write its real version elsewhere than in the release: Ubuntu
 * in `/proc/version_signature`, Debian in `uname -v`.
 */
export function kernelVersion(sources: VersionSources): number | undefined {
  const found = /^\S+\s+\S+\s+(\d+)\.(\d+)\.(\d+)/.exec(sources.signature ?? "") ??
    /Debian (\d+)\.(\d+)\.(\d+)/.exec(sources.version) ??
    /^(\d+)\.(\d+)\.(\d+)/.exec(sources.release);
  if (found === null) return undefined;
  const [major, minor, patch] = found.slice(1).map(Number) as [number, number, number];
  // The patch level has one byte: 4.9.256 and later count as 255.
  return (major << 16) + (minor << 8) + Math.min(patch, 255);
}
