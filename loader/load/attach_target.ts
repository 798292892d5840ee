/**
 * Resolves a program's attach target to a BTF type id, before the program is loaded: a function or tracepoint
 * of the kernel or a module, or a function of another program.
 *
 * @module
 */

import { Btf } from "../../btf/btf.ts";
import { SkepError } from "../../errors/skep_error.ts";
import { Errno, failed } from "../../uapi/errno.ts";
import { check } from "../../errors/kernel_error.ts";
import { btfNaming, type BtfTarget, btfTarget } from "../../object/section/btf_target.ts";
import { nearestNames } from "../../object/spec/named.ts";
import type { ProgramSpec } from "../../object/spec/spec.ts";
import { Descriptor } from "../../kernel/descriptor.ts";
import { decodeProgramInfo } from "../program/info.ts";
import { kernelTypes } from "../features/kernel_btf.ts";
import type { LoadContext } from "./load_context.ts";

/** The attach target in the fields of BPF_PROG_LOAD. */
export interface AttachTarget {
  /** `attach_btf_id`: the target's BTF type id. */
  readonly attachBtfId: number;
  /** `attach_prog_fd` or `attach_btf_obj_fd`: the program, or the module's BTF, that has the type. */
  readonly attachProgramFd?: number | undefined;
}

/** A BTF type to look up, and the name as the user wrote it. */
interface WantedType extends BtfTarget {
  readonly written: string;
}

/**
 * Resolves a program's attach target. Returns undefined for a program that needs none.
 *
 * `openModule` returns the descriptor of a module's BTF, which the load keeps open.
 *
 * @throws {SkepError} at stage `program`: EINVAL when no target is named, the target program is not set or it has
 * no BTF; ESRCH when the kernel has no such function; ENOENT when the target program has none.
 */
export function findAttachTarget(
  state: LoadContext,
  program: ProgramSpec,
  openModule: (name: string) => number,
): AttachTarget | undefined {
  const plain = btfTarget(program.attach);
  if (plain === undefined && program.attachTarget === undefined) return undefined;
  const wanted = wantedType(program, plain);
  if (wanted === undefined) {
    // As libbpf: SEC("fentry/") looks up the empty name (ESRCH), SEC("fentry") has no target (EINVAL).
    const looked = program.section.endsWith("/") && program.attach.kind !== "freplace";
    throw targetError(
      program,
      looked ? "ESRCH" : "EINVAL",
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

/** Returns the type to look up. A target that the user set overrides the section's. */
function wantedType(
  program: ProgramSpec,
  plan: BtfTarget | "unnamed" | undefined,
): WantedType | undefined {
  const { prefix, kind } = btfNaming(program.attach.kind) ?? { prefix: "", kind: "func" };
  const own = program.attachTarget?.function;
  if (own !== undefined && own !== "") {
    return { name: prefix + own, kind, written: own };
  }
  if (plan === undefined || plan === "unnamed") return undefined;
  return { ...plan, written: plan.name.slice(prefix.length) };
}

function inKernel(
  state: LoadContext,
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

/** Returns a hint with similar names of the same BTF kind, for an error text. */
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
  // Edit distances of all of vmlinux's names take long: require a common prefix first.
  const start = wanted.written.slice(0, 3);
  const near = nearestNames(wanted.written, names.filter((name) => name.startsWith(start)));
  return near.length === 0 ? "" : `; near it: ${near.join(", ")}`;
}

/** Resolves a function of a loaded program. */
function inProgram(
  state: LoadContext,
  program: ProgramSpec,
  wanted: WantedType,
  programFd: number | undefined,
): AttachTarget {
  if (programFd === undefined) {
    throw targetError(
      program,
      "EINVAL",
      "the program that it attaches to is not set",
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
  let btfFd = kernel.getFdById("btf", btfId, tokenFd);
  if (failed(btfFd, Errno.EINVAL) && tokenFd !== undefined) {
    // Before Linux 6.15 BPF_BTF_GET_FD_BY_ID takes no token (EINVAL); a privileged process needs none.
    const own = kernel.getFdById("btf", btfId);
    if (own >= 0) btfFd = own;
  }
  if (btfFd < 0) {
    throw state.refused({
      doing: "open the BTF of the target of program",
      subject: program.name,
      command: "BPF_BTF_GET_FD_BY_ID",
      result: btfFd,
      stage: "program",
    }, { kind: "btf" });
  }
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
    fix,
    data: { section: program.section },
  });
}
