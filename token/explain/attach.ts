/**
 * Explains refused attach commands, and other commands that take no token.
 *
 * @module
 */

import { Errno, failed } from "../../uapi/errno.ts";
import { type ProgramTypeName, programTypeName } from "../../uapi/enums.ts";
import { sectionsText } from "../../plan/attachment_text.ts";
import { programTypeFacts } from "../../plan/program_types.ts";
import { tokenSections } from "../../plan/attachments.ts";
import type { Case, Finding } from "./case.ts";

/** Commands that require privileges in the initial user namespace. */
const ADMINISTRATION: { readonly [command: string]: string } = {
  BPF_PROG_GET_NEXT_ID: "looking through the programs of the machine",
  BPF_MAP_GET_NEXT_ID: "looking through the maps of the machine",
  BPF_LINK_GET_NEXT_ID: "looking through the links of the machine",
  BPF_BTF_GET_NEXT_ID: "looking through the BTF of the machine",
  BPF_PROG_GET_FD_BY_ID: "opening a program by its id",
  BPF_MAP_GET_FD_BY_ID: "opening a map by its id",
  BPF_LINK_GET_FD_BY_ID: "opening a link by its id",
  BPF_PROG_QUERY: "asking what is attached",
  BPF_ENABLE_STATS: "switching statistics on",
  BPF_TASK_FD_QUERY: "asking what a process has attached",
};

/** Returns the cause; undefined when the errno does not concern privileges. */
export function explainAttach(one: Case): Finding | undefined {
  const { refusal, facts, evidence } = one;
  const { command, result } = refusal;
  if (!failed(result, Errno.EPERM, Errno.EACCES)) return undefined;
  if (command === "perf_event_open") return perfEvent(one);
  const administration = ADMINISTRATION[command];
  if (administration !== undefined && failed(result, Errno.EPERM)) {
    evidence.push(`${command} takes no token`);
    return {
      reason: "not-delegable",
      why:
        `${administration} requires privileges in the initial user namespace, whatever is delegated`,
      fix: "run it as root",
    };
  }
  const type = typeName(refusal.program?.type);
  const needed = type === undefined ? [] : programTypeFacts(type).attachCapabilities;
  const lacking = needed.filter((name) => !facts.capabilities.includes(name))
    .map((name) => `CAP_${name.toUpperCase()}`).join(" and ");
  if (lacking !== "") {
    evidence.push(`the kernel checks ${lacking} again when a ${type} program is attached`);
    return {
      reason: "capability-missing",
      why: `${lacking} is missing in the user namespace, and ${type} programs require it at attach`,
      fix: `keep ${lacking} in the user namespace`,
    };
  }
  if (command === "RTM_NEWTFILTER" || command === "RTM_SETLINK" || command === "RTM_NEWQDISC") {
    evidence.push("rtnetlink checks the owner of the network namespace and takes no token");
    return {
      reason: "target-not-owned",
      why: "it requires CAP_NET_ADMIN in the user namespace that owns the network namespace",
      fix: "use a new network namespace (--net new), or a link: tcx instead of tc, XDP by link",
    };
  }
  return undefined;
}

function perfEvent({ refusal, evidence, facts }: Case): Finding | undefined {
  if (facts.capabilities.includes("perfmon") && facts.initialUserNamespace === true) {
    return undefined;
  }
  const instead = tokenSections(refusal.program?.section ?? "");
  evidence.push("perf_event_open checks the initial user namespace and takes no token");
  return {
    reason: "perf-event-not-delegable",
    why: "perf_event_open takes CAP_PERFMON in the initial user namespace: no token helps",
    fix: instead.length === 0
      ? "attach in a way that needs no perf event"
      : `use ${sectionsText(instead)}`,
  };
}

function typeName(type: ProgramTypeName | number | undefined): ProgramTypeName | undefined {
  return typeof type === "number" ? programTypeName(type) : type;
}
