/**
 * Pages that the kernel maps for reading alone: a write through a view on them ends the process.
 *
 * @module
 */

import { SkepError } from "../errors/skep_error.ts";
import { Mapping } from "./mapping.ts";

let inside: (mapping: ReadOnlyMapping) => Mapping;

/**
 * A mapping without views: nobody can write to it. Only {@linkcode readable}, which the package keeps to itself,
 * gives the views to code that reads.
 */
export class ReadOnlyMapping extends Mapping {
  static {
    inside = (mapping) => mapping.#pages;
  }

  readonly #pages: Mapping;

  /** Keeps the views of `pages` to itself, and ends with them. */
  constructor(pages: Mapping) {
    super(new ArrayBuffer(0));
    this.#pages = pages;
  }

  /** Bytes, as asked for when it was mapped; 0 after disposal. */
  override get size(): number {
    return this.#pages.size;
  }

  /** Where it lies in this process. */
  override get address(): number {
    return this.#pages.address;
  }

  /** Whether it has been disposed of. */
  override get closed(): boolean {
    return this.#pages.closed;
  }

  /** Throws: over it others could write. */
  override get u8(): never {
    throw readOnly();
  }

  /** Throws: over it others could write. */
  override get u32(): never {
    throw readOnly();
  }

  /** Throws: over it others could write. */
  override get i32(): never {
    throw readOnly();
  }

  /** Throws: over it others could write. */
  override get big64(): never {
    throw readOnly();
  }

  /** Throws: over it others could write. */
  override get view(): never {
    throw readOnly();
  }

  /** Unmaps it. A second call does nothing. */
  override [Symbol.dispose](): void {
    this.#pages[Symbol.dispose]();
  }
}

/** A mapping with its views, for code that writes to none that is read-only and hands none out. */
export function readable(mapping: Mapping): Mapping {
  return mapping instanceof ReadOnlyMapping ? inside(mapping) : mapping;
}

function readOnly(): SkepError {
  return new SkepError({
    doing: "look at",
    subject: "a mapping in place",
    errno: "EACCES",
    stage: "usage",
    why: "its pages are read-only, and a write to a view would end the process",
    fix: "map it without inPlace, which gives a copy",
  });
}
