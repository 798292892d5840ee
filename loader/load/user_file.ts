/**
 * The user's own files: objects and BTF, read through Deno so that its permissions hold.
 *
 * @module
 */

import { SkepError } from "../../errors/skep_error.ts";

/** No object comes near this; a kernel with all its debugging information does. */
const LARGEST = 2 ** 30;

/**
 * Reads an object, an executable or raw BTF.
 *
 * Waits for nothing and nobody: what is not a file (a pipe, a terminal, a device without end) is refused,
 * and so is a file of more than 1 GiB. Of a file that is neither ELF nor BTF only the first bytes are
 * read, which is what a parser needs to refuse it.
 *
 * Throws a {@linkcode SkepError} with the errno: `ENOENT`, `EACCES`, `EISDIR`, `ELOOP`, `EINVAL` (no file), `EFBIG`, `EIO`.
 */
export async function readUserFile(
  path: string | URL,
  doing: string = "open",
): Promise<Uint8Array> {
  try {
    // Before it is opened: to open a pipe waits for its other end.
    const { isFile, isDirectory, isFifo } = await Deno.stat(path);
    if (isDirectory) throw unreadable(path, doing, "EISDIR", "it is a directory");
    if (!isFile) {
      const what = isFifo ? "a pipe" : "a device or a socket";
      throw unreadable(path, doing, "EINVAL", `it is ${what}, not a file`);
    }
    using file = await Deno.open(path);
    const { size } = await file.stat();
    const head = new Uint8Array(64);
    const start = head.subarray(0, await fill(file, head));
    if (!promising(start)) return start;
    if (size > LARGEST) {
      const why = `it has ${size} bytes, more than an object can have`;
      throw unreadable(path, doing, "EFBIG", why);
    }
    const bytes = new Uint8Array(Math.max(size, start.length));
    bytes.set(start);
    const read = start.length + await fill(file, bytes.subarray(start.length));
    return bytes.subarray(0, read);
  } catch (cause) {
    if (cause instanceof SkepError) throw cause;
    throw fileError(path, doing, cause);
  }
}

/** Whether a file starts as ELF or as raw BTF of either byte order does. */
function promising(start: Uint8Array): boolean {
  const [first, second] = start;
  return (first === 0x7f && second === 0x45) || (first === 0x9f && second === 0xeb) ||
    (first === 0xeb && second === 0x9f);
}

/** Reads until the buffer is full or the file ends. */
async function fill(file: Deno.FsFile, buffer: Uint8Array): Promise<number> {
  let length = 0;
  while (length < buffer.length) {
    const count = await file.read(buffer.subarray(length));
    if (count === null) break;
    length += count;
  }
  return length;
}

function unreadable(path: string | URL, doing: string, errno: string, why: string): SkepError {
  return new SkepError({ doing, subject: name(path), stage: "open", errno, why });
}

/** A name that can be seen, even the empty one. */
function name(path: string | URL): string {
  return String(path) === "" ? '""' : String(path);
}

/** A file that cannot be read, as one line. */
function fileError(path: string | URL, doing: string, cause: unknown): SkepError {
  const subject = name(path);
  const facts = { doing, subject, stage: "open" } as const;
  const told = (errno: string, why: string, fix?: string): SkepError =>
    new SkepError({ ...facts, errno, why, fix }, { cause });
  if (cause instanceof Deno.errors.NotFound) return told("ENOENT", "there is no such file");
  if (cause instanceof Deno.errors.NotCapable) {
    return told("EACCES", "Deno may not read it", `run with --allow-read=${subject}`);
  }
  if (cause instanceof Deno.errors.PermissionDenied) return told("EACCES", "access is denied");
  if (cause instanceof Deno.errors.IsADirectory) return told("EISDIR", "it is a directory");
  if (cause instanceof Deno.errors.NotADirectory) {
    return told("ENOTDIR", "a part of the path is not a directory");
  }
  if (cause instanceof Deno.errors.FilesystemLoop) {
    return told("ELOOP", "its symbolic links go round in a circle");
  }
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : "EIO";
  return told(code, cause instanceof Error ? cause.message : String(cause));
}
