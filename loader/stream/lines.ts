/**
 * Splits a stream of UTF-8 bytes into lines.
 *
 * @module
 */

/** Splits UTF-8 that arrives in pieces into lines. */
export class LineSplitter {
  readonly #decoder = new TextDecoder();
  #rest = "";

  /** Appends bytes and returns the lines that they complete, without line ends. */
  push(bytes: Uint8Array): string[] {
    const lines = (this.#rest + this.#decoder.decode(bytes, { stream: true })).split("\n");
    this.#rest = lines.pop() ?? "";
    return lines;
  }

  /** Ends the input and returns its last line if that has no line end, else an empty array. */
  end(): string[] {
    const rest = this.#rest + this.#decoder.decode();
    this.#rest = "";
    return rest === "" ? [] : [rest];
  }
}
