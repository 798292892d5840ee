/**
 * The part of the subtests of the kernel's `prog_tests/token.c` that runs inside the sandbox.
 *
 * @module
 */

import { type JsonValue, SkepError } from "../../errors/skep_error.ts";
import { errnoName } from "../../uapi/errno.ts";
import { linuxKernel } from "../../kernel/linux/linux.ts";
import { BpfObject, type LoadOptions, openObject } from "../../loader/mod.ts";
import { AttachType, MapType, ProgramType } from "../../uapi/enums.ts";
import { Token } from "../../token/mod.ts";
import { dropCapabilities } from "./capabilities.ts";

const kernel = linuxKernel();
const PATH = "/sys/fs/bpf";

/** Returns `ok` and closes the descriptor, or the name of the errno. */
function outcome(result: number): string {
  if (result < 0) return errnoName(-result);
  kernel.close(result);
  return "ok";
}

/** Runs `command` with and without a token, with and without capabilities; returns the four outcomes. */
function combinations(command: (tokenFd: number | undefined) => number): JsonValue {
  using token = Token.open(PATH, { kernel });
  const withCapabilities = {
    tokenAndCapabilities: outcome(command(token.fd)),
    capabilitiesAlone: outcome(command(undefined)),
  };
  dropCapabilities("bpf", "perfmon", "net_admin", "sys_admin");
  return {
    ...withCapabilities,
    tokenAlone: outcome(command(token.fd)),
    neither: outcome(command(undefined)),
  };
}

/** Subtest 1: creates a map. */
export function mapToken(): JsonValue {
  return combinations((tokenFd) =>
    kernel.mapCreate({
      type: MapType.stack,
      keySize: 0,
      valueSize: 8,
      maxEntries: 1,
      tokenFd,
    })
  );
}

/** Subtest 2: loads BTF. */
export function btfToken(): JsonValue {
  const bytes = new Uint8Array([
    ...[0x9f, 0xeb, 1, 0, 24, 0, 0, 0],
    ...[0, 0, 0, 0, 16, 0, 0, 0, 16, 0, 0, 0, 5, 0, 0, 0],
    ...[1, 0, 0, 0, 0, 0, 0, 1, 4, 0, 0, 0, 32, 0, 0, 1],
    ...[0, 105, 110, 116, 0],
  ]);
  return combinations((tokenFd) => kernel.btfLoad({ bytes, tokenFd }).result);
}

/** Subtest 3: loads an XDP program (CAP_NET_ADMIN) that calls jiffies64 (CAP_BPF) and get_current_task (CAP_PERFMON). */
export function programToken(): JsonValue {
  const instructions = new Uint8Array([
    ...[0x85, 0, 0, 0, 118, 0, 0, 0],
    ...[0x85, 0, 0, 0, 35, 0, 0, 0],
    ...[0xb7, 0, 0, 0, 0, 0, 0, 0],
    ...[0x95, 0, 0, 0, 0, 0, 0, 0],
  ]);
  return combinations((tokenFd) =>
    kernel.programLoadSync({
      type: ProgramType.xdp,
      expectedAttachType: AttachType.xdp,
      license: "GPL",
      instructions,
      tokenFd,
    }).result
  );
}

/** Loads an object, or `only` the named maps and programs; returns `ok`, or the reason or errno of the refusal. */
async function load(
  path: string,
  token: LoadOptions["token"],
  only?: readonly string[],
): Promise<string> {
  try {
    const spec = await openObject(path);
    if (only !== undefined) {
      for (const map of spec.maps) map.autocreate = only.includes(map.name);
      for (const program of spec.programs) program.autoload = only.includes(program.name);
    }
    using _object = await BpfObject.load(spec, { token });
    return "ok";
  } catch (error) {
    if (!(error instanceof SkepError)) throw error;
    return `${error.data["reason"] ?? error.errno}`;
  }
}

/** Subtests 4, 5, 8 and 9: loads without a token, with one by path, and with one by an open directory. */
export async function objectWithToken(
  path: string,
  only: readonly string[] | null,
): Promise<JsonValue> {
  const names = only ?? undefined;
  const directory = kernel.open(PATH);
  const answers = {
    without: await load(path, false, names),
    byPath: await load(path, PATH, names),
    byDescriptor: await load(path, `/proc/self/fd/${directory}`, names),
  };
  kernel.close(directory);
  return answers;
}

/** Subtests 10 and 11: loads with different values of LIBBPF_BPF_TOKEN_PATH and of the option. */
export async function implicitToken(
  path: string,
  mountedAt: string,
  only: readonly string[],
): Promise<JsonValue> {
  const variable = "LIBBPF_BPF_TOKEN_PATH";
  Deno.env.set(variable, "");
  const emptyVariable = await load(path, undefined, only);
  Deno.env.delete(variable);
  const noVariable = await load(path, undefined, only);
  const emptyOption = await load(path, "", only);
  Deno.env.set(variable, mountedAt);
  const variableSet = await load(path, undefined, only);
  const emptyOptionBeatsVariable = await load(path, "", only);
  Deno.env.set(variable, "/no/such/directory");
  const wrongVariable = await load(path, undefined, only);
  const optionBeatsVariable = await load(path, mountedAt, only);
  return {
    emptyVariable,
    noVariable,
    emptyOption,
    variableSet,
    emptyOptionBeatsVariable,
    wrongVariable,
    optionBeatsVariable,
  };
}

/** Subtest 12: returns the masks from the token's info (BPF_OBJ_GET_INFO_BY_FD) and from its fdinfo. */
export function tokenInfo(): JsonValue {
  using token = Token.open(PATH, { kernel });
  const { result, bytes } = kernel.objectInfo(token.fd, 32);
  const words = result < 0 ? [] : [...new BigUint64Array(bytes.slice(0, 32).buffer)];
  const fdinfo = new TextDecoder().decode(
    kernel.readFile(`/proc/self/fdinfo/${token.fd}`).bytes,
  );
  return {
    info: words.map((word) => `0x${word.toString(16)}`),
    fdinfo: [...fdinfo.matchAll(/^allowed_\w+:\s*(\S+)$/gm)].map((match) => match[1] ?? ""),
  };
}

/** Loads an object; returns the kernel's names and tags of its programs, its maps, and its variables. */
export async function identity(path: string, only: readonly string[]): Promise<JsonValue> {
  const spec = await openObject(path);
  for (const program of spec.programs) program.autoload = only.includes(program.name);
  using object = await BpfObject.load(spec, { token: PATH });
  const variables = Object.fromEntries(
    [...object.variables].map((variable) => [variable.name, `${variable.get()}`]),
  );
  const programs = [...object.programs].map((program) => {
    const { info } = kernel.programInfo(program.fd);
    const name = new TextDecoder().decode(info.subarray(64, 80)).replace(/\0.*$/s, "");
    return { name, tag: program.info().tag };
  });
  const maps = [...object.maps].map((map) => map.info().name);
  return { programs, maps, variables };
}
