/**
 * Explains why the kernel refused a command of a load: a missing delegation, privilege or kernel feature.
 *
 * @module
 */

import type { SkepError } from "../../errors/skep_error.ts";
import { Errno, failed } from "../../uapi/errno.ts";
import { KernelError, type KernelErrorFacts } from "../../errors/kernel_error.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import { attachTypeName } from "../../uapi/enums.ts";
import { explainRefusal } from "../../token/explain/refusal.ts";
import type { Token } from "../../token/token.ts";
import { explainUnavailable } from "./availability.ts";
import type { RequirementKind } from "./requirements.ts";
import type { MapSpec, ProgramSpec } from "../../object/spec/spec.ts";
import { BPF_F_LINK } from "../../uapi/bpf_flags.ts";

/** Subject of a refused command. */
export type Subject =
  | {
    readonly kind: "map";
    readonly map:
      & Pick<MapSpec, "type" | "keySize" | "valueSize" | "maxEntries" | "flags">
      & Partial<Pick<MapSpec, "mapExtra">>;
  }
  | { readonly kind: "program"; readonly program: ProgramSpec; readonly attachType: number }
  | { readonly kind: "btf" };

/**
 * Creates the error of a refused command: a `DelegationError` if a missing delegation explains it, else a
 * `KernelError`.
 */
export function explainRefused(
  kernel: Kernel,
  token: Token | undefined,
  facts: KernelErrorFacts,
  subject: Subject,
): SkepError {
  const log = facts.data?.["log"];
  const explained = explainRefusal(kernel, {
    command: facts.command,
    doing: facts.doing,
    subject: facts.subject,
    result: facts.result,
    token,
    log: typeof log === "string" ? log : undefined,
    map: subject.kind === "map"
      ? {
        type: subject.map.type,
        keySize: subject.map.keySize,
        valueSize: subject.map.valueSize,
        maxEntries: subject.map.maxEntries,
        flags: subject.map.flags,
      }
      : undefined,
    program: subject.kind === "program"
      ? { type: subject.program.type, attachType: subject.attachType }
      : undefined,
  });
  // Prefer the caller's explanation of invalid arguments, except when this kernel lacks the feature.
  if (explained !== undefined && explained.reason !== "invalid-arguments") return explained;
  const why = facts.why ?? whyInvalid(facts, subject);
  const error = new KernelError({ ...facts, why });
  return explainUnavailable(kernel, error, featuresOf(subject)) ?? error;
}

/** Explains EINVAL from BPF_MAP_CREATE. The kernel does not report which argument is invalid, so all are listed. */
function whyInvalid({ result }: KernelErrorFacts, subject: Subject): string | undefined {
  if (!failed(result, Errno.EINVAL) || subject.kind !== "map") return undefined;
  const { type, keySize, valueSize, maxEntries, flags, mapExtra = 0n } = subject.map;
  const extra = mapExtra === 0n ? "" : `, map_extra 0x${mapExtra.toString(16)}`;
  const name = typeof type === "number" ? `map of type ${type}` : type;
  return `the kernel does not accept this definition: ${name} with key_size ${keySize}, value_size ` +
    `${valueSize}, max_entries ${maxEntries}, map_flags 0x${flags.toString(16)}${extra}`;
}

/** Returns the features that the kernel needs for the subject. */
function featuresOf(subject: Subject): readonly (readonly [RequirementKind, string])[] {
  switch (subject.kind) {
    case "map":
      if (typeof subject.map.type === "number") return [];
      return [
        ["map", subject.map.type],
        ...((subject.map.flags & BPF_F_LINK) === 0
          ? []
          : [["ability", "struct_ops_link"] as const]),
      ];
    case "program": {
      const attachType = attachTypeName(subject.attachType);
      return [
        ["program", subject.program.type],
        ...(attachType === undefined ? [] : [["attach", attachType] as const]),
      ];
    }
    case "btf":
      return [["command", "btf_load"]];
  }
}
