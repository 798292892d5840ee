// Collects skep's results for one object: loaded whole, and each program alone.

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
   * Whether the instructions hold type ids of the running kernel (kfuncs, typed ksyms,
   * target_type_id), so that the tag differs on every kernel build.
   */
  readonly kernelIds?: boolean | undefined;
}

/** skep's results for an object. */
export interface ObjectAnswer extends Verdict {
  readonly object: string;
  readonly maps: number;
  readonly programs: readonly ProgramAnswer[];
  /** Differences between `skep verify` and the separate loads. */
  readonly verify: readonly {
    readonly program?: string | undefined;
    readonly says: string;
    readonly loads: string;
  }[];
  /** Descriptors leaked by the object. */
  readonly leaked: number;
}

const sharedKernel = new LinuxKernel();
const LOADED: Verdict = { ok: true, errno: "", stage: "", error: "" };

/** Tries an object. `skip` lists programs for which the verifier takes minutes. */
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

/** Checks that the optimizations of `skep verify` do not change its results. */
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
  // A struct_ops map loads all its programs; remove the others, as in libbpf's runs.
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
    // Not a skep error: a defect, shown with its stack.
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

/** Returns the open descriptors of maps, programs and BTF; Deno opens other files at any time. */
function descriptors(): number {
  let count = 0;
  for (const { name } of Deno.readDirSync("/proc/self/fd")) {
    try {
      if (Deno.readLinkSync(`/proc/self/fd/${name}`).startsWith("anon_inode:")) count++;
    } catch (error) {
      // The descriptor of the listing itself is closed by now.
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
  return count;
}

/** Removes pins, so that the next object finds an empty bpffs, as in libbpf's runs. */
async function clearPins(): Promise<void> {
  for await (const entry of Deno.readDir("/sys/fs/bpf")) {
    // The kernel creates maps.debug and progs.debug.
    if (entry.name.endsWith(".debug")) continue;
    await Deno.remove(`/sys/fs/bpf/${entry.name}`, { recursive: true });
  }
}
