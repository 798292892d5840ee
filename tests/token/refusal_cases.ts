/**
 * The rows of the refusal matrix: each makes a call in a sandbox that the kernel refuses, and returns our
 * explanation.
 *
 * @module
 */

import type { MapCreate, ProgramLoad } from "../../kernel/kernel.ts";
import { errnoName } from "../../uapi/errno.ts";
import { linuxKernel } from "../../kernel/linux/linux.ts";
import { mountFilesystem, openFilesystem } from "../../kernel/process/mounts.ts";
import { native } from "../../kernel/linux/ffi/native.ts";
import { AttachType, MapType, ProgramType } from "../../uapi/enums.ts";
import { DelegationError, explainRefusal, type Refusal, Token } from "../../token/mod.ts";
import { dropCapabilities } from "./capabilities.ts";
import { O_PATH } from "../../uapi/files.ts";

const kernel = linuxKernel();

/** Answer of a row: the errno and the cause of the refusal, if the kernel refused. */
export interface RowAnswer {
  /** Name of the errno; `0` when the call succeeded. */
  readonly errno: string;
  /** Cause of the refusal; `none` when there is no explanation. */
  readonly reason: string;
  /** Message of the error, one line. */
  readonly message: string;
  /** Option values that the delegation lacks. */
  readonly missing: readonly string[];
  /** Evidence for the cause. */
  readonly evidence: readonly string[];
}

/** Runs the named rows. */
export function run(names: readonly string[]): { [name: string]: RowAnswer } {
  return Object.fromEntries(names.map((name) => {
    const row = rows[name];
    if (row === undefined) throw new TypeError(`no row ${name}`);
    return [name, row()];
  }));
}

const accepted: RowAnswer = { errno: "0", reason: "none", message: "", missing: [], evidence: [] };

function answer(error: unknown): RowAnswer {
  if (!(error instanceof DelegationError)) {
    return {
      ...accepted,
      errno: "?",
      message: error instanceof Error ? error.message : "unexplained",
    };
  }
  return {
    errno: error.errno ?? "",
    reason: error.reason,
    message: error.message,
    missing: error.missing.map(({ option, word }) => `${option}=${word}`),
    evidence: error.evidence,
  };
}

function creation(create: () => Token): RowAnswer {
  try {
    using _token = create();
    return accepted;
  } catch (error) {
    return answer(error);
  }
}

function withFd(fd: number, use: (fd: number) => RowAnswer): RowAnswer {
  try {
    return use(fd);
  } finally {
    if (fd >= 0) kernel.close(fd);
  }
}

function refused(
  result: number,
  refusal: Omit<Refusal, "doing" | "subject" | "result">,
): RowAnswer {
  if (result >= 0) {
    kernel.close(result);
    return accepted;
  }
  const error = explainRefusal(kernel, { doing: "load", subject: "x", result, ...refusal });
  return error === undefined
    ? { ...accepted, errno: errnoName(-result), message: refusal.log?.slice(-200) ?? "" }
    : answer(error);
}

const EXIT_0: readonly number[] = [0xb7, 0, 0, 0, 0, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0];

/** Instructions: opcode, registers, offset, immediate. */
function assemble(
  ...instructions: readonly (readonly [number, number, number, number])[]
): Uint8Array {
  const bytes = new Uint8Array(instructions.length * 8);
  const view = new DataView(bytes.buffer);
  instructions.forEach(([opcode, registers, offset, immediate], index) => {
    view.setUint8(index * 8, opcode);
    view.setUint8(index * 8 + 1, registers);
    view.setInt16(index * 8 + 2, offset, true);
    view.setInt32(index * 8 + 4, immediate, true);
  });
  return bytes;
}

const RETURN: readonly (readonly [number, number, number, number])[] = [
  [0xb7, 0, 0, 0],
  [0x95, 0, 0, 0],
];

function program(type: number, attachType: number, extra: Partial<ProgramLoad> = {}): ProgramLoad {
  return {
    type,
    instructions: new Uint8Array(EXIT_0),
    license: "GPL",
    expectedAttachType: attachType,
    logLevel: 1,
    ...extra,
  };
}

function load(attributes: ProgramLoad, token: Token | undefined): RowAnswer {
  const tokenFd = attributes.tokenFd ?? token?.fd;
  const { result, log } = kernel.programLoadSync({
    ...attributes,
    tokenFd,
  });
  return refused(result, {
    command: "BPF_PROG_LOAD",
    program: {
      type: attributes.type,
      attachType: attributes.expectedAttachType ?? 0,
      ifindex: attributes.ifindex,
    },
    log,
    token: attributes.tokenFd === undefined ? token : undefined,
    tokenFd,
  });
}

function createMap(attributes: Partial<MapCreate> & { type: number }, token?: Token): RowAnswer {
  const map = { keySize: 4, valueSize: 4, maxEntries: 1, ...attributes };
  const tokenFd = map.tokenFd ?? token?.fd;
  const result = kernel.mapCreate({ ...map, tokenFd });
  const { tokenFd: _, ...described } = map;
  return refused(result, {
    command: "BPF_MAP_CREATE",
    map: described,
    token: map.tokenFd === undefined ? token : undefined,
    tokenFd,
  });
}

/** BTF with `int` as the only type. */
const BTF = new Uint8Array([
  ...[0x9f, 0xeb, 1, 0, 24, 0, 0, 0],
  ...[0, 0, 0, 0, 16, 0, 0, 0, 16, 0, 0, 0, 5, 0, 0, 0],
  ...[1, 0, 0, 0, 0, 0, 0, 1, 4, 0, 0, 0, 32, 0, 0, 1],
  ...[0, 105, 110, 116, 0],
]);

function loadBtf(token: Token | undefined, tokenFd = token?.fd): RowAnswer {
  const { result, log } = kernel.btfLoad({
    bytes: BTF,
    tokenFd,
  });
  return refused(result, { command: "BPF_BTF_LOAD", log, token, tokenFd });
}

function withToken(use: (token: Token) => RowAnswer): RowAnswer {
  using token = Token.open("/sys/fs/bpf", { kernel });
  return use(token);
}

function inBpffs(use: (path: string) => RowAnswer): RowAnswer {
  const path = "/sys/fs/bpf/below";
  kernel.makeDirectory(path);
  try {
    return use(path);
  } finally {
    kernel.unlink(path);
  }
}

function loadAfterDroppingBpf(use: (token: Token) => RowAnswer): RowAnswer {
  return withToken((token) => {
    dropCapabilities("bpf");
    return use(token);
  });
}

function perfEventOpen(): RowAnswer {
  const result = kernel.perfEventOpen({ type: 1, config: 0n, pid: -1, cpu: 0 });
  return refused(result, {
    command: "perf_event_open",
    program: { type: "kprobe", attachType: 0, section: "kprobe/do_nanosleep" },
  });
}

const { socket_filter, xdp, raw_tracepoint, cgroup_skb, tracing, kprobe } = ProgramType;

/** A loop of ten rounds with a second counter. */
const LOOP = assemble(
  [0xb7, 6, 0, 0], // r6 = 0
  [0xb7, 7, 0, 0], // r7 = 0
  [0x07, 7, 0, 2], // r7 += 2
  [0x07, 6, 0, 1], // r6 += 1
  [0xa5, 6, -3, 10], // if r6 < 10 goto -3
  ...RETURN,
);

/** A loop of ten rounds with a call in it. */
const CALLING_LOOP = assemble(
  [0xb7, 6, 0, 0], // r6 = 0
  [0x85, 0, 0, 7], // call get_prandom_u32
  [0x07, 6, 0, 1], // r6 += 1
  [0xa5, 6, -3, 10], // if r6 < 10 goto call
  ...RETURN,
);

const rows: { readonly [name: string]: () => RowAnswer } = {
  "create: works": () => creation(() => Token.open("/sys/fs/bpf", { kernel })),
  "create: descriptor -1": () => creation(() => Token.create(-1, { kernel })),
  "create: O_PATH descriptor": () =>
    withFd(
      kernel.open("/sys/fs/bpf", O_PATH),
      (fd) => creation(() => Token.create(fd, { kernel })),
    ),
  "create: not a bpffs": () => creation(() => Token.open("/", { kernel })),
  "create: a file": () =>
    withFd(kernel.open("/proc/self/status"), (fd) => creation(() => Token.create(fd, { kernel }))),
  "create: no such directory": () => creation(() => Token.open("/no/such", { kernel })),
  "create: not a directory": () => creation(() => Token.open("/proc/self/status", { kernel })),
  "create: below the root": () => inBpffs((path) => creation(() => Token.open(path, { kernel }))),
  "create: of a token": () =>
    withToken((token) => creation(() => Token.create(token.fd, { kernel }))),
  "create: of a context": () =>
    withFd(openFilesystem("bpf"), (fd) => creation(() => Token.create(fd, { kernel }))),
  "create: of fsmount's descriptor": () => {
    const context = openFilesystem("tmpfs");
    native().call(431, context, 6, 0, 0, 0);
    return withFd(
      mountFilesystem(context),
      (fd) => withFd(context, () => creation(() => Token.create(fd, { kernel }))),
    );
  },
  "create: of the directory in OTHER": () =>
    creation(() => Token.open(Deno.env.get("OTHER") ?? "", { kernel })),

  "map: works": () => withToken((token) => createMap({ type: MapType.hash }, token)),
  "map: closed token": () => createMap({ type: MapType.hash, tokenFd: 999 }),
  "map: descriptor -1": () => createMap({ type: MapType.hash, tokenFd: -1 }),
  "map: not a token": () =>
    withFd(
      kernel.open("/proc/self/status"),
      (fd) => createMap({ type: MapType.hash, tokenFd: fd }),
    ),
  "map: no token": () => createMap({ type: MapType.hash }),
  "map: type not delegated": () => withToken((token) => createMap({ type: MapType.array }, token)),
  "map: needs CAP_NET_ADMIN": () =>
    withToken((token) => createMap({ type: MapType.sockmap }, token)),
  "map: wrong key size": () =>
    withToken((token) => createMap({ type: MapType.hash, keySize: 0 }, token)),
  "map: unknown type": () => withToken((token) => createMap({ type: 99 }, token)),
  "map: unknown flags": () =>
    withToken((token) => createMap({ type: MapType.hash, flags: 1 << 30 }, token)),
  "map: zero seed": () =>
    withToken((token) => createMap({ type: MapType.hash, flags: 1 << 6 }, token)),
  "map: CAP_BPF dropped": () =>
    loadAfterDroppingBpf((token) => createMap({ type: MapType.hash }, token)),

  "btf: works": () => withToken((token) => loadBtf(token)),
  "btf: closed token": () => loadBtf(undefined, 999),
  "btf: not a token": () =>
    withFd(kernel.open("/proc/self/status"), (fd) => loadBtf(undefined, fd)),
  "btf: no token": () => loadBtf(undefined),
  "btf by id": () =>
    withToken((token) =>
      refused(kernel.getFdById("btf", 1, token.fd), { command: "BPF_BTF_GET_FD_BY_ID", token })
    ),

  "program: works": () => withToken((token) => load(program(xdp, AttachType.xdp), token)),
  "program: closed token": () => load(program(xdp, AttachType.xdp, { tokenFd: 999 }), undefined),
  "program: not a token": () =>
    withFd(
      kernel.open("/proc/self/status"),
      (fd) => load(program(xdp, AttachType.xdp, { tokenFd: fd }), undefined),
    ),
  "program: no token": () => load(program(xdp, AttachType.xdp), undefined),
  "program: type not delegated": () =>
    withToken((token) => load(program(ProgramType.sched_cls, AttachType.xdp), token)),
  "program: attach type not delegated": () =>
    withToken((token) => load(program(xdp, AttachType.xdp_devmap), token)),
  "program: attach type 0": () => withToken((token) => load(program(socket_filter, 0), token)),
  "program: needs CAP_NET_ADMIN": () =>
    withToken((token) => load(program(xdp, AttachType.xdp), token)),
  "program: needs CAP_PERFMON": () => withToken((token) => load(program(raw_tracepoint, 0), token)),
  "program: unknown type": () => withToken((token) => load(program(99, 0), token)),
  "program: unknown attach type": () => withToken((token) => load(program(xdp, 99), token)),
  "program: unknown flags": () =>
    withToken((token) =>
      load(program(xdp, AttachType.xdp, { flags: 1 << 30, logLevel: 0 }), token)
    ),
  "program: offload": () =>
    withToken((token) => load(program(xdp, AttachType.xdp, { ifindex: 1, logLevel: 0 }), token)),
  "program: CAP_BPF dropped": () =>
    loadAfterDroppingBpf((token) => load(program(xdp, AttachType.xdp), token)),
  "program: local policy": () =>
    withToken((token) =>
      load(program(tracing, AttachType.trace_fentry, { attachBtfId: 1 }), token)
    ),

  "verifier: trace_printk": () =>
    withToken((token) =>
      load(
        program(socket_filter, 0, {
          instructions: assemble(
            [0xbf, 0xa1, 0, 0],
            [0x07, 1, 0, -8],
            [0x7a, 0x0a, -8, 0],
            [
              0xb7,
              2,
              0,
              8,
            ],
            [0x85, 0, 0, 6],
            ...RETURN,
          ),
        }),
        token,
      )
    ),
  "verifier: probe_read_kernel": () =>
    withToken((token) =>
      load(
        program(socket_filter, 0, {
          instructions: assemble(
            [0xbf, 0xa1, 0, 0],
            [0x07, 1, 0, -8],
            [0xb7, 2, 0, 8],
            [
              0xb7,
              3,
              0,
              0,
            ],
            [0x85, 0, 0, 113],
            ...RETURN,
          ),
        }),
        token,
      )
    ),
  "verifier: pointer comparison": () =>
    withToken((token) =>
      load(
        program(socket_filter, 0, { instructions: assemble([0x55, 1, 0, 5], ...RETURN) }),
        token,
      )
    ),
  "verifier: uninitialised stack": () =>
    withToken((token) =>
      load(
        program(socket_filter, 0, {
          instructions: assemble([0x79, 0xa0, -16, 0], [0x95, 0, 0, 0]),
        }),
        token,
      )
    ),
  "verifier: bounded loop": () =>
    withToken((token) =>
      load(program(socket_filter, 0, { instructions: LOOP, logLevel: 4 }), token)
    ),
  "verifier: bounded loop, log cut off": () =>
    withToken((token) => load(program(socket_filter, 0, { instructions: LOOP }), token)),
  "verifier: bounded loop with a call": () =>
    withToken((token) => load(program(socket_filter, 0, { instructions: CALLING_LOOP }), token)),
  "verifier: probe_write_user": () =>
    withToken((token) =>
      load(
        program(kprobe, 0, {
          instructions: assemble(
            [0xb7, 1, 0, 0],
            [0xbf, 0xa2, 0, 0],
            [0x07, 2, 0, -8],
            [
              0x7a,
              0x0a,
              -8,
              0,
            ],
            [0xb7, 3, 0, 8],
            [0x85, 0, 0, 36],
            ...RETURN,
          ),
        }),
        token,
      )
    ),
  "verifier: a mistake": () =>
    withToken((token) =>
      load(program(socket_filter, 0, { instructions: assemble([0x95, 0, 0, 0]) }), token)
    ),

  "attach: perf_event_open": perfEventOpen,
  "attach: cgroup_skb": () => attachCgroupSkb(),
  "other: next program": () =>
    refused(kernel.getNextId("program", 0), { command: "BPF_PROG_GET_NEXT_ID" }),
  "other: map by id": () =>
    refused(kernel.getFdById("map", 1), { command: "BPF_MAP_GET_FD_BY_ID" }),
  "other: statistics": () => refused(kernel.enableStatistics(0), { command: "BPF_ENABLE_STATS" }),
};

function attachCgroupSkb(): RowAnswer {
  return withToken((token) => {
    const { result } = kernel.programLoadSync({ ...program(cgroup_skb, 0), tokenFd: token.fd });
    if (result < 0) throw new Error(`load: ${result}`);
    return withFd(
      result,
      (programFd) =>
        withFd(kernel.open(Deno.env.get("CGROUP") ?? ""), (target) => {
          if (target < 0) throw new Error(`cgroup: ${target}`);
          const link = kernel.linkCreate({ programFd, target, attachType: 0 });
          return refused(link, {
            command: "BPF_LINK_CREATE",
            program: { type: cgroup_skb, attachType: 0 },
          });
        }),
    );
  });
}
