/**
 * Reads the output of a BPF iterator as text, lines or records.
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

/** An iterator link. */
export interface IteratorLink {
  /** The link's descriptor. */
  readonly fd: number;
  /** The name that errors show. */
  readonly program: string;
}

/**
 * One run of an iterator. The kernel calls the program for each object while the run is read.
 *
 * A link can have any number of runs; each iterates over the objects that exist while it is read.
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

  /**
   * Starts a run (BPF_ITER_CREATE, Linux 5.8).
   *
   * @throws {KernelError} when the kernel refuses it.
   */
  static open(kernel: Kernel, link: IteratorLink): IteratorReader {
    const fd = kernel.iteratorCreate(link.fd);
    if (fd < 0) throw refused("read iterator", link.program, "BPF_ITER_CREATE", fd);
    return new IteratorReader(kernel, fd, link.program);
  }

  /**
   * Starts a run of a pinned iterator by opening its pin, as `cat` does.
   *
   * @throws {KernelError} when the pin cannot be opened.
   */
  static openPinned(kernel: Kernel, path: string): IteratorReader {
    const fd = kernel.open(path);
    if (fd < 0) throw refused("read iterator", path, "open", fd);
    return new IteratorReader(kernel, fd, path);
  }

  /** Reads the whole output as text, and closes the run. */
  text(): string {
    const decoder = new TextDecoder();
    let text = "";
    for (const bytes of this.#pieces()) text += decoder.decode(bytes, { stream: true });
    return text + decoder.decode();
  }

  /** Yields the output line by line, and closes the run. Yields to the event loop after each read of up to 64 KiB. */
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
   * Yields the output record by record, as the program writes it with `bpf_seq_write`, and closes the run.
   *
   * @throws {SkepError} when the output ends within a record, since the program writes records of another type.
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

  /** Closes the run. */
  [Symbol.dispose](): void {
    this.#descriptor[Symbol.dispose]();
  }

  *#pieces(): Generator<Uint8Array, void, undefined> {
    this.#checkOpen();
    try {
      while (true) {
        // The caller may have closed the run between two reads, and the descriptor's number may be reused.
        this.#checkOpen();
        const { result, bytes } = this.#kernel.read(this.#descriptor.fd, PIECE);
        // bpf_seq_read() returns EAGAIN after a million objects without output (MAX_ITER_OBJECTS): read again.
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
