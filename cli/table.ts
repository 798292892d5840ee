/**
 * Tables for a terminal: aligned by display width, with control characters escaped.
 *
 * @module
 */

import { terminalText } from "../errors/escape.ts";
import { bold } from "@std/fmt/colors";

/** A column. */
export interface Column {
  /** The heading. */
  readonly head: string;
  /** Alignment of the cells; numbers use `right`. */
  readonly align?: "left" | "right" | undefined;
}

const wide =
  /[\p{Script=Han}\p{Script=Hangul}\p{Script=Hiragana}\p{Script=Katakana}\p{Emoji_Presentation}\u3000-\u303e\uff01-\uff60\uffe0-\uffe6]/u;
const zeroWidth = /[\p{M}\u200b-\u200d\ufe00-\ufe0f]/u;

/**
 * Returns the display width of text: two columns for East Asian characters and emoji, none for
 * combining marks.
 */
export function displayWidth(text: string): number {
  // deno-lint-ignore no-control-regex
  if (/^[\x00-\x7f]*$/.test(text)) return text.length;
  let width = 0;
  for (const character of text) {
    width += zeroWidth.test(character) ? 0 : wide.test(character) ? 2 : 1;
  }
  return width;
}

/**
 * Formats rows under their headings; every line ends with a newline. `style` colours the headings.
 */
export function table(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  options: { readonly colour?: boolean | undefined; readonly indent?: string | undefined } = {},
): string {
  const writer = new TableWriter(columns, options);
  const cells = rows.map((row) => row.map(terminalText));
  writer.reserve(cells);
  return writer.head() + cells.map((row) => writer.row(row)).join("");
}

/** Formats a table row by row. A column that is too narrow grows, and stays wide for later rows. */
export class TableWriter {
  readonly #columns: readonly Column[];
  readonly #widths: number[];
  readonly #colour: boolean;
  readonly #indent: string;

  /** Creates a writer; `widths` are minimum widths of the columns. */
  constructor(
    columns: readonly Column[],
    options: {
      readonly colour?: boolean | undefined;
      readonly indent?: string | undefined;
      readonly widths?: readonly number[] | undefined;
    } = {},
  ) {
    this.#columns = columns;
    this.#colour = options.colour ?? false;
    this.#indent = options.indent ?? "";
    this.#widths = columns.map((column, index) =>
      Math.max(displayWidth(column.head), options.widths?.[index] ?? 0)
    );
  }

  /** Widens the columns to fit these rows. */
  reserve(rows: readonly (readonly string[])[]): void {
    for (const row of rows) {
      for (const [index, cell] of row.entries()) this.#grow(index, displayWidth(cell));
    }
  }

  #grow(index: number, width: number): number {
    const known = this.#widths[index] ?? 0;
    if (width > known) this.#widths[index] = width;
    return Math.max(known, width);
  }

  /** Returns the line of headings. */
  head(): string {
    const line = this.#line(this.#columns.map((column) => column.head));
    return `${this.#colour ? bold(line) : line}\n`;
  }

  /** Returns one row, with escaped cells. */
  row(cells: readonly string[]): string {
    return `${this.#line(cells.map(terminalText))}\n`;
  }

  #line(cells: readonly string[]): string {
    let line = this.#indent;
    for (const [index, column] of this.#columns.entries()) {
      const cell = cells[index] ?? "";
      const width = displayWidth(cell);
      const space = " ".repeat(this.#grow(index, width) - width);
      if (index > 0) line += "  ";
      line += column.align === "right" ? space + cell : cell + space;
    }
    return line.trimEnd();
  }
}
