// What skep answers for one object: loaded whole, and each program alone.

import { SkepError } from "../../errors/skep_error.ts";
import { AttachType, ProgramType } from "../../uapi/enums.ts";
import { BpfObject, openObject, verifyFile, type VerifyReport } from "../../loader/mod.ts";
import { LinuxKernel } from "../../kernel/mod.ts";
import type { ProgramFacts } from "./baseline.ts";

/** A verdict with its errno. */
export interface Verdict {
  readonly ok: boolean;
  readonly errno: string;
  readonly stage: string;
  readonly error: string;
}

/** A program's verdict, and the kernel's facts when it loaded. */
export interface ProgramAnswer extends Verdict {
  readonly program: string;
  readonly section: string;
  readonly type: number;
  readonly attachType: number;
  readonly facts?: ProgramFacts | undefined;
  /**
   * Whether the instructions hold type ids of the running kernel (kfuncs, typed ksyms, target_type_id):
   * their tag is another one on every build of the kernel.
   */
  readonly kernelIds?: boolean | undefined;
}

/** All that skep answers for an object. */
export interface ObjectAnswer extends Verdict {
  readonly object: string;
  readonly maps: number;
  readonly programs: readonly ProgramAnswer[];
  /** What `skep verify` says that the loads one by one do not. */
  readonly verify: readonly {
    readonly program?: string | undefined;
    readonly says: string;
    readonly loads: string;
  }[];
  /** Descriptors that were open after it and not before. */
  readonly leaked: number;
}

const sharedKernel = new LinuxKernel();
const LOADED: Verdict = { ok: true, errno: "", stage: "", error: "" };

/** Tries an object. `skip` names programs that are not to be tried: the kernel takes minutes for them. */
export async function answerFor(
  object: string,
  path: string,
  skip: ReadonlySet<string>,
): Promise<ObjectAnswer> {
  const before = descriptors();
  const kernel = sharedKernel;
  let spec;
  try {
    spec = await openObject(path);
  } catch (error) {
    return { object, ...refusal(error, "open"), maps: 0, programs: [], verify: [], leaked: 0 };
  }
  let whole: Verdict = LOADED;
  if (!spec.programs.names().some((name) => skip.has(name))) {
    try {
      using _loaded = await BpfObject.load(spec, { kernel, token: false, logLevel: "none" });
    } catch (error) {
      whole = refusal(error, "program");
    }
    await clearPins();
  }
  const programs: ProgramAnswer[] = [];
  for (const name of spec.programs.names()) {
    if (skip.has(name)) continue;
    programs.push(await answerAlone(kernel, path, name));
    await clearPins();
  }
  const maps = spec.maps.size;
  const verify = skip.size > 0
    ? []
    : differences(await verifyFile(path, { kernel, token: false }), {
      ...whole,
      programs,
    });
  await clearPins();
  return { object, ...whole, maps, programs, verify, leaked: descriptors() - before };
}

/** `skep verify` takes short cuts: they must not show. */
function differences(
  report: VerifyReport,
  loads: Verdict & { readonly programs: readonly ProgramAnswer[] },
): ObjectAnswer["verify"] {
  const word = ({ ok, errno }: { ok: boolean; errno?: string | undefined }): string =>
    ok ? "loads" : `refused (${errno})`;
  const found: { program?: string | undefined; says: string; loads: string }[] = [];
  if (word(report.load) !== word(loads)) {
    found.push({ says: word(report.load), loads: word(loads) });
  }
  for (const alone of loads.programs) {
    const { program } = alone;
    const told = report.programs.find(({ name }) => name === program);
    const says = told === undefined ? "nothing" : `${word(told)} ${told.tag ?? ""}`.trim();
    const own = `${word(alone)} ${alone.facts?.tag ?? ""}`.trim();
    if (says !== own) found.push({ program, says, loads: own });
  }
  return found;
}

async function answerAlone(
  kernel: LinuxKernel,
  path: string,
  name: string,
): Promise<ProgramAnswer> {
  const spec = await openObject(path);
  for (const each of spec.programs) each.autoload = each.name === name;
  // A struct_ops map brings all its programs with it: the others are taken out, as in libbpf's runs.
  for (const { structOps } of spec.maps) {
    for (const { member, program } of structOps?.programs() ?? []) {
      if (program !== name) structOps?.setProgram(member, undefined);
    }
  }
  const program = spec.programs.get(name);
  let verdict: Verdict = LOADED;
  let kernelIds = false;
  let facts: ProgramFacts | undefined;
  try {
    using object = await BpfObject.load(spec, { kernel, token: false, logLevel: "none" });
    const { linked } = object.programs.get(name);
    kernelIds = linked.references.some(({ kind }) => kind === "kfunc" || kind === "ksym") ||
      linked.core.some(({ decision }) => decision.relocation.kind === "target_type_id");
    const info = object.programs.get(name).info();
    facts = {
      tag: info.tag,
      xlatedLength: info.xlatedLength,
      mapCount: info.mapCount,
      funcInfoCount: info.funcInfoCount,
      lineInfoCount: info.lineInfoCount,
      hasBtf: info.btfId !== 0,
      attachBtfId: info.attachBtfId,
    };
  } catch (error) {
    verdict = refusal(error, "program");
  }
  return {
    program: name,
    section: program.section,
    type: ProgramType[program.type],
    attachType: program.expectedAttachType === undefined
      ? 0
      : AttachType[program.expectedAttachType],
    ...verdict,
    facts,
    kernelIds: facts === undefined ? undefined : kernelIds,
  };
}

function refusal(error: unknown, stage: string): Verdict {
  if (!(error instanceof SkepError)) {
    // Not one of ours: a defect, shown as what it is.
    const text = error instanceof Error ? error.stack ?? error.message : String(error);
    return { ok: false, errno: "UNTYPED", stage, error: text.replaceAll("\n", " | ") };
  }
  return {
    ok: false,
    errno: error.errno ?? "",
    stage: error.stage ?? stage,
    error: error.message.slice(0, 400),
  };
}

/** Open descriptors of the kernel's objects: maps, programs, BTF. Deno opens files of its own as it likes. */
function descriptors(): number {
  let count = 0;
  for (const { name } of Deno.readDirSync("/proc/self/fd")) {
    try {
      if (Deno.readLinkSync(`/proc/self/fd/${name}`).startsWith("anon_inode:")) count++;
    } catch (error) {
      // The descriptor of the listing itself is gone by now.
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
  return count;
}

/** Objects pin maps by name: the next one must find an empty file system, as libbpf's runs did. */
async function clearPins(): Promise<void> {
  for await (const entry of Deno.readDir("/sys/fs/bpf")) {
    // The kernel's own maps.debug and progs.debug stay.
    if (entry.name.endsWith(".debug")) continue;
    await Deno.remove(`/sys/fs/bpf/${entry.name}`, { recursive: true });
  }
}
