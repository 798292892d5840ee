/**
 * Reads the user's files (objects, BTF) through Deno, so that Deno's permissions apply.
 *
 * @module
 */

import { SkepError } from "../../errors/skep_error.ts";

/** Largest file that is read, in bytes. Objects are far smaller; only a vmlinux with debug info approaches it. */
const LARGEST = 2 ** 30;

/**
 * Reads an object, an executable or raw BTF.
 *
 * Refuses pipes, terminals, other devices and sockets before opening them, since opening a FIFO blocks until a
 * writer comes. Of a file that is neither ELF nor BTF it reads the first 64 bytes, enough for a parser to refuse it.
 *
 * @throws {SkepError} `ENOENT`, `EACCES` (also without Deno's `--allow-read`), `EISDIR`, `ENOTDIR` or `ELOOP` for
 * the path, `EINVAL` for what is not a regular file, `EFBIG` for more than 1 GiB, or the errno of a failed read.
 */
export async function readUserFile(
  path: string | URL,
  doing: string = "open",
): Promise<Uint8Array> {
  try {
    // Checked before open: opening a FIFO blocks until its other end is opened.
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

/** Returns whether a file starts like ELF, or like raw BTF of either byte order. */
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

/** Returns the path as text; the empty path as `""`, which is visible in an error. */
function name(path: string | URL): string {
  return String(path) === "" ? '""' : String(path);
}

/** Creates the error for a file that cannot be read. */
function fileError(path: string | URL, doing: string, cause: unknown): SkepError {
  const subject = name(path);
  const facts = { doing, subject, stage: "open" } as const;
  const told = (errno: string, why: string, fix?: string): SkepError =>
    new SkepError({ ...facts, errno, why, fix }, { cause });
  if (cause instanceof Deno.errors.NotFound) return told("ENOENT", "the file does not exist");
  if (cause instanceof Deno.errors.NotCapable) {
    return told("EACCES", "Deno has no permission to read it", `run with --allow-read=${subject}`);
  }
  if (cause instanceof Deno.errors.PermissionDenied) return told("EACCES", "access is denied");
  if (cause instanceof Deno.errors.IsADirectory) return told("EISDIR", "it is a directory");
  if (cause instanceof Deno.errors.NotADirectory) {
    return told("ENOTDIR", "a component of the path is not a directory");
  }
  if (cause instanceof Deno.errors.FilesystemLoop) {
    return told("ELOOP", "its symbolic links form a loop");
  }
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : "EIO";
  return told(code, cause instanceof Error ? cause.message : String(cause));
}
