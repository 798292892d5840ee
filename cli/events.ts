/**
 * Prints events as they come: a table that grows downwards, or JSON lines.
 *
 * @module
 */

import type { Io } from "./io.ts";
import { stringify } from "./json.ts";
import { type Column, TableWriter } from "./table.ts";
import { cell } from "./values.ts";

/** How events are printed. */
export interface EventPrinterOptions {
  /** JSON lines instead of a table. */
  readonly json: boolean;
  /** Whether each event tells which map it came from: there are several. */
  readonly named: boolean;
  /** Called when nothing can be printed any more; {@linkcode EventPrinter.flush} then throws why. */
  readonly closed?: (() => void) | undefined;
}

/**
 * Prints events, many with one write: what comes within one turn of the event loop goes out together.
 */
export class EventPrinter {
  readonly #io: Io;
  readonly #options: EventPrinterOptions;
  readonly #tables: Map<string, TableWriter> = new Map();
  #current: string | undefined;
  #pending = "";
  #scheduled = false;
  #count = 0;
  #failure: unknown;

  /** Prints to `io`. */
  constructor(io: Io, options: EventPrinterOptions) {
    this.#io = io;
    this.#options = options;
  }

  /** How many events were printed. */
  get count(): number {
    return this.#count;
  }

  /** Prints one event of a map. */
  print(map: string, event: unknown): void {
    this.#count++;
    this.#pending += this.#options.json ? this.#json(map, event) : this.#row(map, event);
    // A storm of events must not pile up in memory until the storm ends.
    if (this.#pending.length > 64 * 1024) this.flush();
    else if (!this.#scheduled) {
      this.#scheduled = true;
      setTimeout(() => this.#flushLater(), 0);
    }
  }

  /** Nobody could catch what is thrown in a timer: it is kept for who asks next. */
  #flushLater(): void {
    try {
      this.flush();
    } catch (error) {
      this.#failure = error;
      this.#options.closed?.();
    }
  }

  /** Writes what is not written yet. */
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
      // Text fields of a kernel's task name are mostly this wide; later rows can still widen them.
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
