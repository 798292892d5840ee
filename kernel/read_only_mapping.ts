/**
 * Pages that are mapped read-only: a write through a view raises SIGSEGV.
 *
 * @module
 */

import { SkepError } from "../errors/skep_error.ts";
import { Mapping } from "./mapping.ts";

let inside: (mapping: ReadOnlyMapping) => Mapping;

/**
 * A mapping that exposes no views, so that no code can write to it. {@linkcode readable}, which is internal
 * to this package, returns the views to code that only reads.
 */
export class ReadOnlyMapping extends Mapping {
  static {
    inside = (mapping) => mapping.#pages;
  }

  readonly #pages: Mapping;

  /** Takes ownership of `pages` and hides its views. */
  constructor(pages: Mapping) {
    super(new ArrayBuffer(0));
    this.#pages = pages;
  }

  /** Size in bytes as requested; 0 after disposal. */
  override get size(): number {
    return this.#pages.size;
  }

  /** The address in this process. */
  override get address(): number {
    return this.#pages.address;
  }

  /** Whether the mapping was disposed of. */
  override get closed(): boolean {
    return this.#pages.closed;
  }

  /** @throws {SkepError} EACCES: a write through a view would raise SIGSEGV. */
  override get u8(): never {
    throw readOnly();
  }

  /** @throws {SkepError} EACCES: a write through a view would raise SIGSEGV. */
  override get u32(): never {
    throw readOnly();
  }

  /** @throws {SkepError} EACCES: a write through a view would raise SIGSEGV. */
  override get i32(): never {
    throw readOnly();
  }

  /** @throws {SkepError} EACCES: a write through a view would raise SIGSEGV. */
  override get big64(): never {
    throw readOnly();
  }

  /** @throws {SkepError} EACCES: a write through a view would raise SIGSEGV. */
  override get view(): never {
    throw readOnly();
  }

  /** Unmaps the pages. Later calls do nothing. */
  override [Symbol.dispose](): void {
    this.#pages[Symbol.dispose]();
  }
}

/** Returns a mapping with its views, for code that neither writes to read-only views nor passes them on. */
export function readable(mapping: Mapping): Mapping {
  return mapping instanceof ReadOnlyMapping ? inside(mapping) : mapping;
}

function readOnly(): SkepError {
  return new SkepError({
    doing: "read",
    subject: "a mapping in place",
    errno: "EACCES",
    stage: "usage",
    why: "its pages are read-only: a write to a view would raise SIGSEGV",
    fix: "map it without inPlace to get a copy",
  });
}
