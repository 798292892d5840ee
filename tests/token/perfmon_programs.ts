/**
 * Loads the small programs for CAP_PERFMON from inside a sandbox.
 *
 * @module
 */

import type { JsonValue } from "../../errors/skep_error.ts";
import { linuxKernel } from "../../kernel/linux/linux.ts";
import { Pseudo, setImmediate, setSource } from "../../object/code/instruction.ts";
import { Token } from "../../token/mod.ts";
import { BPF_F_MMAPABLE } from "../../uapi/bpf_flags.ts";
import { AttachType, MapType, ProgramType } from "../../uapi/enums.ts";
import { PERFMON_PROGRAMS, VALUE_SIZE } from "../support/perfmon_programs.ts";

const kernel = linuxKernel();
/** User address of the arena (`map_extra`). */
const ARENA_ADDRESS = 1n << 44n;

/** Returns for each program `loads`, or the last lines of the verifier's log. */
export function load(): JsonValue {
  using token = Token.open("/sys/fs/bpf", { kernel });
  const create = (attributes: Parameters<typeof kernel.mapCreate>[0]): number => {
    const fd = kernel.mapCreate({ ...attributes, tokenFd: token.fd });
    if (fd < 0) throw new Error(`map_create: ${fd}`);
    return fd;
  };
  const maps = {
    values: create({ type: MapType.array, keySize: 4, valueSize: VALUE_SIZE, maxEntries: 1 }),
    arena: create({
      type: MapType.arena,
      keySize: 0,
      valueSize: 0,
      maxEntries: 1,
      flags: BPF_F_MMAPABLE,
      mapExtra: ARENA_ADDRESS,
    }),
  };
  const answers = PERFMON_PROGRAMS.map(({ name, type, code, references }) => {
    const instructions = code.slice();
    for (const { instruction, map, offset } of references) {
      setSource(instructions, instruction, offset === undefined ? Pseudo.mapFd : Pseudo.mapValue);
      setImmediate(instructions, instruction, maps[map]);
      setImmediate(instructions, instruction + 1, offset ?? 0);
    }
    const { result, log } = kernel.programLoadSync({
      type: ProgramType[type],
      expectedAttachType: type === "netfilter" ? AttachType.netfilter : 0,
      instructions,
      license: "GPL",
      logLevel: 1,
      tokenFd: token.fd,
    });
    if (result >= 0) kernel.close(result);
    return [name, result >= 0 ? "loads" : log.trim().split("\n").slice(-5).join("\n")] as const;
  });
  for (const fd of Object.values(maps)) kernel.close(fd);
  return Object.fromEntries(answers);
}
