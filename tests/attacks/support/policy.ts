/**
 * Policies for the attacked broker: the one place that knows their schema.
 *
 * @module
 */

import { readText, tree } from "./under_test.ts";

/** What a rule of a test gives, in no version's words. */
export interface Rule {
  /** Its name. */
  readonly name: string;
  /** Whom it is for. */
  readonly who: {
    readonly owner?: readonly number[] | undefined;
    readonly uid?: readonly number[] | undefined;
    readonly cgroup?: string | undefined;
  };
  /** What it gives. */
  readonly delegate: { readonly [set: string]: readonly string[] | "any" };
  /** Whether the sentence stands there that trusts the holder of `prog_load`. @default {true} */
  readonly trusted?: boolean | undefined;
  /** Whether a network namespace is fine that the peer's user namespace does not own. */
  readonly hostNetwork?: boolean | undefined;
  /** Whether user namespaces within others are served. */
  readonly nested?: boolean | undefined;
}

/** Bounds. */
export interface Limits {
  readonly connections?: number | undefined;
  readonly requestsPerMinute?: number | undefined;
  readonly timeout?: number | undefined;
}

interface Schema {
  readonly properties: { readonly version: { readonly const: number } };
  readonly $defs: {
    readonly rule: {
      readonly properties: {
        readonly [name: string]: {
          readonly const?: unknown;
          readonly enum?: readonly unknown[] | undefined;
        };
      };
    };
  };
}

/** The schema of the tree under test. */
function schema(): Schema {
  return JSON.parse(readText(`${tree}/token/broker/policy.schema.json`) ?? "");
}

/** The version that the tree under test reads. */
export function policyVersion(): number {
  return schema().properties.version.const;
}

/** The key and the words by which a rule says that it trusts the holders of `prog_load`. */
export function trustWords(): { readonly [key: string]: unknown } {
  const { properties } = schema().$defs.rule;
  const [key, found] = Object.entries(properties).find(([name]) => /trust/i.test(name)) ?? [];
  return key === undefined ? {} : { [key]: found?.const ?? found?.enum?.[0] ?? true };
}

/** A map that the holder may make: no rule of this kind needs trust. */
export const maps: Rule["delegate"] = { commands: ["map_create"], maps: ["hash"] };

/** The same as a request. */
export const askMaps = '{"version":1,"need":{"commands":"0x1","maps":"0x2"},"label":"attack"}';

/** The text of a policy file. */
export function policyText(rules: readonly Rule[], limits: Limits = {}): string {
  const version = policyVersion();
  return JSON.stringify({
    version,
    rules: rules.map(({ trusted = true, hostNetwork, nested, ...rule }) => {
      const known = schema().$defs.rule.properties;
      const loads = [rule.delegate["commands"]].flat()
        .some((word) => word === "any" || word === "prog_load");
      return {
        ...rule,
        reach: version === 1 && loads ? "host" : undefined,
        ...(version !== 1 && loads && trusted ? trustWords() : undefined),
        hostNetwork: hostNetwork === true && "hostNetwork" in known ? hostNetwork : undefined,
        nested: nested === true && "nested" in known ? nested : undefined,
      };
    }),
    limits,
  });
}
