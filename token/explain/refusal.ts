/**
 * Explains why the kernel refused to create, load or attach: delegation, namespaces and capabilities behind
 * an errno.
 *
 * @module
 */

import { Errno, failed } from "../../uapi/errno.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import {
  AttachType,
  attachTypeName,
  Command,
  MapType,
  mapTypeName,
  ProgramType,
  programTypeName,
} from "../../uapi/enums.ts";
import { DelegationError, type DelegationFacts } from "./delegation_error.ts";
import { Delegation, type DelegationWord, wordsText } from "../../plan/delegation.ts";
import { comparedAttachNumber, programTypeFacts } from "../../plan/program_types.ts";
import { type BpfCapability, mapTypeCapabilities } from "../../plan/bpf_capability.ts";
import type { Case, Finding, Refusal } from "./case.ts";
import { explainAttach } from "./attach.ts";
import { hasWordsForProgram, mayCreateMap, mayLoadBtf, plausibleMap } from "../facts/probes.ts";
import {
  capabilityText,
  kernelAtLeast,
  localPolicy,
  type ProcessFacts,
  processFacts,
} from "../facts/process.ts";
import { seccompFinding } from "./seccomp.ts";
import { verifierHint } from "./verifier.ts";
import { BPF_F_ZERO_SEED } from "../../uapi/bpf_flags.ts";

const STAGES: { readonly [command: string]: NonNullable<DelegationFacts["stage"]> } = {
  BPF_MAP_CREATE: "map",
  BPF_PROG_LOAD: "program",
  BPF_BTF_LOAD: "btf",
  BPF_BTF_GET_FD_BY_ID: "btf",
};

/** Commands that take a token. */
const TOKEN_COMMANDS: { readonly [command: string]: number } = {
  BPF_MAP_CREATE: Command.map_create,
  BPF_PROG_LOAD: Command.prog_load,
  BPF_BTF_LOAD: Command.btf_load,
  BPF_BTF_GET_FD_BY_ID: Command.btf_get_fd_by_id,
};

/**
 * Explains a refused command by tokens, delegation, namespaces, capabilities and local policy. Returns
 * undefined when none of these is the cause; the caller then throws its own error.
 *
 * Reads /proc and makes probes that create nothing. Called after a refusal only, so a successful load costs
 * nothing.
 */
export function explainRefusal(kernel: Kernel, refusal: Refusal): DelegationError | undefined {
  const facts = processFacts(kernel);
  const tokenFd = refusal.token?.fd ?? refusal.tokenFd;
  const evidence: string[] = [];
  const one: Case = { kernel, refusal, facts, tokenFd, evidence };
  const finding = seccompFinding(kernel, refusal.command, refusal.result, evidence) ??
    (refusal.command in TOKEN_COMMANDS ? causeOfRefusal(one) : explainAttach(one));
  if (finding === undefined) return undefined;
  return new DelegationError({
    doing: refusal.doing,
    subject: refusal.subject,
    command: refusal.command,
    result: refusal.result,
    stage: STAGES[refusal.command] ?? "attach",
    evidence,
    ...finding,
  });
}

function causeOfRefusal(one: Case): Finding | undefined {
  const { refusal: { result, log = "" }, tokenFd } = one;
  switch (-result) {
    case Errno.EBADF:
      return tokenFd === undefined ? undefined : closedToken(one, tokenFd);
    case Errno.EINVAL:
    case Errno.EACCES:
    case Errno.E2BIG:
    case Errno.ENOSPC:
      return log.trim() === "" ? invalid(one) : verifier(one);
    case Errno.EPERM:
      return log.trim() === "" ? notPermitted(one) : verifier(one);
    default:
      return undefined;
  }
}

function closedToken({ kernel, evidence }: Case, tokenFd: number): Finding | undefined {
  if (kernel.stat(tokenFd).result >= 0) return undefined;
  evidence.push(`descriptor ${tokenFd} is not open`);
  return {
    reason: "token-closed",
    why: "the descriptor that was passed as a token is closed",
    fix: "keep the token open for as long as objects are loaded with it",
  };
}

function invalid({ kernel, refusal, facts, tokenFd, evidence }: Case): Finding | undefined {
  if (tokenFd === undefined) return undefined;
  if (refusal.command === "BPF_BTF_GET_FD_BY_ID" && !kernelAtLeast(facts, 6, 15)) {
    evidence.push(`the kernel is ${facts.releaseText}`);
    return {
      reason: "kernel-too-old",
      why: `BTF is opened by id with a token since Linux 6.15, and this is ${facts.releaseText}`,
      fix: "load as root, or run a newer kernel",
    };
  }
  const link = kernel.readLink(`/proc/self/fd/${tokenFd}`);
  if (link !== undefined && !link.includes("bpf-token")) {
    evidence.push(`descriptor ${tokenFd} is ${link}`);
    return {
      reason: "not-a-token",
      why: `the descriptor that was passed as a token is another object (${link})`,
      fix: "create a token of the mount (Token.open) and pass that",
    };
  }
  if (!failed(refusal.result, Errno.EINVAL)) return undefined;
  if (refusal.program?.ifindex !== undefined && refusal.program.ifindex !== 0) {
    return {
      reason: "not-delegable",
      why: "programs bound to a network device take CAP_NET_ADMIN in the initial user namespace",
      fix: "load it as root",
    };
  }
  if (refusal.command === "BPF_BTF_GET_FD_BY_ID") {
    evidence.push(`Linux ${facts.releaseText}`);
    return {
      reason: "kernel-too-old",
      why: "this kernel takes no token for BTF by id, which came after 6.12",
      fix: "load as root what attaches to other programs or to modules, or run a newer kernel",
    };
  }
  evidence.push("the kernel checks the arguments before the token, and refuses them");
  return {
    reason: "invalid-arguments",
    why: "the arguments are not valid, whatever token and capabilities permit",
  };
}

function verifier({ kernel, refusal, facts, evidence }: Case): Finding | undefined {
  const { lockdown } = localPolicy(kernel);
  const hint = verifierHint(refusal.result, refusal.log ?? "", facts.capabilities, lockdown);
  if (hint === undefined) return undefined;
  evidence.push(
    `verifier: ${hint.evidence}`,
    `capabilities: ${capabilityText(facts.capabilities)}`,
  );
  return { reason: hint.reason, why: hint.why, fix: hint.fix };
}

/** Explains EPERM without a log by token, delegation, capabilities, namespace and policy, in this order. */
function notPermitted(one: Case): Finding | undefined {
  const { refusal, facts, evidence, tokenFd } = one;
  evidence.push(
    facts.initialUserNamespace === true
      ? "initial user namespace"
      : `user namespace ${facts.userNamespace} (uid map ${facts.uidMap})`,
    `capabilities: ${capabilityText(facts.capabilities)}`,
  );
  const special = neverDelegated(refusal);
  if (special !== undefined) return special;
  const needed = capabilitiesFor(refusal);
  const lacking = lackingCapabilities(needed, facts);
  if (tokenFd === undefined) return withoutToken(one, lacking);

  const allowed = refusal.token?.info();
  const need = wordsFor(refusal);
  if (allowed === undefined) {
    evidence.push("what the token allows is unknown: this process did not create it");
  } else {
    evidence.push(`the token allows ${allowed}`);
    const missing = allowed.missing(need);
    if (missing.length > 0) return wordsMissing(missing);
  }
  if (lacking.length > 0) return capabilityMissing(lacking, refusal);
  return namespaceOrPolicy(one, allowed !== undefined);
}

/** Returns the cause of refusals that no delegation can avoid. */
function neverDelegated({ map, program }: Refusal): Finding | undefined {
  const type = program?.type;
  if (typeof type === "number" && programTypeName(type) === undefined) {
    return {
      reason: "invalid-arguments",
      why: `program type ${type} is unknown to this version`,
    };
  }
  if (
    program !== undefined && program.attachType !== 0 &&
    attachTypeName(program.attachType) === undefined
  ) {
    return {
      reason: "invalid-arguments",
      why: `attach type ${program.attachType} is unknown to this version`,
    };
  }
  if (map !== undefined && ((map.flags ?? 0) & BPF_F_ZERO_SEED) !== 0) {
    return {
      reason: "not-delegable",
      why: "BPF_F_ZERO_SEED takes CAP_SYS_ADMIN in the initial user namespace",
      fix: "remove the flag",
    };
  }
  return undefined;
}

function withoutToken(one: Case, lacking: readonly BpfCapability[]): Finding {
  const { refusal, facts, evidence } = one;
  const words = wordsText(Delegation.none.missing(wordsFor(refusal)));
  if (facts.initialUserNamespace === true && facts.capabilities.includes("bpf")) {
    if (lacking.length > 0) return capabilityMissing(lacking, refusal);
    return localPolicyFinding(one);
  }
  evidence.push("no token was used");
  return {
    reason: "no-token",
    why: facts.initialUserNamespace === true
      ? "it requires privileges that this process lacks, and no token was used"
      : "in a user namespace it requires a BPF token, and none was used",
    fix: `run it as root, or in a sandbox that delegates ${words}`,
    missing: Delegation.none.missing(wordsFor(refusal)),
  };
}

function wordsMissing(missing: readonly DelegationWord[]): Finding {
  const words = missing.map(({ option, word }) => `${option}=${word}`).join(", ");
  const zero = missing.some(({ set, number }) =>
    set === "attachments" && number === AttachType.cgroup_inet_ingress
  );
  return {
    reason: "word-missing",
    why: `the token lacks ${words}` +
      (zero
        ? " (attach type 0, cgroup_inet_ingress, is also needed by programs without an attach type)"
        : ""),
    fix: `mount the bpffs with ${wordsText(missing)} added`,
    missing,
  };
}

function capabilityMissing(lacking: readonly BpfCapability[], { subject }: Refusal): Finding {
  const names = lacking.map((name) => `CAP_${name.toUpperCase()}`).join(" and ");
  return {
    reason: "capability-missing",
    why: `${names} ${lacking.length === 1 ? "is" : "are"} missing in this user namespace`,
    fix: `keep ${names} for the process that loads ${subject}`,
  };
}

/** Delegation and capabilities suffice: decides between namespace and local policy. */
function namespaceOrPolicy(one: Case, wordsKnown: boolean): Finding {
  const { refusal, evidence } = one;
  if (probe(one)) {
    evidence.push("the same command passes the kernel's checks of delegation and capabilities");
    return localPolicyFinding(one);
  }
  evidence.push("the same command is refused for any program or map");
  if (refusal.token?.fresh === true) return localPolicyFinding(one);
  return {
    reason: "wrong-user-namespace",
    why: "the token belongs to a user namespace in which this process has no capabilities" +
      (wordsKnown ? "" : ", or it lacks a delegated value"),
    fix: "create the token in the user namespace of the process that uses it",
  };
}

function localPolicyFinding({ kernel, evidence }: Case): Finding {
  const { modules, lockdown } = localPolicy(kernel);
  if (modules.length > 0) evidence.push(`security modules: ${modules.join(", ")}`);
  if (lockdown !== undefined) evidence.push(`lockdown: ${lockdown}`);
  return {
    reason: "local-policy",
    why:
      "token, delegation and capabilities suffice: a security module or a local rule of this kernel " +
      "refuses it, and root would be refused too",
    fix: "check the audit log, and try as root",
  };
}

/** Probes whether the same command is permitted, without creating anything. */
function probe({ kernel, refusal, tokenFd }: Case): boolean {
  const { map, program, command } = refusal;
  if (map !== undefined) {
    const { type, ...attributes } = map;
    const number = typeof type === "number" ? type : MapType[type];
    const given = attributes.maxEntries === undefined ? plausibleMap(number) : attributes;
    return mayCreateMap(kernel, number, tokenFd, given);
  }
  if (program !== undefined) {
    const type = typeof program.type === "number" ? program.type : ProgramType[program.type];
    return hasWordsForProgram(kernel, type, program.attachType, tokenFd);
  }
  return command === "BPF_BTF_LOAD" && mayLoadBtf(kernel, tokenFd);
}

/** Returns the delegation that the kernel checks for this command. */
function wordsFor({ command, map, program }: Refusal): Delegation {
  const commands = [TOKEN_COMMANDS[command] ?? 0];
  if (map !== undefined) return Delegation.of({ commands, maps: [map.type] });
  if (program === undefined) return Delegation.of({ commands });
  const type = typeof program.type === "number" ? programTypeName(program.type) : program.type;
  return Delegation.of({
    commands,
    programs: [program.type],
    attachments: [comparedAttachNumber(type, program.attachType)],
  });
}

function capabilitiesFor({ command, map, program }: Refusal): readonly BpfCapability[] {
  if (command === "BPF_BTF_GET_FD_BY_ID") return ["sys_admin"];
  if (map !== undefined) {
    const name = typeof map.type === "number" ? mapTypeName(map.type) ?? map.type : map.type;
    return ["bpf", ...mapTypeCapabilities(name)];
  }
  if (program === undefined) return ["bpf"];
  const name = typeof program.type === "number" ? programTypeName(program.type) : program.type;
  return name === undefined ? ["bpf"] : ["bpf", ...programTypeFacts(name).capabilities];
}

/** Returns the required capabilities that are not effective; CAP_SYS_ADMIN implies all of them. */
function lackingCapabilities(
  needed: readonly BpfCapability[],
  { effective, capabilities }: ProcessFacts,
): BpfCapability[] {
  if (effective === undefined || capabilities.includes("sys_admin")) return [];
  return needed.filter((name) => !capabilities.includes(name));
}
