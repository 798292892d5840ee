/**
 * The messages between a broker and its clients: one JSON message each, over SOCK_SEQPACKET.
 *
 * The request: `{ "version": 1, "need": { "commands": "0x21", … }, "label": "…" }`; without `need`, it asks
 * for everything that the policy grants. The answer: `{ "version": 1, "granted": { … } }` with the token's
 * descriptor, or `{ "version": 1, "refused": "why" }`.
 *
 * @module
 */

import type { JsonValue } from "../../errors/skep_error.ts";
import { Delegation, DELEGATION_SETS, type DelegationMasks } from "../../plan/delegation.ts";
import { withoutUndefined } from "../../errors/without_undefined.ts";

/** Maximum size of a message in bytes. */
export const LONGEST_MESSAGE = 4096;
/** Maximum length of a label in characters. */
const LONGEST_LABEL = 64;

/** A decoded request. */
export interface TokenRequest {
  /** The delegation asked for; undefined for everything that the policy grants. */
  readonly need: Delegation | undefined;
  /** A label for the audit log. */
  readonly label: string;
}

/** A decoded answer. */
export type TokenAnswer =
  | { readonly granted: Delegation }
  | { readonly refused: string };

/** Encodes a request. */
export function encodeRequest(need: DelegationMasks | undefined, label: string): Uint8Array {
  return encode(withoutUndefined({
    version: 1,
    need: need && masks(need),
    label: label.slice(0, LONGEST_LABEL),
  }));
}

/** Decodes a request from any bytes; returns what is wrong with it otherwise. */
export function decodeRequest(bytes: Uint8Array): TokenRequest | string {
  const message = decode(bytes);
  if (typeof message === "string") return message;
  for (const key of Object.keys(message)) {
    if (!["version", "need", "label"].includes(key)) {
      return `it has an unknown member "${plain(key)}"`;
    }
  }
  const { need, label = "" } = message;
  if (typeof label !== "string" || label.length > LONGEST_LABEL) {
    return "its label is not a short text";
  }
  const delegation = need === undefined ? undefined : readMasks(need);
  if (typeof delegation === "string") return delegation;
  return { need: delegation, label: plain(label) };
}

/** Encodes an answer. */
export function encodeAnswer(answer: TokenAnswer): Uint8Array {
  return encode(
    "granted" in answer
      ? { version: 1, granted: masks(answer.granted) }
      : { version: 1, refused: answer.refused.slice(0, 1024) },
  );
}

/** Decodes an answer; returns what is wrong with it otherwise. */
export function decodeAnswer(bytes: Uint8Array): TokenAnswer | string {
  const message = decode(bytes);
  if (typeof message === "string") return message;
  const { granted, refused } = message;
  if (typeof refused === "string") return { refused: plain(refused) };
  const delegation = granted === undefined ? "it neither grants nor refuses" : readMasks(granted);
  return typeof delegation === "string" ? delegation : { granted: delegation };
}

function encode(message: { readonly [key: string]: JsonValue }): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(message));
}

function decode(bytes: Uint8Array): { readonly [key: string]: JsonValue } | string {
  if (bytes.length > LONGEST_MESSAGE) return "it is too long";
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    const message: JsonValue = JSON.parse(text);
    if (typeof message !== "object" || message === null || Array.isArray(message)) {
      return "it is not an object";
    }
    const object = message as { readonly [key: string]: JsonValue };
    return object["version"] === 1 ? object : "its version is not 1";
  } catch {
    return "it is not JSON";
  }
}

function masks(need: DelegationMasks): { readonly [set: string]: string } {
  return Object.fromEntries(DELEGATION_SETS.map((set) => [set, `0x${need[set].toString(16)}`]));
}

function readMasks(json: JsonValue): Delegation | string {
  if (typeof json !== "object" || json === null || Array.isArray(json)) {
    return "its delegation is not an object";
  }
  const object = json as { readonly [key: string]: JsonValue };
  const result: { [set: string]: bigint } = {};
  for (const [key, value] of Object.entries(object)) {
    if (!(DELEGATION_SETS as readonly string[]).includes(key)) {
      return `its delegation has an unknown set "${plain(key)}"`;
    }
    if (typeof value !== "string" || !/^0x[0-9a-f]{1,16}$/.test(value)) {
      return `its ${key} are not a mask`;
    }
    result[key] = BigInt(value);
  }
  return new Delegation(result);
}

/** Replaces control characters of a client's text, for logs and terminals. */
function plain(text: string): string {
  // deno-lint-ignore no-control-regex
  return text.slice(0, 1024).replace(/[\x00-\x1f\x7f-\x9f]/g, "?");
}
