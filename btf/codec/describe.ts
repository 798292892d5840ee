/**
 * Says what a codec's values look like, in TypeScript's words.
 *
 * @module
 */

import { flatFields, type Shape } from "./shape.ts";

/** Prints the TypeScript type of a shape's values on one line; `narrowed` as in the codec's options. */
export function describeShape(shape: Shape, narrowed: boolean, depth = 0): string {
  switch (shape.kind) {
    case "int":
      return shape.size <= 4 ? "number" : narrowed ? "number | bigint" : "bigint";
    case "bool":
      return "boolean";
    case "float":
      return "number";
    case "enum": {
      const number = shape.size < 8 ? "number" : narrowed ? "number | bigint" : "bigint";
      const names = [...shape.values.keys()];
      if (names.length === 0) return number;
      const shown = names.slice(0, 6).map((name) => JSON.stringify(name)).join(" | ");
      return names.length > 6 ? `string | ${number}` : `${shown} | ${number}`;
    }
    case "bits":
      return describeShape(shape.of, narrowed, depth);
    case "text":
      return "string";
    case "bytes":
      return "Uint8Array";
    case "array": {
      const element = describeShape(shape.element, narrowed, depth + 1);
      return element.includes(" | ") ? `(${element})[]` : `${element}[]`;
    }
    case "record": {
      if (depth > 3) return shape.name || "object";
      const members = flatFields(shape).map((field) => {
        const key = /^[A-Za-z_$][\w$]*$/.test(field.name) ? field.name : JSON.stringify(field.name);
        return `${key}: ${describeShape(field.shape, narrowed, depth + 1)}`;
      });
      return members.length === 0 ? "{}" : `{ ${members.join("; ")} }`;
    }
  }
}
