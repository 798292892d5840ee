/**
 * Prints events as they arrive: as a growing table, or as JSON lines.
 *
 * @module
 */

import type { Io } from "./io.ts";
import { stringify } from "./json.ts";
import { type Column, TableWriter } from "./table.ts";
import { cell } from "./values.ts";

/** Options of {@linkcode EventPrinter}. */
export interface EventPrinterOptions {
  /** Whether to print JSON lines instead of a table. */
  readonly json: boolean;
  /** Whether to print the map's name with each event; used when there are several maps. */
  readonly named: boolean;
  /** Called when output fails; {@linkcode EventPrinter.flush} then throws the error. */
  readonly closed?: (() => void) | undefined;
}

/** Prints events, batching all events of one event loop turn into one write. */
export class EventPrinter {
  readonly #io: Io;
  readonly #options: EventPrinterOptions;
  readonly #tables: Map<string, TableWriter> = new Map();
  #current: string | undefined;
  #pending = "";
  #scheduled = false;
  #count = 0;
  #failure: unknown;

  /** Creates a printer for `io`. */
  constructor(io: Io, options: EventPrinterOptions) {
    this.#io = io;
    this.#options = options;
  }

  /** Number of events printed. */
  get count(): number {
    return this.#count;
  }

  /** Prints one event of a map. */
  print(map: string, event: unknown): void {
    this.#count++;
    this.#pending += this.#options.json ? this.#json(map, event) : this.#row(map, event);
    // Bounds the memory of a burst within one turn.
    if (this.#pending.length > 64 * 1024) this.flush();
    else if (!this.#scheduled) {
      this.#scheduled = true;
      setTimeout(() => this.#flushLater(), 0);
    }
  }

  /** Schedules a flush. An error cannot be caught in a timer, so it is kept for the next caller. */
  #flushLater(): void {
    try {
      this.flush();
    } catch (error) {
      this.#failure = error;
      this.#options.closed?.();
    }
  }

  /** Writes all pending output. */
  flush(): void {
    this.#scheduled = false;
    if (this.#failure !== undefined) throw this.#failure;
    const text = this.#pending;
    this.#pending = "";
    if (text !== "") this.#io.out(text);
  }

  #json(map: string, event: unknown): string {
    const value = event instanceof Uint8Array ? { bytes: event.toHex() } : event;
    return `${stringify(this.#options.named ? { map, event: value } : value)}\n`;
  }

  #row(map: string, event: unknown): string {
    const fields = isRecord(event) ? event : { record: event };
    const names = Object.keys(fields);
    let writer = this.#tables.get(map);
    let head = "";
    if (writer === undefined) {
      const columns: Column[] = names.map((name) => ({
        head: name.toUpperCase(),
        align: isNumber(fields[name]) ? "right" : undefined,
      }));
      // Most text fields are a task name of this width; later rows can widen the column.
      const widths = names.map((name, index): number =>
        index === names.length - 1 ? 0 : typeof fields[name] === "string" ? 16 : 7
      );
      writer = new TableWriter(columns, { colour: this.#io.colour, widths });
      this.#tables.set(map, writer);
    }
    if (this.#current !== map) {
      const title = this.#options.named ? `${map}:\n` : "";
      head = title + writer.head();
      this.#current = map;
    }
    return head + writer.row(names.map((name) => cell(fields[name])));
  }
}

function isNumber(value: unknown): boolean {
  return typeof value === "number" || typeof value === "bigint";
}

function isRecord(value: unknown): value is { readonly [name: string]: unknown } {
  return typeof value === "object" && value !== null && !ArrayBuffer.isView(value) &&
    !Array.isArray(value);
}
