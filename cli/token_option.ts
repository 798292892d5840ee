/**
 * `--token`, as all commands that load take it.
 *
 * @module
 */

import type { TokenOption } from "../token/mod.ts";
import type { Option, Parsed } from "./options.ts";

/** The option's declaration. */
export const tokenOption: Option = {
  name: "token",
  kind: "value",
  placeholder: "auto|PATH|none",
  help: "Token to use: found (default), of a BPF filesystem's path, or none",
};

/** What `--token` says, in the loader's words. */
export function tokenOf(parsed: Parsed): TokenOption {
  const text = parsed.value("token") ?? "auto";
  return text === "none" ? false : text;
}
