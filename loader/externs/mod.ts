/**
 * Resolves externs: kernel configuration, symbol addresses, kernel variables and kfuncs.
 *
 * Imports: errors, btf, object, kernel.
 *
 * @module
 */

export { type BtfSymbol, findBtfSymbol, type SymbolSources } from "./btf_symbols.ts";
export { type KernelAddresses, readAddresses } from "./kallsyms.ts";
export { KconfigValues } from "./kconfig.ts";
export { kernelVersion, type VersionSources } from "./kernel_version.ts";
export {
  type ExternSources,
  type Resolution,
  type ResolvedExterns,
  resolveExterns,
} from "./resolve.ts";
export { type KernelSources, kernelSources } from "./sources.ts";
