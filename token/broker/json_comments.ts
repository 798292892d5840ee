/**
 * JSON with comments, for files that people write.
 *
 * @module
 */

/**
 * Takes the comments out of JSON, and the commas before a closing bracket. What is taken out becomes
 * spaces, so that places in error messages stay right.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { withoutComments } from "@skep/skep/token";
 *
 * assertEquals(JSON.parse(withoutComments('{ "a": "//", /* b *\/ "c": 1, } // d')), { a: "//", c: 1 });
 * ```
 */
export function withoutComments(text: string): string {
  const pieces = text.match(/"(?:[^"\\]|\\.)*"|\/\/[^\n]*|\/\*[^]*?\*\/|[^]/g) ?? [];
  let comma = -1;
  let before = "";
  pieces.forEach((piece, index) => {
    if (piece.length > 1 && piece.startsWith("/")) {
      pieces[index] = piece.replace(/[^\n]/g, " ");
    } else if (piece.trim() !== "") {
      if (comma >= 0 && (piece === "]" || piece === "}")) pieces[comma] = " ";
      // Only a comma after a value may be one too many.
      comma = piece === "," && before !== "" && !"[{,".includes(before) ? index : -1;
      before = piece;
    }
  });
  return pieces.join("");
}
