/**
 * Hostile names in files, and the characters of them that outputs must escape.
 *
 * @module
 */

/** File that injected code would create when a name escapes from its comment or string. */
export const MARKER = "skep-attack-ran";

const WRITE = `Deno.writeTextFileSync("${MARKER}","")`;

/** Names that try to escape from comments, strings, templates, identifiers and lines. */
export const PAYLOADS: readonly string[] = [
  `*/${WRITE}/*`,
  `*/\n${WRITE}\n/*`,
  `\n${WRITE}//`,
  `\r${WRITE}//`,
  `\u2028${WRITE}//`,
  `\u2029${WRITE}//`,
  "`;" + WRITE + ";`",
  "${" + WRITE + "}",
  `";${WRITE};"`,
  `';${WRITE};'`,
  `\\";${WRITE};"`,
  `: 1 };};${WRITE};type X={x:{y`,
  `*/ export const INJECTED = 1; /*`,
  `*/ int INJECTED; /*`,
  `; int INJECTED; int x`,
  `\nint INJECTED;//`,
  `*/\n#define INJECTED 1\n/*`,
  `\n#include "INJECTED.h"\n`,
  `\\`,
  `x\\`,
  `??/`,
  `x??/`,
  `*\\\n/ int INJECTED; /*`,
  `*??/\n/ int INJECTED; /*`,
  `*/`,
  `/*`,
  `//`,
  `<!--`,
  `-->`,
  `\x1b[2J\x1b]0;INJECTED\x07`,
  `\u202e}/*`,
  `__proto__`,
  `constructor`,
  `"`,
  `'`,
  "`",
  "${",
];

/** Number of escapes, from the first, that contain code. */
export const CODE = 18;

/**
 * Returns every printable and control character of ASCII and Latin-1, and characters that reverse or hide text.
 * Letters, digits and Latin-1 characters come in groups of twelve, the others alone.
 */
export function everyCharacter(): string[] {
  const numbers = Array.from({ length: 0x100 - 1 }, (_, index) => index + 1);
  const others = [0x34f, 0x61c, 0x180e, 0x200b, 0x200c, 0x200d, 0x200e, 0x200f, 0x2028, 0x2029];
  for (let code = 0x202a; code <= 0x202e; code++) others.push(code);
  for (let code = 0x2060; code <= 0x206f; code++) others.push(code);
  others.push(0xfeff, 0xfff9, 0xfffa, 0xfffb, 0xe0001, 0xe0041);
  const all = [...numbers, ...others].map((code) => String.fromCodePoint(code));
  const plain = (text: string): boolean => /^[A-Za-z0-9\u00a1-\u00ac\u00ae-\u00ff]$/.test(text);
  const letters = all.filter(plain);
  const groups: string[] = [];
  for (let at = 0; at < letters.length; at += 12) groups.push(letters.slice(at, at + 12).join(""));
  return [...all.filter((text) => !plain(text)), ...groups];
}

/** Control characters except newline, and characters that reverse text or separate lines. */
const RAW =
  // deno-lint-ignore no-control-regex
  /[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]/u;

/** Returns the code point of the first character that a terminal, an editor or a compiler would interpret. */
export function obeyed(output: string): string | undefined {
  const found = RAW.exec(output)?.[0];
  return found === undefined
    ? undefined
    : `U+${found.codePointAt(0)?.toString(16).padStart(4, "0")}`;
}

/** Returns TypeScript or C without comments and string contents: the code that a compiler would run. */
export function withoutText(source: string): string {
  return source.replace(
    /\/\*[\s\S]*?\*\/|\/\/[^\n\r\u2028\u2029]*|"(?:\\.|[^"\\\n\r])*"|'(?:\\.|[^'\\\n\r])*'/g,
    (part) => part.startsWith("/") ? " " : '""',
  );
}

/** Counts each declaration keyword in code: the counts must be equal for hostile and harmless names. */
export function declarations(source: string): string {
  const counts: string[] = [];
  const text = withoutText(source);
  for (
    const word of [
      "export",
      "import",
      "interface",
      "type",
      "const",
      "let",
      "var",
      "function",
      "class",
      "declare",
      "namespace",
      "typedef",
      "struct",
      "union",
      "enum",
      "#",
      ";",
      "{",
      "}",
      "=",
      "(",
      "`",
    ]
  ) {
    const pattern = /\w/.test(word)
      ? new RegExp(`\\b${word}\\b`, "g")
      : new RegExp(`\\${word}`, "g");
    const count = text.match(pattern)?.length ?? 0;
    if (count > 0) counts.push(`${count} ${word}`);
  }
  return counts.join(", ");
}
