/**
 * Escapes names from files for the places where they are written: a terminal, a comment, a string, an
 * identifier, JSON. Names in an object are bytes that its author chose, and must not be more than a name.
 *
 * @module
 */

/**
 * What moves a terminal's cursor, changes the order in which text is shown, or is not shown: control
 * characters (C0, DEL, C1), line and paragraph separators, format characters (those of bidirectional text
 * among them) and surrogates without their other half. The joiners within words and emoji stay.
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

/** `\n`, `\u202e`; two of the latter for what is outside the basic plane, as in JSON. */
function escaped(character: string): string {
  const short = SHORT[character];
  if (short !== undefined) return short;
  let text = "";
  for (let at = 0; at < character.length; at++) {
    text += `\\u${character.charCodeAt(at).toString(16).padStart(4, "0")}`;
  }
  return text;
}

/** Text for one line of a terminal: an error's message, a cell of a table. */
export function terminalText(text: string): string {
  return PLAIN.test(text) ? text : text.replace(EVERY_UNSAFE, escaped);
}

const PLAIN_LINES = /^[\x20-\x7e\n\t]*$/;
// deno-lint-ignore no-control-regex
const COLOUR = /(\x1b\[[0-9;]*m)/;

/** Lines for a terminal: newlines and tabs stay, and sequences that set colours where `colour` says so. */
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
 * Text for a comment of C or TypeScript, of either form: it stays on its line and neither ends the comment
 * nor goes on with it on the next line.
 */
export function commentText(text: string): string {
  // `??/` is a backslash to a C compiler that takes trigraphs; one at the end of a line joins the next to it.
  return terminalText(text).replace(/\*\//g, "*\\/").replace(/\/\*/g, "/\\*")
    .replace(/(\\|\?\?\/)$/, "$1.");
}

/** A string literal of JSON, JavaScript and TypeScript alike, in double quotes. */
export function stringLiteral(text: string): string {
  return safeJson(JSON.stringify(text));
}

/** JSON that a terminal shows as it is: what is unsafe is in its strings alone, and becomes `\u…`. */
export function safeJson(json: string): string {
  // A newline can only be one between values: JSON.stringify() has escaped those in strings.
  return json.replace(
    EVERY_UNSAFE,
    (character) => character === "\n" ? character : escaped(character),
  );
}

const encoder = new TextEncoder();

/** A string literal of C in double quotes; what is not plain ASCII is written as bytes of UTF-8. */
export function cStringLiteral(text: string): string {
  let literal = '"';
  for (const byte of encoder.encode(text)) {
    const character = String.fromCharCode(byte);
    // A question mark could be part of a trigraph.
    if (character === '"' || character === "\\" || character === "?") literal += `\\${character}`;
    else if (byte >= 0x20 && byte < 0x7f) literal += character;
    // Three octal digits: hexadecimal escapes have no end of their own.
    else literal += `\\${byte.toString(8).padStart(3, "0")}`;
  }
  return `${literal}"`;
}

const IDENTIFIER = /^[A-Za-z_$][A-Za-z0-9_$]*$/;

/** Whether a name is an identifier of C and TypeScript as it is; whether it is a reserved word is not asked. */
export function isIdentifier(name: string): boolean {
  return IDENTIFIER.test(name);
}

/**
 * A name as an identifier of C and TypeScript: the same for the same name wherever it is printed. A
 * character that no identifier has becomes its number (`a b`: `a_x20_b`), so that different names stay
 * different; an empty name becomes `_`.
 */
export function identifierText(name: string): string {
  if (IDENTIFIER.test(name)) return name;
  const clean = name.replace(
    /[^A-Za-z0-9_$]/gu,
    (character) => `_x${(character.codePointAt(0) ?? 0).toString(16)}_`,
  );
  return IDENTIFIER.test(clean) ? clean : `_${clean}`;
}

/** Words of C that no name may be, those of gnu11 counted. */
const C_WORDS = new Set(
  ("auto break case char const continue default do double else enum extern float for goto if inline int long " +
    "register restrict return short signed sizeof static struct switch typedef union unsigned void volatile " +
    "while asm typeof _Alignas _Alignof _Atomic _Bool _Complex _Generic _Imaginary _Noreturn _Static_assert " +
    "_Thread_local __asm__ __attribute__ __extension__ __typeof__ __inline__ __volatile__").split(
      " ",
    ),
);

/** Words of TypeScript that no type may be called. */
const TYPESCRIPT_WORDS = new Set(
  ("any as async await bigint boolean break case catch class const continue debugger declare default delete do " +
    "else enum export extends false finally for function if implements import in instanceof interface let " +
    "module namespace never new null number object package private protected public return static string " +
    "super switch symbol this throw true try type typeof undefined unique unknown using var void while with " +
    "yield").split(" "),
);

/** A name as an identifier of C; a word of the language gets a `_` behind it. */
export function cIdentifier(name: string): string {
  const text = identifierText(name);
  return C_WORDS.has(text) ? `${text}_` : text;
}

/** A name as one of a TypeScript type; a word of the language gets a `_` behind it. */
export function typeScriptIdentifier(name: string): string {
  const text = identifierText(name);
  return TYPESCRIPT_WORDS.has(text) ? `${text}_` : text;
}

/** A property of an object or interface: as it is where it can be, else as a string. */
export function propertyKey(name: string): string {
  return IDENTIFIER.test(name) ? name : stringLiteral(name);
}
