/**
 * Escapes names from files for the places where they are printed: a terminal, a comment, a string, an
 * identifier, JSON. Names in an object are bytes that its author chose and must not be interpreted.
 *
 * @module
 */

/**
 * Characters that move a terminal's cursor, reorder text or are invisible: control characters (C0, DEL,
 * C1), line and paragraph separators, format characters (bidirectional controls included) and lone
 * surrogates. Joiners within words and emoji are kept.
 */
const UNSAFE = /[\p{Cc}\p{Zl}\p{Zp}\p{Cs}]|(?![\u200c\u200d])\p{Cf}/u;
const EVERY_UNSAFE = new RegExp(UNSAFE.source, "gu");
const PLAIN = /^[\x20-\x7e]*$/;

const SHORT: { readonly [character: string]: string } = {
  "\b": "\\b",
  "\t": "\\t",
  "\n": "\\n",
  "\f": "\\f",
  "\r": "\\r",
};

/** Returns `\n` or `\u202e`; two escapes for a character outside the basic plane, as in JSON. */
function escaped(character: string): string {
  const short = SHORT[character];
  if (short !== undefined) return short;
  let text = "";
  for (let at = 0; at < character.length; at++) {
    text += `\\u${character.charCodeAt(at).toString(16).padStart(4, "0")}`;
  }
  return text;
}

/** Escapes text for one line of a terminal: an error message, a cell of a table. */
export function terminalText(text: string): string {
  return PLAIN.test(text) ? text : text.replace(EVERY_UNSAFE, escaped);
}

const PLAIN_LINES = /^[\x20-\x7e\n\t]*$/;
// deno-lint-ignore no-control-regex
const COLOUR = /(\x1b\[[0-9;]*m)/;

/** Escapes lines for a terminal. Newlines and tabs are kept, and colour sequences if `colour` is set. */
export function terminalLines(text: string, colour: boolean): string {
  if (PLAIN_LINES.test(text)) return text;
  const parts = colour ? text.split(COLOUR) : [text];
  return parts.map((part, index) =>
    index % 2 === 1
      ? part
      : part.replace(EVERY_UNSAFE, (character) =>
        character === "\n" || character === "\t" ? character : escaped(character))
  ).join("");
}

/**
 * Escapes text for a comment of C or TypeScript of either form: it stays on its line and cannot end the
 * comment or continue it on the next line.
 */
export function commentText(text: string): string {
  // With trigraphs, `??/` is a backslash; at the end of a line it continues that line.
  return terminalText(text).replace(/\*\//g, "*\\/").replace(/\/\*/g, "/\\*")
    .replace(/(\\|\?\?\/)$/, "$1.");
}

/** Returns a double-quoted string literal that is valid JSON, JavaScript and TypeScript. */
export function stringLiteral(text: string): string {
  return safeJson(JSON.stringify(text));
}

/**
 * Escapes characters in JSON that are unsafe on a terminal; they occur in strings only and become `\u…`.
 */
export function safeJson(json: string): string {
  // A newline can only be between values: JSON.stringify() has escaped those in strings.
  return json.replace(
    EVERY_UNSAFE,
    (character) => character === "\n" ? character : escaped(character),
  );
}

const encoder = new TextEncoder();

/**
 * Returns a double-quoted string literal of C; characters outside printable ASCII become bytes of UTF-8.
 */
export function cStringLiteral(text: string): string {
  let literal = '"';
  for (const byte of encoder.encode(text)) {
    const character = String.fromCharCode(byte);
    // A question mark could begin a trigraph.
    if (character === '"' || character === "\\" || character === "?") literal += `\\${character}`;
    else if (byte >= 0x20 && byte < 0x7f) literal += character;
    // Three octal digits: hexadecimal escapes have no fixed length.
    else literal += `\\${byte.toString(8).padStart(3, "0")}`;
  }
  return `${literal}"`;
}

const IDENTIFIER = /^[A-Za-z_$][A-Za-z0-9_$]*$/;

/** Returns whether a name is an identifier of C and TypeScript; reserved words are not excluded. */
export function isIdentifier(name: string): boolean {
  return IDENTIFIER.test(name);
}

/**
 * Converts a name to an identifier of C and TypeScript, always the same for one name. Characters that
 * identifiers cannot contain become their code point (`a b` becomes `a_x20_b`), so that different names
 * stay different; an empty name becomes `_`.
 */
export function identifierText(name: string): string {
  if (IDENTIFIER.test(name)) return name;
  const clean = name.replace(
    /[^A-Za-z0-9_$]/gu,
    (character) => `_x${(character.codePointAt(0) ?? 0).toString(16)}_`,
  );
  return IDENTIFIER.test(clean) ? clean : `_${clean}`;
}

/** Reserved words of C (gnu11). */
const C_WORDS = new Set(
  ("auto break case char const continue default do double else enum extern float for goto if inline int long " +
    "register restrict return short signed sizeof static struct switch typedef union unsigned void volatile " +
    "while asm typeof _Alignas _Alignof _Atomic _Bool _Complex _Generic _Imaginary _Noreturn _Static_assert " +
    "_Thread_local __asm__ __attribute__ __extension__ __typeof__ __inline__ __volatile__").split(
      " ",
    ),
);

/** Reserved words of TypeScript and names that types cannot have. */
const TYPESCRIPT_WORDS = new Set(
  ("any as async await bigint boolean break case catch class const continue debugger declare default delete do " +
    "else enum export extends false finally for function if implements import in instanceof interface let " +
    "module namespace never new null number object package private protected public return static string " +
    "super switch symbol this throw true try type typeof undefined unique unknown using var void while with " +
    "yield").split(" "),
);

/** Converts a name to an identifier of C; a reserved word gets a `_` appended. */
export function cIdentifier(name: string): string {
  const text = identifierText(name);
  return C_WORDS.has(text) ? `${text}_` : text;
}

/** Converts a name to the identifier of a TypeScript type; a reserved word gets a `_` appended. */
export function typeScriptIdentifier(name: string): string {
  const text = identifierText(name);
  return TYPESCRIPT_WORDS.has(text) ? `${text}_` : text;
}

/** Returns a property key: the name itself where it is an identifier, else a string literal. */
export function propertyKey(name: string): string {
  return IDENTIFIER.test(name) ? name : stringLiteral(name);
}
