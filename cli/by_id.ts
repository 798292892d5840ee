/**
 * Finds kernel objects by id, name or pin, for `prog`, `map`, `link` and `btf`.
 *
 * @module
 */

import { SkepError } from "../errors/skep_error.ts";
import { check, Errno, errnoMeaning, type Kernel, KernelError } from "../kernel/mod.ts";
import { parseCount, type Parsed, UsageError } from "./options.ts";
import { failed } from "../uapi/errno.ts";

/** Kinds of objects with ids. */
export type Kind = "program" | "map" | "link" | "btf";

const commands: { readonly [kind in Kind]: string } = {
  program: "BPF_PROG_GET_NEXT_ID",
  map: "BPF_MAP_GET_NEXT_ID",
  link: "BPF_LINK_GET_NEXT_ID",
  btf: "BPF_BTF_GET_NEXT_ID",
};

const nouns: { readonly [kind in Kind]: string } = {
  program: "prog",
  map: "map",
  link: "link",
  btf: "btf",
};

/** A descriptor with the id that it was opened by; disposal closes it. */
export interface Opened extends Disposable {
  /** The descriptor. */
  readonly fd: number;
  /** The id; 0 when it was opened by a pin. */
  readonly id: number;
}

/** Opens all objects of a kind one by one. Skips those that are freed meanwhile. */
export function* openAll(kernel: Kernel, kind: Kind): Generator<Opened> {
  for (
    let id = kernel.getNextId(kind, 0);
    !failed(id, Errno.ENOENT);
    id = kernel.getNextId(kind, id)
  ) {
    if (id < 0) throw refused("list", `${nouns[kind]}s`, commands[kind], id);
    const fd = kernel.getFdById(kind, id);
    if (failed(fd, Errno.ENOENT)) continue;
    if (fd < 0) throw refused("open", `${nouns[kind]} ${id}`, idCommand(kind), fd);
    using opened = own(kernel, fd, id);
    yield opened;
  }
}

/** Opens the object that the operands name: `7`, `id 7`, a path, `pinned PATH`, or a name. */
export function openOne(
  kernel: Kernel,
  kind: Kind,
  parsed: Parsed,
  nameOf?: (fd: number) => readonly string[],
): Opened {
  const noun = nouns[kind];
  const [word, value, ...rest] = parsed.operands;
  if (word === undefined || rest.length > 0) {
    throw new UsageError(
      `skep ${noun}`,
      "one object must be specified",
      "write an id, a name or a path",
    );
  }
  const [how, what] = value === undefined ? [guess(word), word] : [word, value];
  if (how === "id") {
    const id = parseCount(noun, "id", what);
    const fd = kernel.getFdById(kind, id);
    if (failed(fd, Errno.ENOENT)) throw missing(noun, what, `see skep ${noun} list`);
    return own(
      kernel,
      check(fd, { doing: "open", subject: `${noun} ${id}`, command: idCommand(kind) }),
      id,
    );
  }
  if (how === "pinned") {
    const fd = kernel.objectGet(what);
    return own(kernel, check(fd, { doing: "open", subject: what, command: "BPF_OBJ_GET" }), 0);
  }
  if ((how === "name" || how === "tag") && nameOf !== undefined) {
    return openNamed(kernel, kind, what, nameOf);
  }
  throw new UsageError(
    `skep ${noun}`,
    `"${how}" is no valid selector`,
    `write an id, ${nameOf === undefined ? "" : "name NAME, "}or pinned PATH`,
  );
}

function guess(word: string): string {
  if (/^\d+$/.test(word)) return "id";
  return word.includes("/") ? "pinned" : "name";
}

function openNamed(
  kernel: Kernel,
  kind: Kind,
  name: string,
  nameOf: (fd: number) => readonly string[],
): Opened {
  const ids: number[] = [];
  for (const { fd, id } of openAll(kernel, kind)) {
    if (nameOf(fd).includes(name)) ids.push(id);
  }
  const [id, ...others] = ids;
  const noun = nouns[kind];
  if (id === undefined) throw missing(noun, name, `see skep ${noun} list`);
  if (others.length > 0) {
    throw new SkepError({
      doing: "find",
      subject: `${noun} ${name}`,
      why: `${ids.length} share this name: ids ${ids.join(", ")}`,
      fix: "select one by its id",
    });
  }
  const fd = kernel.getFdById(kind, id);
  return own(
    kernel,
    check(fd, { doing: "open", subject: `${noun} ${id}`, command: idCommand(kind) }),
    id,
  );
}

function own(kernel: Kernel, fd: number, id: number): Opened {
  return { fd, id, [Symbol.dispose]: () => void kernel.close(fd) };
}

function idCommand(kind: Kind): string {
  return commands[kind].replace("NEXT_ID", "FD_BY_ID");
}

function missing(noun: string, what: string, fix: string): SkepError {
  return new SkepError({
    doing: "find",
    subject: `${noun} ${what}`,
    errno: "ENOENT",
    why: "it does not exist",
    fix,
  });
}

function refused(doing: string, subject: string, command: string, result: number): SkepError {
  const permission = failed(result, Errno.EPERM);
  return new KernelError({
    doing,
    subject,
    command,
    result,
    why: permission
      ? "opening kernel objects by id needs CAP_SYS_ADMIN in the initial user namespace, which a token does not replace"
      : errnoMeaning(result),
    fix: permission ? "run it as root" : undefined,
  });
}

/** Returns the `key: value` lines of `/proc/self/fdinfo/FD` by key. */
export function descriptorInfo(kernel: Kernel, fd: number): ReadonlyMap<string, string> {
  const { result, bytes } = kernel.readFile(`/proc/self/fdinfo/${fd}`);
  if (result < 0) return new Map();
  const lines = new TextDecoder().decode(bytes).split("\n");
  return new Map(lines.flatMap((line) => {
    const at = line.indexOf(":");
    return at < 0 ? [] : [[line.slice(0, at), line.slice(at + 1).trim()] as const];
  }));
}

/** Returns a number of `/proc/self/fdinfo`; undefined when it is absent. */
export function infoNumber(info: ReadonlyMap<string, string>, key: string): number | undefined {
  const text = info.get(key);
  return text === undefined ? undefined : Number(text);
}
