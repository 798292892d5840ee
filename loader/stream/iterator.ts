/**
 * Reads what a BPF iterator writes: text, lines or records.
 *
 * @module
 */

import { Descriptor } from "../../kernel/descriptor.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import { type Decoder, decodeRecord, type ReadOptions } from "./decoder.ts";
import { closedError, refused, streamError } from "./error.ts";
import { LineSplitter } from "./lines.ts";
import { turn } from "./event_loop.ts";
import { Errno, failed } from "../../uapi/errno.ts";

const PIECE = 64 * 1024;

/** A link of the kind `iter`. */
export interface IteratorLink {
  /** The link. */
  readonly fd: number;
  /** What messages call it. */
  readonly program: string;
}

/**
 * One run of an iterator: the program is called for each object while this is read.
 *
 * Make as many as wanted from one link; each sees the objects that are there then.
 *
 * @example
 * ```ts ignore
 * import { BpfObject, IteratorReader } from "@skep/skep";
 *
 * using object = await BpfObject.load("tasks.bpf.o");
 * using link = object.programs.get("dump_task").attach();
 * for await (const line of IteratorReader.open(object.kernel, link).lines()) console.log(line);
 * ```
 */
export class IteratorReader implements Disposable {
  readonly #kernel: Kernel;
  readonly #name: string;
  readonly #descriptor: Descriptor;

  private constructor(kernel: Kernel, fd: number, name: string) {
    this.#kernel = kernel;
    this.#descriptor = new Descriptor(kernel, fd);
    this.#name = name;
  }

  /** Starts a run. Minimum kernel: Linux 5.8. */
  static open(kernel: Kernel, link: IteratorLink): IteratorReader {
    const fd = kernel.iteratorCreate(link.fd);
    if (fd < 0) throw refused("read iterator", link.program, "BPF_ITER_CREATE", fd);
    return new IteratorReader(kernel, fd, link.program);
  }

  /** Opens a pinned iterator, which any reader may do with `cat` too. */
  static openPinned(kernel: Kernel, path: string): IteratorReader {
    const fd = kernel.open(path);
    if (fd < 0) throw refused("read iterator", path, "open", fd);
    return new IteratorReader(kernel, fd, path);
  }

  /** All that it writes, as text. Closes the run. */
  text(): string {
    const decoder = new TextDecoder();
    let text = "";
    for (const bytes of this.#pieces()) text += decoder.decode(bytes, { stream: true });
    return text + decoder.decode();
  }

  /** What it writes, line by line. The event loop turns between pieces of 64 KiB. Closes the run. */
  async *lines(options: ReadOptions = {}): AsyncGenerator<string, void, undefined> {
    const splitter = new LineSplitter();
    for (const bytes of this.#pieces()) {
      if (options.signal?.aborted) return;
      yield* splitter.push(bytes);
      await turn();
    }
    yield* splitter.end();
  }

  /**
   * What it writes (`bpf_seq_write`), record by record. Closes the run.
   *
   * @throws SkepError when the bytes end within a record: the type is not the one that is written.
   */
  async *records<T>(
    decoder: Decoder<T>,
    options: ReadOptions = {},
  ): AsyncGenerator<T, void, undefined> {
    const { size } = decoder;
    let rest = new Uint8Array(0);
    for (const bytes of this.#pieces()) {
      const joined = new Uint8Array(rest.length + bytes.length);
      joined.set(rest);
      joined.set(bytes, rest.length);
      const view = new DataView(joined.buffer);
      let at = 0;
      for (; at + size <= joined.length; at += size) {
        if (options.signal?.aborted) return;
        yield decodeRecord(decoder, view, at, size);
      }
      rest = joined.slice(at);
      await turn();
    }
    if (rest.length > 0) {
      throw streamError(
        "read iterator",
        this.#name,
        `its output ends ${rest.length} bytes into a record of ${size}`,
        "decode it as the type that the program writes with bpf_seq_write()",
      );
    }
  }

  /** Ends the run. */
  [Symbol.dispose](): void {
    this.#descriptor[Symbol.dispose]();
  }

  *#pieces(): Generator<Uint8Array, void, undefined> {
    this.#checkOpen();
    try {
      while (true) {
        // The caller may have ended it between two pieces: the number is another file's then.
        this.#checkOpen();
        const { result, bytes } = this.#kernel.read(this.#descriptor.fd, PIECE);
        // The kernel stops after a million objects without output, and wants to be asked again.
        if (failed(result, Errno.EAGAIN)) continue;
        if (result < 0) throw refused("read iterator", this.#name, "read", result);
        if (bytes.length === 0) return;
        yield bytes;
      }
    } finally {
      this[Symbol.dispose]();
    }
  }

  #checkOpen(): void {
    if (this.#descriptor.closed) throw closedError("read iterator", this.#name);
  }
}
