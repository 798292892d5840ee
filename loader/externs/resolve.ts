/**
 * Resolves an object's externs against sources that are asked only when an extern needs them.
 *
 * @module
 */

import type { Btf } from "../../btf/btf.ts";
import { SkepError } from "../../errors/skep_error.ts";
import type { ExternSpec } from "../../object/spec/spec.ts";
import { findBtfSymbol, type SymbolSources } from "./btf_symbols.ts";
import { type KernelAddresses, readAddresses } from "./kallsyms.ts";
import { KconfigValues } from "./kconfig.ts";

/** What an extern turned out to be. */
export type Resolution =
  | { readonly kind: "kconfig"; readonly offset: number }
  | { readonly kind: "address"; readonly address: bigint }
  | { readonly kind: "ksym"; readonly btfId: number; readonly module?: string | undefined }
  | { readonly kind: "kfunc"; readonly btfId: number; readonly module?: string | undefined }
  | { readonly kind: "unresolved"; readonly why: string };

/** Where answers come from. Each is a function: what no extern asks for is never read. */
export interface ExternSources {
  /** The user's own configuration text, which comes before the kernel's. */
  readonly kconfigText?: string | undefined;
  /** The kernel's configuration, decompressed, with the name of the file; undefined when there is none. */
  readonly kconfig: () => { readonly text: Uint8Array; readonly path: string } | undefined;
  /** LINUX_KERNEL_VERSION; undefined when it cannot be told. */
  readonly kernelVersion: () => number | undefined;
  /** Whether programs can have cookies (Linux 5.15). */
  readonly hasBpfCookie: () => boolean;
  /** Whether system calls take one `struct pt_regs *` (x86-64 since Linux 4.17, arm64 since 4.19). */
  readonly hasSyscallWrapper: () => boolean;
  /** The bytes of `/proc/kallsyms`; undefined when it cannot be read. */
  readonly kallsyms: () => Uint8Array | undefined;
  /** vmlinux's types and the modules'. */
  readonly symbols: () => SymbolSources;
}

/** The externs of an object, resolved. */
export interface ResolvedExterns {
  /** The contents of the `.kconfig` map; absent without kconfig externs. */
  readonly kconfig?: Uint8Array<ArrayBuffer> | undefined;
  /** What an extern turned out to be, by its name in the object. */
  find(name: string): Resolution | undefined;
}

/**
 * Resolves all externs, in libbpf's order: virtual options, the user's configuration, the kernel's,
 * addresses, types.
 *
 * @throws {SkepError} ESRCH for a strong extern that nothing provides, EINVAL for one of the wrong type and
 * for a typed symbol that is not there, EPERM when the kernel hides its addresses from this process.
 */
export function resolveExterns(
  externs: readonly ExternSpec[],
  local: Btf | undefined,
  sources: ExternSources,
): ResolvedExterns {
  const resolutions = new Map<string, Resolution>();
  // What is not there at all is reported last: an extern of the wrong type says more.
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
        "declare it __weak to have 0 there, or give a value with the kconfig option",
      ));
    }
    resolutions.set(extern.name, { kind: "kconfig", offset: extern.offset });
  }
  return values.bytes;
}

/** LINUX_KERNEL_VERSION and its like, which no configuration has. */
function setVirtual(values: KconfigValues, extern: ExternSpec, sources: ExternSources): void {
  switch (extern.name) {
    case "LINUX_KERNEL_VERSION": {
      const version = sources.kernelVersion();
      if (version === undefined) {
        throw refuse(extern, "EINVAL", "the running kernel does not tell its version");
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
      "it is neither an option of the configuration nor a virtual one that is known",
      "name an option CONFIG_…; virtual ones are LINUX_KERNEL_VERSION, LINUX_HAS_BPF_COOKIE and LINUX_HAS_SYSCALL_WRAPPER",
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
        "declare it __weak to have address 0 there",
      ));
    }
    resolutions.set(extern.name, resolution);
  }
}

function addressOf(extern: ExternSpec, { found, hidden }: KernelAddresses): Resolution {
  const [address, other] = found.get(extern.name) ?? [];
  if (hidden) {
    // Every address reads as zero: that is no answer, and 0 is no address to give to a program.
    const why =
      "the kernel hides its addresses from this process: /proc/kallsyms shows none but zero";
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
        ? { kind: "unresolved", why: "the kernel has none of that name and type" }
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
    fix: "give the values with the kconfig option, as lines CONFIG_X=y",
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
