/**
 * Prints the TypeScript type of a codec's values.
 *
 * @module
 */

import { commentText, propertyKey, stringLiteral } from "../../errors/escape.ts";
import { flatFields, type Shape } from "./shape.ts";

/** Number of members after which structs are printed by name only. */
const MOST_SHOWN = 4096;

/**
 * Returns the TypeScript type of a shape's values on one line; `narrowed` stands for `bigints:
 * "when-needed"`.
 */
export function describeShape(shape: Shape, narrowed: boolean): string {
  return new Describer(narrowed).describe(shape, 0);
}

class Describer {
  readonly #narrowed: boolean;
  #left = MOST_SHOWN;

  constructor(narrowed: boolean) {
    this.#narrowed = narrowed;
  }

  describe(shape: Shape, depth: number): string {
    const wide = this.#narrowed ? "number | bigint" : "bigint";
    switch (shape.kind) {
      case "int":
        return shape.size <= 4 ? "number" : wide;
      case "bool":
        return "boolean";
      case "float":
        return "number";
      case "enum": {
        const number = shape.size < 8 ? "number" : wide;
        const names = [...shape.values.keys()];
        if (names.length === 0) return number;
        const shown = names.slice(0, 6).map(stringLiteral).join(" | ");
        return names.length > 6 ? `string | ${number}` : `${shown} | ${number}`;
      }
      case "bits":
        return this.describe(shape.of, depth);
      case "text":
        return "string";
      case "bytes":
        return "Uint8Array";
      case "array": {
        const element = this.describe(shape.element, depth + 1);
        return element.includes(" | ") ? `(${element})[]` : `${element}[]`;
      }
      case "record": {
        if (depth > 3 || this.#left <= 0) return commentText(shape.name) || "object";
        const members = flatFields(shape);
        this.#left -= members.length;
        const shown = members.map(({ name, shape }) => {
          return `${propertyKey(name)}: ${this.describe(shape, depth + 1)}`;
        });
        return shown.length === 0 ? "{}" : `{ ${shown.join("; ")} }`;
      }
    }
  }
}
