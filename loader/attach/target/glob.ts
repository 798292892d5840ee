/**
 * Patterns with `*` (any text) and `?` (one character), as in section names.
 *
 * @module
 */

/** Whether a text is a pattern and not a plain name. */
export function isGlob(text: string): boolean {
  return /[*?]/.test(text);
}

/** A function that tells which names match. Time is linear in pattern times name: no regular expression, which a hostile pattern could make slow. */
export function globMatcher(pattern: string): (name: string) => boolean {
  return (name) => {
    let at = 0;
    let mark = -1;
    let retry = 0;
    let index = 0;
    while (index < name.length) {
      const wanted = pattern[at];
      if (wanted === "*") {
        mark = at++;
        retry = index;
      } else if (wanted === "?" || (wanted !== undefined && wanted === name[index])) {
        at++;
        index++;
      } else if (mark >= 0) {
        at = mark + 1;
        index = ++retry;
      } else {
        return false;
      }
    }
    while (pattern[at] === "*") at++;
    return at === pattern.length;
  };
}
