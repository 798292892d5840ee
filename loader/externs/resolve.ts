/**
 * Resolves an object's externs. Sources are read only when an extern needs them.
 *
 * @module
 */

import type { Btf } from "../../btf/btf.ts";
import { SkepError } from "../../errors/skep_error.ts";
import type { ExternSpec } from "../../object/spec/spec.ts";
import { findBtfSymbol, type SymbolSources } from "./btf_symbols.ts";
import { type KernelAddresses, readAddresses } from "./kallsyms.ts";
import { KconfigValues } from "./kconfig.ts";

/** Resolution of one extern. */
export type Resolution =
  | { readonly kind: "kconfig"; readonly offset: number }
  | { readonly kind: "address"; readonly address: bigint }
  | { readonly kind: "ksym"; readonly btfId: number; readonly module?: string | undefined }
  | { readonly kind: "kfunc"; readonly btfId: number; readonly module?: string | undefined }
  | { readonly kind: "unresolved"; readonly why: string };

/** Sources of externs. They are functions, so that a source that no extern needs is not read. */
export interface ExternSources {
  /** The user's kernel configuration, read before the kernel's. */
  readonly kconfigText?: string | undefined;
  /** Returns the kernel's configuration, decompressed, and the path of its file; undefined when there is none. */
  readonly kconfig: () => { readonly text: Uint8Array; readonly path: string } | undefined;
  /** Returns LINUX_KERNEL_VERSION; undefined when the version cannot be determined. */
  readonly kernelVersion: () => number | undefined;
  /** Returns whether the kernel has bpf_get_attach_cookie() (Linux 5.15). */
  readonly hasBpfCookie: () => boolean;
  /**
   * Returns whether system call functions take one `struct pt_regs *` (x86-64 since Linux 4.17, arm64 since
   * 4.19).
   */
  readonly hasSyscallWrapper: () => boolean;
  /** Returns the contents of `/proc/kallsyms`; undefined when it cannot be read. */
  readonly kallsyms: () => Uint8Array | undefined;
  /** Returns the BTF of vmlinux and the modules. */
  readonly symbols: () => SymbolSources;
}

/** Resolved externs of an object. */
export interface ResolvedExterns {
  /** Contents of the `.kconfig` map; undefined without kconfig externs. */
  readonly kconfig?: Uint8Array<ArrayBuffer> | undefined;
  /** Returns the resolution of an extern by its name in the object; undefined for an unknown name. */
  find(name: string): Resolution | undefined;
}

/**
 * Resolves all externs, in libbpf's order: virtual options, the user's configuration, the kernel's
 * configuration, symbol addresses, typed symbols.
 *
 * @throws {SkepError} ESRCH for a strong option or address that does not exist; EINVAL for a value or type that
 * does not match, a strong typed symbol that does not exist, an ambiguous address, or no readable configuration;
 * EPERM when the kernel hides its addresses from this process.
 */
export function resolveExterns(
  externs: readonly ExternSpec[],
  local: Btf | undefined,
  sources: ExternSources,
): ResolvedExterns {
  const resolutions = new Map<string, Resolution>();
  // Missing externs are reported last, so that a wrong type takes precedence.
  const missing: SkepError[] = [];
  const kconfig = resolveKconfig(externs, sources, resolutions, missing);
  resolveAddresses(externs, sources, resolutions, missing);
  resolveTyped(externs, local, sources, resolutions);
  if (missing[0] !== undefined) throw missing[0];
  return {
    kconfig,
    find: (name: string): Resolution | undefined => resolutions.get(name),
  };
}

function resolveKconfig(
  externs: readonly ExternSpec[],
  sources: ExternSources,
  resolutions: Map<string, Resolution>,
  missing: SkepError[],
): Uint8Array<ArrayBuffer> | undefined {
  const wanted = externs.filter((extern) => extern.kind === "kconfig");
  if (wanted.length === 0) return undefined;
  const values = new KconfigValues(wanted);
  for (const extern of wanted) {
    if (!extern.name.startsWith("CONFIG_")) setVirtual(values, extern, sources);
  }
  if (values.incomplete && sources.kconfigText !== undefined) {
    values.read(sources.kconfigText, "kconfig option");
  }
  if (values.incomplete) {
    const system = sources.kconfig();
    if (system === undefined) throw noConfiguration(wanted.filter((each) => !values.has(each)));
    values.read(system.text, system.path);
  }
  for (const extern of wanted) {
    if (!values.has(extern) && !extern.weak) {
      missing.push(refuse(
        extern,
        "ESRCH",
        "the kernel's configuration does not set it",
        "declare it __weak to default to 0, or set it with the kconfig option",
      ));
    }
    resolutions.set(extern.name, { kind: "kconfig", offset: extern.offset });
  }
  return values.bytes;
}

/** Sets a virtual option (`LINUX_…`), which no configuration contains. */
function setVirtual(values: KconfigValues, extern: ExternSpec, sources: ExternSources): void {
  switch (extern.name) {
    case "LINUX_KERNEL_VERSION": {
      const version = sources.kernelVersion();
      if (version === undefined) {
        throw refuse(
          extern,
          "EINVAL",
          "no version can be parsed from the running kernel's release",
        );
      }
      return values.setNumber(extern, BigInt(version));
    }
    case "LINUX_HAS_BPF_COOKIE":
      return values.setNumber(extern, sources.hasBpfCookie() ? 1n : 0n);
    case "LINUX_HAS_SYSCALL_WRAPPER":
      return values.setNumber(extern, sources.hasSyscallWrapper() ? 1n : 0n);
  }
  if (!extern.name.startsWith("LINUX_") || !extern.weak) {
    throw refuse(
      extern,
      "EINVAL",
      "it is neither a configuration option nor a known virtual option",
      "use an option CONFIG_…, or one of LINUX_KERNEL_VERSION, LINUX_HAS_BPF_COOKIE and LINUX_HAS_SYSCALL_WRAPPER",
    );
  }
  values.setNumber(extern, 0n);
}

function resolveAddresses(
  externs: readonly ExternSpec[],
  sources: ExternSources,
  resolutions: Map<string, Resolution>,
  missing: SkepError[],
): void {
  const wanted = externs.filter((extern) => extern.kind === "ksym-typeless");
  if (wanted.length === 0) return;
  const bytes = sources.kallsyms();
  const addresses: KernelAddresses = bytes === undefined
    ? { found: new Map(), hidden: true }
    : readAddresses(bytes, wanted.map((extern) => extern.name));
  for (const extern of wanted) {
    const resolution = addressOf(extern, addresses);
    if (resolution.kind === "unresolved" && !extern.weak) {
      missing.push(refuse(
        extern,
        "ESRCH",
        resolution.why,
        "declare it __weak to default to address 0",
      ));
    }
    resolutions.set(extern.name, resolution);
  }
}

function addressOf(extern: ExternSpec, { found, hidden }: KernelAddresses): Resolution {
  const [address, other] = found.get(extern.name) ?? [];
  if (hidden) {
    // All addresses read as zero: the symbol may exist, so 0 ("missing") would be wrong.
    const why =
      "the kernel hides its addresses from this process: /proc/kallsyms shows only zeroes";
    if (extern.weak) return { kind: "unresolved", why };
    throw refuse(
      extern,
      "EPERM",
      why,
      "load as root outside of any user namespace with kernel.kptr_restrict below 2, " +
        "or declare the symbol with its type so that BTF resolves it",
    );
  }
  if (address === undefined) return { kind: "unresolved", why: "the kernel has no such symbol" };
  if (other !== undefined) {
    const list = (found.get(extern.name) ?? []).map((each) => `0x${each.toString(16)}`).join(", ");
    throw refuse(extern, "EINVAL", `the kernel has several symbols of that name: ${list}`);
  }
  return { kind: "address", address };
}

function resolveTyped(
  externs: readonly ExternSpec[],
  local: Btf | undefined,
  sources: ExternSources,
  resolutions: Map<string, Resolution>,
): void {
  const wanted = externs.filter((each) => each.kind === "ksym-typed" || each.kind === "kfunc");
  if (wanted.length === 0 || local === undefined) return;
  const symbols = sources.symbols();
  for (const extern of wanted) {
    const found = findBtfSymbol(extern, local, symbols);
    const kind = extern.kind === "kfunc" ? "kfunc" : "ksym";
    resolutions.set(
      extern.name,
      found === undefined
        ? { kind: "unresolved", why: "the kernel has no symbol of that name and type" }
        : { kind, ...found },
    );
  }
}

function noConfiguration(missing: readonly ExternSpec[]): SkepError {
  return new SkepError({
    doing: "resolve externs",
    subject: missing.map((extern) => extern.name).join(", "),
    errno: "EINVAL",
    stage: "relocate",
    why: "the kernel's configuration is neither in /boot nor in /proc/config.gz",
    fix: "set the values with the kconfig option, as lines CONFIG_X=y",
  });
}

function refuse(extern: ExternSpec, errno: string, why: string, fix?: string): SkepError {
  return new SkepError({
    doing: "resolve extern",
    subject: extern.name,
    errno,
    stage: "relocate",
    why,
    fix,
  });
}
