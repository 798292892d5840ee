/**
 * `--token`, for all commands that load.
 *
 * @module
 */

import type { TokenOption } from "../token/mod.ts";
import type { Option, Parsed } from "./options.ts";

/** Declaration of the option. */
export const tokenOption: Option = {
  name: "token",
  kind: "value",
  placeholder: "auto|PATH|none",
  help: "Token to use: auto (default), the path of a BPF filesystem, or none",
};

/** Converts `--token` to the loader's `token` option. */
export function tokenOf(parsed: Parsed): TokenOption {
  const text = parsed.value("token") ?? "auto";
  return text === "none" ? false : text;
}
