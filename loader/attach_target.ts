/**
 * Finds what a program attaches to before it is loaded: a function of the kernel, of a module, or of
 * another program, as a BTF type id.
 *
 * @module
 */

import { Btf } from "../btf/btf.ts";
import type { KindName } from "../btf/types.ts";
import { SkepError } from "../elf/error.ts";
import { check } from "../kernel/error.ts";
import { nearestNames } from "../object/named.ts";
import type { ProgramSpec } from "../object/spec.ts";
import { Descriptor } from "./descriptor.ts";
import { decodeProgramInfo } from "./info.ts";
import { kernelTypes } from "./kernel_btf.ts";
import type { LoadState } from "./state.ts";

/** What BPF_PROG_LOAD is told about the target. */
export interface AttachTarget {
  /** The type id. */
  readonly attachBtfId: number;
  /** The program that it is in, or the module's BTF. */
  readonly attachProgramFd?: number;
}

/** A name to look for in BTF. */
interface WantedType {
  readonly name: string;
  readonly kind: KindName;
  /** What the user wrote. */
  readonly written: string;
  readonly module?: string;
}

/** The kinds of plan whose programs are bound to a type at load. */
const BOUND: ReadonlySet<string> = new Set([
  "tp_btf",
  "fentry",
  "fexit",
  "fmod_ret",
  "fsession",
  "freplace",
  "lsm",
  "lsm_cgroup",
  "iter",
]);

/** Whether a program is bound to a BTF type at load. */
export function needsAttachTarget(program: ProgramSpec): boolean {
  return BOUND.has(program.attach.kind) || program.attachTarget !== undefined;
}

/**
 * Finds a program's target; undefined for programs that have none.
 *
 * `openModule` gives the descriptor of a module's BTF, kept open by the load. Throws a {@linkcode SkepError}
 * at stage `program`: EINVAL without a target's name, ESRCH when nothing of the name exists.
 */
export function findAttachTarget(
  state: LoadState,
  program: ProgramSpec,
  openModule: (name: string) => number,
): AttachTarget | undefined {
  if (!needsAttachTarget(program)) return undefined;
  const wanted = wantedType(program);
  if (wanted === undefined) {
    throw targetError(
      program,
      "EINVAL",
      "its section names no attach target",
      'write SEC("kind/function"), or set attachTarget on the program\'s spec',
    );
  }
  const programFd = program.attachTarget?.programFd;
  if (program.attach.kind === "freplace" || programFd !== undefined) {
    return inProgram(state, program, wanted, programFd);
  }
  return inKernel(state, program, wanted, openModule);
}

/** The type's name in BTF: each kind of program has its own prefix. */
function wantedType(program: ProgramSpec): WantedType | undefined {
  const { attach, attachTarget } = program;
  const written = attachTarget?.function ?? targetName(program);
  if (written === undefined || written === "") return undefined;
  const module = "module" in attach ? attach.module : undefined;
  const inModule = module === undefined ? {} : { module };
  switch (attach.kind) {
    case "tp_btf":
      return { name: `btf_trace_${written}`, kind: "typedef", written, ...inModule };
    case "lsm":
    case "lsm_cgroup":
      return { name: `bpf_lsm_${written}`, kind: "func", written, ...inModule };
    case "iter":
      return { name: `bpf_iter_${written}`, kind: "func", written, ...inModule };
    default:
      return { name: written, kind: "func", written, ...inModule };
  }
}

function targetName({ attach }: ProgramSpec): string | undefined {
  switch (attach.kind) {
    case "tp_btf":
      return attach.name;
    case "fentry":
    case "fexit":
    case "fmod_ret":
    case "fsession":
    case "freplace":
      return attach.function;
    case "lsm":
    case "lsm_cgroup":
      return attach.hook;
    case "iter":
      return attach.target;
    default:
      return undefined;
  }
}

function inKernel(
  state: LoadState,
  program: ProgramSpec,
  wanted: WantedType,
  openModule: (name: string) => number,
): AttachTarget {
  const types = kernelTypes(state.kernel);
  const { module } = wanted;
  if (module === undefined || module === "vmlinux") {
    const id = types.vmlinux.find(wanted.name, wanted.kind);
    if (id !== undefined) return { attachBtfId: id };
  }
  if (module !== "vmlinux") {
    for (const { name, btf } of types.modules()) {
      if (module !== undefined && name !== module) continue;
      const id = btf.find(wanted.name, wanted.kind);
      if (id !== undefined && id >= btf.firstId) {
        return { attachBtfId: id, attachProgramFd: openModule(name) };
      }
    }
  }
  throw targetError(
    program,
    "ESRCH",
    `${whereText(module)} has no ${wanted.kind === "typedef" ? "tracepoint" : "function"} ` +
      `${wanted.written} to attach to${nearText(types.vmlinux, wanted)}`,
  );
}

function whereText(module: string | undefined): string {
  return module === undefined || module === "vmlinux" ? "this kernel" : `module ${module}`;
}

/** The names of the same kind that come near: only looked for when an error is written. */
function nearText(btf: Btf, wanted: WantedType): string {
  const prefix = wanted.name.slice(0, wanted.name.length - wanted.written.length);
  const names: string[] = [];
  for (let id = btf.firstId; id < btf.endId; id++) {
    if (btf.kindName(id) !== wanted.kind) continue;
    const name = btf.nameOf(id);
    const near = Math.abs(name.length - wanted.name.length) <= 3 ||
      name.includes(wanted.written);
    if (near && name.startsWith(prefix)) names.push(name.slice(prefix.length));
  }
  // The edit distance of thousands of names takes long: a common beginning thins them out.
  const start = wanted.written.slice(0, 3);
  const near = nearestNames(wanted.written, names.filter((name) => name.startsWith(start)));
  return near.length === 0 ? "" : `; near it: ${near.join(", ")}`;
}

/** A function of a loaded program. */
function inProgram(
  state: LoadState,
  program: ProgramSpec,
  wanted: WantedType,
  programFd: number | undefined,
): AttachTarget {
  if (programFd === undefined) {
    throw targetError(
      program,
      "EINVAL",
      "the program that it attaches to is not given",
      "set attachTarget: { programFd, function } on the program's spec",
    );
  }
  const { kernel, tokenFd } = state;
  const raw = kernel.programInfo(programFd);
  const facts = { doing: "inspect the target of program", subject: program.name };
  check(raw.result, { ...facts, command: "BPF_OBJ_GET_INFO_BY_FD", stage: "program" });
  const { btfId } = decodeProgramInfo(raw);
  if (btfId === 0) {
    throw targetError(program, "EINVAL", "the program that it attaches to was loaded without BTF");
  }
  const btfFd = check(kernel.getFdById("btf", btfId, tokenFd), {
    doing: "open the BTF of the target of program",
    subject: program.name,
    command: "BPF_BTF_GET_FD_BY_ID",
    stage: "program",
  });
  using _closing = new Descriptor(kernel, btfFd);
  const { result, bytes } = kernel.btfInfo(btfFd);
  check(result, { ...facts, command: "BPF_OBJ_GET_INFO_BY_FD", stage: "program" });
  const id = Btf.parse(bytes, { name: `program BTF ${btfId}` }).find(wanted.name, "func");
  if (id === undefined) {
    throw targetError(
      program,
      "ENOENT",
      `the program that it attaches to has no function ${wanted.written}`,
    );
  }
  return { attachBtfId: id, attachProgramFd: programFd };
}

function targetError(
  program: ProgramSpec,
  errno: string,
  why: string,
  fix?: string,
): SkepError {
  return new SkepError({
    doing: "find the attach target of program",
    subject: program.name,
    errno,
    stage: "program",
    why,
    ...(fix !== undefined ? { fix } : {}),
    data: { section: program.section },
  });
}
