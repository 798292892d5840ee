/**
 * Matches patterns with `*` (any text) and `?` (one character), as in section names.
 *
 * @module
 */

/** Returns whether a text contains `*` or `?`. */
export function isGlob(text: string): boolean {
  return /[*?]/.test(text);
}

/**
 * Returns a function that checks whether a name matches.
 *
 * It takes time proportional to the pattern's length times the name's. A regular expression would backtrack
 * exponentially on a hostile pattern.
 */
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
