/**
 * Reports what this process can do with BPF, and why not more.
 *
 * @module
 */

import { Btf } from "../btf/btf.ts";
import type { JsonValue } from "../errors/skep_error.ts";
import type { Kernel } from "../kernel/kernel.ts";
import { linuxKernel } from "../kernel/linux/linux.ts";
import {
  AttachType,
  type AttachTypeName,
  Command,
  MapType,
  type MapTypeName,
  ProgramType,
  type ProgramTypeName,
} from "../uapi/enums.ts";
import type { TokenCandidate } from "./discover.ts";
import { errnoName } from "../uapi/errno.ts";
import { SECCOMP_FIX } from "./explain/seccomp.ts";
import { hasSeccompFilter, seccompAnswer } from "./facts/seccomp.ts";
import { discoverTokens } from "./token.ts";
import { mayCreateMap, mayLoadBtf, mayLoadProgram } from "./facts/probes.ts";
import {
  capabilityText,
  kernelAtLeast,
  localPolicy,
  type ProcessFacts,
  processFacts,
  readText,
} from "./facts/process.ts";
import { attachTypesOf } from "../plan/attach_types.ts";
import { programTypeFacts } from "../plan/program_types.ts";
import { sectionAttachment } from "../plan/attachment_text.ts";
import { type Delegation, DELEGATION_OPTIONS, DELEGATION_SETS } from "../plan/delegation.ts";
import { type ResolvedToken, resolveToken } from "./resolve.ts";

/** Options of {@linkcode doctor}. */
export interface DoctorOptions {
  /**
   * The kernel to examine.
   *
   * @default {undefined} the running kernel
   */
  readonly kernel?: Kernel | undefined;
}

/** Whether programs of a type would load with one attach type. */
export interface ProgramVerdict {
  /** The program type. */
  readonly type: ProgramTypeName;
  /** The attach type; undefined for types without one. */
  readonly attachType: AttachTypeName | undefined;
  /** Whether token and capabilities permit it. */
  readonly allowed: boolean;
}

/** Settings of the machine that can prevent loading. */
export interface DoctorSettings {
  /** `user.max_user_namespaces`; 0 disables user namespaces. */
  readonly maxUserNamespaces: number | undefined;
  /** `kernel.unprivileged_bpf_disabled`. */
  readonly unprivilegedBpfDisabled: number | undefined;
  /** `kernel.perf_event_paranoid`. */
  readonly perfEventParanoid: number | undefined;
  /**
   * `kernel.apparmor_restrict_unprivileged_userns` (Ubuntu): whether new user namespaces of unprivileged
   * users lose their capabilities.
   */
  readonly apparmorRestrictsUserNamespaces: boolean;
  /** The active security modules. */
  readonly securityModules: readonly string[];
  /** The lockdown level: `none`, `integrity`, `confidentiality`; undefined when it cannot be read. */
  readonly lockdown: string | undefined;
  /** Whether seccomp filters apply to this process; undefined when /proc cannot be read. */
  readonly seccompFilter: boolean | undefined;
  /** Commands of bpf(2) that a filter denies, with the errno that it returns. */
  readonly seccompDenies: readonly { readonly command: string; readonly errno: string }[];
  /** Whether the kernel exposes its BTF at /sys/kernel/btf/vmlinux. */
  readonly kernelBtf: boolean;
}

/** The report of {@linkcode doctor}. */
export class DoctorReport {
  /** The kernel's release. */
  readonly release: string;
  /** Whether the kernel has tokens: true by its version, or because a mount gave one. */
  readonly tokensSupported: boolean;
  /** The facts of this process. */
  readonly process: ProcessFacts;
  /** The settings of the machine. */
  readonly settings: DoctorSettings;
  /** Every bpffs mount, and whether it gives a token. */
  readonly candidates: readonly TokenCandidate[];
  /** How `token: "auto"` chooses, in one line. */
  readonly choice: string;
  /** What the chosen token allows; undefined without one. */
  readonly delegation: Delegation | undefined;
  /** Program types by attach type. */
  readonly programs: readonly ProgramVerdict[];
  /** Map types that can be created. */
  readonly maps: readonly MapTypeName[];
  /** Whether BTF can be loaded. */
  readonly btf: boolean;
  /** How programs that attach through perf_event_open attach with a token, by section. */
  readonly attachForms: readonly { readonly section: string; readonly form: string }[];

  /**
   * Takes the findings.
   *
   * @internal
   */
  constructor(facts: Omit<DoctorReport, "lines" | "advice" | "toJSON">) {
    this.release = facts.release;
    this.tokensSupported = facts.tokensSupported;
    this.process = facts.process;
    this.settings = facts.settings;
    this.candidates = facts.candidates;
    this.choice = facts.choice;
    this.delegation = facts.delegation;
    this.programs = facts.programs;
    this.maps = facts.maps;
    this.btf = facts.btf;
    this.attachForms = facts.attachForms;
  }

  /** What prevents loading, most severe first; empty when everything can be loaded. */
  get advice(): string[] {
    const { process, settings, programs } = this;
    const advice: string[] = [];
    if (!this.tokensSupported) {
      advice.push(`Linux ${this.release} has no BPF tokens: they came with 6.9; load as root`);
    }
    if (settings.maxUserNamespaces === 0) {
      advice.push("user namespaces are disabled: raise user.max_user_namespaces");
    }
    if (settings.apparmorRestrictsUserNamespaces && process.initialUserNamespace === true) {
      advice.push(
        "AppArmor takes capabilities away in user namespaces that unprivileged users make",
      );
    }
    if (!settings.kernelBtf) {
      advice.push(
        "the kernel exposes no BTF: pass one for objects with CO-RE relocations",
      );
    }
    if (settings.seccompDenies.length > 0) {
      advice.push(`a seccomp filter denies bpf(2) to this process: ${SECCOMP_FIX}`);
    } else if (programs.every(({ allowed }) => !allowed)) {
      advice.push(
        process.initialUserNamespace === true
          ? "nothing can be loaded here: run as root, or in a sandbox (skep sandbox --for FILE -- COMMAND)"
          : "nothing can be loaded here: a bpffs with delegate_* options must be mounted for this user namespace",
      );
    }
    return advice;
  }

  /** The report as lines of text. */
  get lines(): string[] {
    const { process, settings } = this;
    const namespace = process.initialUserNamespace === true
      ? "the initial one"
      : `${process.userNamespace} (uid map ${process.uidMap})`;
    const text = (value: number | string | undefined): string => `${value ?? "unknown"}`;
    const lines = [
      `kernel           Linux ${this.release}, BPF tokens ${
        this.tokensSupported ? "yes" : "no"
      }, ` +
      `BTF ${settings.kernelBtf ? "yes" : "no"}`,
      `process          uid ${process.uid}, user namespace ${namespace}`,
      `capabilities     ${capabilityText(process.capabilities)}`,
      `settings         max_user_namespaces ${text(settings.maxUserNamespaces)}, ` +
      `unprivileged_bpf_disabled ${text(settings.unprivilegedBpfDisabled)}, ` +
      `perf_event_paranoid ${text(settings.perfEventParanoid)}, lockdown ${
        text(settings.lockdown)
      }`,
      `security modules ${settings.securityModules.join(", ") || "unknown"}`,
    ];
    for (const [errno, commands] of byErrno(settings.seccompDenies)) {
      lines.push(
        `seccomp          a filter denies bpf(2) with ${errno}: ${commands.join(" ")}`,
      );
    }
    if (this.candidates.length === 0) lines.push("mounts           no bpffs is mounted");
    for (const { mount, usable, why } of this.candidates) {
      lines.push(`mount            ${mount.path}: ${usable ? "gives a token" : why ?? "no token"}`);
    }
    lines.push(`token            ${this.choice}`);
    if (this.delegation !== undefined) {
      for (const set of DELEGATION_SETS) {
        const names = this.delegation.names(set).join(" ") || "none";
        lines.push(`  ${DELEGATION_OPTIONS[set].padEnd(16)} ${names}`);
      }
    }
    lines.push(`can load         BTF: ${this.btf ? "yes" : "no"}`);
    lines.push(`  maps           ${this.maps.join(" ") || "none"}`);
    lines.push(...programLines(this.programs));
    if (this.delegation !== undefined) {
      lines.push("attached as      with the token, because perf_event_open takes none");
      for (const { section, form } of this.attachForms) {
        lines.push(`  ${section.padEnd(14)} ${form}`);
      }
    }
    for (const advice of this.advice) lines.push(`advice           ${advice}`);
    return lines;
  }

  /** Returns the whole report, for `JSON.stringify`. */
  toJSON(): { readonly [key: string]: JsonValue } {
    const { process, settings } = this;
    return {
      release: this.release,
      tokensSupported: this.tokensSupported,
      process: {
        uid: process.uid ?? null,
        capabilities: [...process.capabilities],
        userNamespace: process.userNamespace === undefined ? null : `${process.userNamespace}`,
        initialUserNamespace: process.initialUserNamespace ?? null,
        uidMap: process.uidMap ?? null,
      },
      settings: {
        maxUserNamespaces: settings.maxUserNamespaces ?? null,
        unprivilegedBpfDisabled: settings.unprivilegedBpfDisabled ?? null,
        perfEventParanoid: settings.perfEventParanoid ?? null,
        apparmorRestrictsUserNamespaces: settings.apparmorRestrictsUserNamespaces,
        securityModules: [...settings.securityModules],
        lockdown: settings.lockdown ?? null,
        seccompFilter: settings.seccompFilter ?? null,
        seccompDenies: settings.seccompDenies.map((one) => ({ ...one })),
        kernelBtf: settings.kernelBtf,
      },
      mounts: this.candidates.map(({ mount, usable, delegation, why, error }) => ({
        path: mount.path,
        options: mount.options,
        usable,
        delegation: delegation?.toJSON() ?? null,
        why: why ?? null,
        error: error?.toJSON() ?? null,
      })),
      choice: this.choice,
      delegation: this.delegation?.toJSON() ?? null,
      btf: this.btf,
      maps: [...this.maps],
      programs: this.programs.map(({ type, attachType, allowed }) => ({
        type,
        attachType: attachType ?? null,
        allowed,
      })),
      attachForms: this.attachForms.map((one) => ({ ...one })),
      advice: this.advice,
    };
  }
}

/** Sections whose programs attach through perf_event_open without a token. */
const PERF_SECTIONS = ["kprobe", "kretprobe", "ksyscall", "uprobe", "uretprobe", "usdt", "tp"];

/** Indices that a struct_ops member can have in the mask of attach types, which has 64 bits. */
const MEMBERS: readonly number[] = Array.from({ length: 64 }, (_, index) => index);

/**
 * Examines the permissions of this process, without loading or changing anything.
 *
 * The tables show what token and capabilities permit. A security module or a local rule of the kernel may
 * still refuse an actual load.
 *
 * @example
 * ```ts ignore
 * import { doctor } from "@skep/skep";
 *
 * for (const line of doctor().lines) console.log(line);
 * ```
 */
export function doctor(options: DoctorOptions = {}): DoctorReport {
  const kernel = options.kernel ?? linuxKernel();
  const process = processFacts(kernel);
  const candidates = discoverTokens(kernel);
  const resolved = chosen(kernel);
  const token = "token" in resolved ? resolved.token : undefined;
  try {
    const loads = (type: ProgramTypeName, attachType: number): boolean =>
      mayLoadProgram(kernel, ProgramType[type], attachType, token?.fd);
    const allowed = (type: ProgramTypeName, attachType?: AttachTypeName): ProgramVerdict => ({
      type,
      attachType,
      allowed: programTypeFacts(type).attachWord === "member"
        ? MEMBERS.some((member) => loads(type, member))
        : loads(type, attachType === undefined ? 0 : AttachType[attachType]),
    });
    const kernelBtf = btfOf(kernel);
    const known = kernelNames(kernelBtf);
    const programs = (Object.keys(ProgramType) as ProgramTypeName[])
      .filter((type) => type !== "unspec" && known("bpf_prog_type", `bpf_prog_type_${type}`))
      .flatMap((type) => {
        const attachTypes = attachTypesOf(type)
          .filter((attachType) => known("bpf_attach_type", `bpf_${attachType}`));
        const { loadsPlain } = programTypeFacts(type);
        const plain = attachTypes.length === 0 || loadsPlain ? [allowed(type)] : [];
        return [...plain, ...attachTypes.map((attachType) => allowed(type, attachType))];
      });
    const maps = (Object.keys(MapType) as MapTypeName[]).filter((type) =>
      type !== "unspec" && !type.endsWith("_deprecated") &&
      known("bpf_map_type", `bpf_map_type_${type}`) &&
      mayCreateMap(kernel, MapType[type], token?.fd)
    );
    return new DoctorReport({
      release: kernel.machine.release,
      tokensSupported: kernelAtLeast(process, 6, 9) || candidates.some(({ usable }) => usable),
      process,
      settings: settingsOf(kernel),
      candidates,
      choice: "how" in resolved ? describe(resolved) : resolved.message,
      delegation: token?.info(),
      programs,
      maps,
      btf: mayLoadBtf(kernel, token?.fd),
      attachForms: PERF_SECTIONS.map((section) => ({
        section,
        form: sectionAttachment(section, { kernelBtf }),
      })),
    });
  } finally {
    if ("owned" in resolved && resolved.owned) token?.[Symbol.dispose]();
  }
}

function chosen(kernel: Kernel): ResolvedToken | Error {
  try {
    return resolveToken(kernel, "auto");
  } catch (error) {
    // LIBBPF_BPF_TOKEN_PATH names a path that gives no token: a finding, not a failure of doctor.
    if (error instanceof Error) return error;
    throw error;
  }
}

function describe({ token, how }: ResolvedToken): string {
  return token === undefined ? `none: ${how}` : `from ${how}`;
}

/** Commands that loading uses, which a filter may deny individually. */
const ASKED_COMMANDS = [
  "map_create",
  "map_lookup_elem",
  "map_update_elem",
  "prog_load",
  "btf_load",
  "obj_pin",
  "obj_get",
  "link_create",
  "obj_get_info_by_fd",
  "token_create",
] as const;

function seccompDenials(kernel: Kernel): DoctorSettings["seccompDenies"] {
  return ASKED_COMMANDS.flatMap((command) => {
    const answer = seccompAnswer(kernel, Command[command]);
    return answer === undefined ? [] : [{ command, errno: errnoName(answer) }];
  });
}

function byErrno(denied: DoctorSettings["seccompDenies"]): Map<string, string[]> {
  const commands = new Map<string, string[]>();
  for (const { command, errno } of denied) {
    const others = commands.get(errno);
    if (others === undefined) commands.set(errno, [command]);
    else others.push(command);
  }
  return commands;
}

function settingsOf(kernel: Kernel): DoctorSettings {
  const number = (path: string): number | undefined => {
    const text = readText(kernel, `/proc/sys/${path}`)?.trim();
    return text === undefined || text === "" ? undefined : Number(text);
  };
  const { modules, lockdown } = localPolicy(kernel);
  return {
    maxUserNamespaces: number("user/max_user_namespaces"),
    unprivilegedBpfDisabled: number("kernel/unprivileged_bpf_disabled"),
    perfEventParanoid: number("kernel/perf_event_paranoid"),
    seccompFilter: hasSeccompFilter(kernel),
    seccompDenies: seccompDenials(kernel),
    apparmorRestrictsUserNamespaces: number("kernel/apparmor_restrict_unprivileged_userns") === 1,
    securityModules: modules,
    lockdown,
    kernelBtf: kernel.stat("/sys/kernel/btf/vmlinux").result >= 0,
  };
}

/** Returns the kernel's BTF; undefined where it is not exposed. */
function btfOf(kernel: Kernel): Btf | undefined {
  const { result, bytes } = kernel.readFile("/sys/kernel/btf/vmlinux");
  return result < 0 ? undefined : Btf.parse(bytes, { name: "vmlinux" });
}

/** Returns a predicate for names in the kernel's enumerations; without kernel BTF it accepts every name. */
function kernelNames(btf: Btf | undefined): (enumeration: string, name: string) => boolean {
  if (btf === undefined) return () => true;
  const names = new Map<string, ReadonlySet<string>>();
  return (enumeration, name) => {
    let set = names.get(enumeration);
    if (set === undefined) {
      const id = btf.find(enumeration, "enum");
      const type = id === undefined ? undefined : btf.type(id);
      const values = type?.kind === "enum" ? type.values : [];
      set = new Set(values.map((value) => value.name.toLowerCase()));
      names.set(enumeration, set);
    }
    return set.has(name);
  };
}

/** Returns one line per program type, with the attach types that would load. */
function programLines(verdicts: readonly ProgramVerdict[]): string[] {
  const types = [...new Set(verdicts.map(({ type }) => type))];
  return types.map((type) => {
    const own = verdicts.filter((verdict) => verdict.type === type);
    const allowed = own.filter((verdict) => verdict.allowed);
    const names = allowed.flatMap(({ attachType }) => attachType ?? []);
    const answer = allowed.length === 0
      ? "no"
      : names.length === 0
      ? "yes"
      : allowed.length === own.length
      ? `yes (${names.length === 1 ? names[0] : `all ${names.length} attach types`})`
      : names.join(" ");
    return `  ${type.padEnd(24)} ${answer}`;
  });
}
