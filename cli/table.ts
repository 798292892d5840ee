/**
 * Tables for a terminal: aligned by what characters take on the screen, safe against what names from
 * hostile files could do to it.
 *
 * @module
 */

import { terminalText } from "../errors/escape.ts";
import { bold } from "@std/fmt/colors";

/** A column: its head, and to which side its cells lean. */
export interface Column {
  /** The head. */
  readonly head: string;
  /** Numbers lean right. */
  readonly align?: "left" | "right" | undefined;
}

const wide =
  /[\p{Script=Han}\p{Script=Hangul}\p{Script=Hiragana}\p{Script=Katakana}\p{Emoji_Presentation}\u3000-\u303e\uff01-\uff60\uffe0-\uffe6]/u;
const zeroWidth = /[\p{M}\u200b-\u200d\ufe00-\ufe0f]/u;

/** Columns that text takes on a terminal: East Asian characters and emoji take two, marks none. */
export function displayWidth(text: string): number {
  // deno-lint-ignore no-control-regex
  if (/^[\x00-\x7f]*$/.test(text)) return text.length;
  let width = 0;
  for (const character of text) {
    width += zeroWidth.test(character) ? 0 : wide.test(character) ? 2 : 1;
  }
  return width;
}

/** Lays out rows under their heads; every line ends with a newline. `style` paints the heads. */
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

/**
 * Writes a table whose rows come one by one. A column that turns out to be too narrow grows, and
 * stays wide for the rows that follow.
 */
export class TableWriter {
  readonly #columns: readonly Column[];
  readonly #widths: number[];
  readonly #colour: boolean;
  readonly #indent: string;

  /** Makes a writer; `widths` are the least widths of the columns. */
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

  /** Makes the columns wide enough for these rows. */
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

  /** The line of heads. */
  head(): string {
    const line = this.#line(this.#columns.map((column) => column.head));
    return `${this.#colour ? bold(line) : line}\n`;
  }

  /** One row. Cells are escaped. */
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
