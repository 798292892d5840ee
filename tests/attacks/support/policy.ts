/**
 * Policies for the attacked broker. Only this module depends on their schema.
 *
 * @module
 */

import { readText, tree } from "./under_test.ts";

/** A rule of a test, independent of the schema version. */
export interface Rule {
  /** Name of the rule. */
  readonly name: string;
  /** Peers that the rule matches. */
  readonly who: {
    readonly owner?: readonly number[] | undefined;
    readonly uid?: readonly number[] | undefined;
    readonly cgroup?: string | undefined;
  };
  /** Delegation that the rule grants. */
  readonly delegate: { readonly [set: string]: readonly string[] | "any" };
  /** Whether the rule has `trustsHolderTo`, the sentence required for `prog_load`. @default {true} */
  readonly trusted?: boolean | undefined;
  /** Whether network namespaces that the peer's user namespace does not own are accepted. */
  readonly hostNetwork?: boolean | undefined;
  /** Whether nested user namespaces are served. */
  readonly nested?: boolean | undefined;
}

/** Limits of a policy. */
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

/** The schema version that the tree under test supports. */
export function policyVersion(): number {
  return schema().properties.version.const;
}

/** Returns the key and the sentence by which a rule states trust in holders of `prog_load`. */
export function trustWords(): { readonly [key: string]: unknown } {
  const { properties } = schema().$defs.rule;
  const [key, found] = Object.entries(properties).find(([name]) => /trust/i.test(name)) ?? [];
  return key === undefined ? {} : { [key]: found?.const ?? found?.enum?.[0] ?? true };
}

/** Delegation to create a hash map, which requires no trust. */
export const maps: Rule["delegate"] = { commands: ["map_create"], maps: ["hash"] };

/** Request for the same delegation. */
export const askMaps = '{"version":1,"need":{"commands":"0x1","maps":"0x2"},"label":"attack"}';

/** Returns the text of a policy file. */
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
