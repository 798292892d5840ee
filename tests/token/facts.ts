/**
 * Probes from inside a sandbox which types and helpers the kernel allows.
 *
 * @module
 */

import type { JsonValue } from "../../errors/skep_error.ts";
import { linuxKernel } from "../../kernel/linux/linux.ts";
import { ProgramType } from "../../uapi/enums.ts";
import { doctor, Token } from "../../token/mod.ts";

const kernel = linuxKernel();
const LAST_HELPER = 211;

/** Returns the program and map types that the token and the capabilities allow. */
export function allowedTypes(): JsonValue {
  const { programs, maps } = doctor({ kernel });
  return {
    programs: [...new Set(programs.filter(({ allowed }) => allowed).map(({ type }) => type))],
    maps: [...maps],
  };
}

/** Returns the numbers of the helpers that the verifier does not provide to a program type. */
function refusedHelpers(
  type: keyof typeof ProgramType,
  expectedAttachType: number,
  flags: number,
): number[] {
  using token = Token.open("/sys/fs/bpf", { kernel });
  const refused: number[] = [];
  for (let helper = 1; helper <= LAST_HELPER; helper++) {
    const instructions = new Uint8Array([
      ...[0x85, 0, 0, 0, helper, 0, 0, 0],
      ...[0xb7, 0, 0, 0, 0, 0, 0, 0],
      ...[0x95, 0, 0, 0, 0, 0, 0, 0],
    ]);
    const { result, log } = kernel.programLoadSync({
      type: ProgramType[type],
      expectedAttachType,
      flags,
      instructions,
      license: "GPL",
      logLevel: 1,
      tokenFd: token.fd,
    });
    if (result >= 0) kernel.close(result);
    if (log === "") throw new Error(`${type}: ${result}`);
    if (/cannot use helper|unknown func|invalid func/.test(log)) refused.push(helper);
  }
  return refused;
}

/** Returns the refused helpers of several types. */
export function refusedHelpersOf(
  ...types:
    readonly (readonly [type: keyof typeof ProgramType, attachType: number, flags: number])[]
): JsonValue {
  return Object.fromEntries(types.map((type) => [type[0], refusedHelpers(...type)]));
}
