/**
 * The policy of a broker: which peer gets which token. Requests without a matching rule are
 * refused.
 *
 * @module
 */

import { type JsonValue, SkepError } from "../../errors/skep_error.ts";
import { programTypeName } from "../../uapi/enums.ts";
import { Delegation, DELEGATION_SETS, type DelegationMasks } from "../../plan/delegation.ts";
import { type HolderAccess, holderAccess } from "../../plan/holder.ts";
import { programAttaches } from "../../plan/program_types.ts";
import { parsePolicyText } from "./policy_text.ts";

/** Whom a rule applies to: all given conditions must hold. */
export interface PolicyWho {
  /**
   * Uids, in the broker's user namespace, one of which must own the peer's user namespace. The
   * owner gains the rights of the token too.
   */
  readonly owner?: readonly number[] | undefined;
  /** Uids, in the broker's user namespace, one of which must be the peer's. */
  readonly uid?: readonly number[] | undefined;
  /** The peer's cgroup path; one ending in `/*` matches all cgroups below. */
  readonly cgroup?: string | undefined;
}

/** One rule. */
export interface PolicyRule {
  /** Name of the rule, for the audit log. */
  readonly name: string;
  /** Whom it applies to. */
  readonly who: PolicyWho;
  /** The most that it grants. */
  readonly delegation: Delegation;
  /**
   * What its holders can read and where they can attach: recorded in the audit log, and trusted by
   * the rule.
   */
  readonly holder: HolderAccess;
  /**
   * Whether to grant network program types to a peer in a network namespace that its user namespace
   * does not own.
   */
  readonly hostNetwork: boolean;
  /** Whether to serve nested user namespaces. */
  readonly nested: boolean;
}

/** Limits on what clients can make the broker do. */
export interface PolicyLimits {
  /** Simultaneous connections. */
  readonly connections: number;
  /** Requests of one account in a minute: of the owner of the outermost user namespace, or, where root owns it, of that namespace. */
  readonly requestsPerMinute: number;
  /** Seconds that a client may take to send its request. */
  readonly timeout: number;
}

/** A parsed policy. */
export interface Policy {
  /** The rules in file order; the first match applies. */
  readonly rules: readonly PolicyRule[];
  /** The limits. */
  readonly limits: PolicyLimits;
}

/** The facts about a peer that rules examine. */
export interface PeerFacts {
  /** Its pid in the broker's pid namespace. */
  readonly pid: number;
  /** Its uid when it connected, in the broker's user namespace. */
  readonly uid: number;
  /** Path of its cgroup, if any. */
  readonly cgroup: string | undefined;
  /** Owner of its user namespace, as a uid in the broker's. */
  readonly owner: number;
  /** Inode of its user namespace. */
  readonly userNamespace: bigint;
  /** Whether that is the broker's user namespace. */
  readonly initial: boolean;
  /** Whether its user namespace is a child of another one than the broker's. */
  readonly nested: boolean;
  /**
   * Whether every thread of its user namespace is in a network namespace that this user namespace
   * owns.
   */
  readonly ownsNetwork: boolean;
}

/** Result of a request. */
export type Decision =
  | {
    readonly granted: true;
    readonly rule: PolicyRule;
    readonly delegation: Delegation;
  }
  | { readonly granted: false; readonly why: string };

/** The supported version of the policy schema. */
export const POLICY_VERSION = 2;

/**
 * The sentence with which a rule acknowledges what `prog_load` allows: the kernel checks
 * CAP_PERFMON in the holder's user namespace, and a token's descriptor can leave that namespace.
 */
export const TRUST =
  "read all memory of the host's kernel, and attach the given program types wherever a descriptor gets";

const DEFAULT_LIMITS: PolicyLimits = { connections: 64, requestsPerMinute: 60, timeout: 5 };

/** Reads an object file named in a policy and plans its delegation. */
export type PlanObject = (path: string) => Delegation;

/**
 * Parses a policy: JSON with comments, by the schema in `token/broker/policy.schema.json`.
 *
 * Refuses everything that the schema does not allow, so that a misspelled key never widens a rule.
 *
 * @throws {SkepError} with the place of the first error.
 */
export async function parsePolicy(
  text: string,
  file: string,
  planObject: PlanObject,
): Promise<Policy> {
  let json: JsonValue;
  try {
    json = await parsePolicyText(text);
  } catch (cause) {
    throw new SkepError({
      doing: "read policy",
      subject: file,
      why: cause instanceof Error ? cause.message : "it is not JSON",
      stage: "usage",
    }, { cause });
  }
  return readPolicy(json, file, planObject);
}

/** Reads a policy as {@linkcode parsePolicy} does, from a JSON value. */
export function readPolicy(json: JsonValue, file: string, planObject: PlanObject): Policy {
  return new PolicyReader(file, planObject).policy(json);
}

/** Decides a request. Pure, so that it can be reviewed and tested. */
export function decide(
  policy: Policy,
  peer: PeerFacts,
  need: DelegationMasks | undefined,
): Decision {
  const asked = need === undefined ? undefined : new Delegation(need);
  const refuse = (why: string): Decision => ({ granted: false, why });
  if (peer.initial) {
    return refuse("the peer is in the initial user namespace, where there are no tokens");
  }
  if (asked?.empty === true) return refuse("the request is empty");
  let why = "no rule matches this peer";
  for (const rule of policy.rules) {
    if (!fits(rule.who, peer)) continue;
    const delegation = asked ?? rule.delegation;
    const problem = objection(rule, peer, delegation);
    if (problem === undefined) return { granted: true, rule, delegation };
    why = `rule "${rule.name}": ${problem}`;
  }
  return refuse(why);
}

function objection(
  rule: PolicyRule,
  peer: PeerFacts,
  delegation: Delegation,
): string | undefined {
  const missing = rule.delegation.missing(delegation);
  if (missing.length > 0) {
    return `it does not grant ${missing.map(({ option, word }) => `${option}=${word}`).join(", ")}`;
  }
  if (peer.nested && !rule.nested) return "the peer's user namespace is nested";
  if (actsOnNetwork(delegation) && !rule.hostNetwork && !peer.ownsNetwork) {
    return "the peer's user namespace does not own its network namespace";
  }
  return undefined;
}

/** Returns whether a rule's `who` matches a peer. */
export function isFor(
  rule: PolicyRule,
  peer: Pick<PeerFacts, "owner" | "uid" | "cgroup" | "nested" | "initial">,
): boolean {
  return !peer.initial && (rule.nested || !peer.nested) && fits(rule.who, peer);
}

function fits(who: PolicyWho, peer: Pick<PeerFacts, "owner" | "uid" | "cgroup">): boolean {
  if (who.owner !== undefined && !who.owner.includes(peer.owner)) return false;
  if (who.uid !== undefined && !who.uid.includes(peer.uid)) return false;
  if (who.cgroup === undefined) return true;
  if (peer.cgroup === undefined) return false;
  if (!who.cgroup.endsWith("/*")) return peer.cgroup === who.cgroup;
  const parent = who.cgroup.slice(0, -1);
  return peer.cgroup.startsWith(parent) && peer.cgroup.length > parent.length;
}

/** Returns whether a program type acts in its holder's network namespace, owned or not. */
function actsOnNetwork({ programs }: DelegationMasks): boolean {
  for (let number = 0; number < 64; number++) {
    const type = (programs >> BigInt(number) & 1n) === 0n ? "unspec" : programTypeName(number);
    if (type === undefined) return true;
    if (type !== "unspec" && programAttaches(type, undefined) === "network-namespaces") return true;
  }
  return false;
}

/** Reads what the schema allows, and refuses everything else. */
class PolicyReader {
  readonly #file: string;
  readonly #planObject: PlanObject;

  constructor(file: string, planObject: PlanObject) {
    this.#file = file;
    this.#planObject = planObject;
  }

  policy(json: JsonValue): Policy {
    const object = this.#object(json, "the policy", ["$schema", "version", "rules", "limits"]);
    const { $schema = "" } = object;
    if (typeof $schema !== "string") throw this.#wrong("$schema", "must be a string");
    if (object["version"] !== POLICY_VERSION) throw this.#wrongVersion(object["version"]);
    const rules = this.#array(object["rules"], "rules").map((rule, index) =>
      this.#rule(rule, `rules[${index}]`)
    );
    return { rules, limits: this.#limits(object["limits"]) };
  }

  #rule(json: JsonValue, place: string): PolicyRule {
    const keys = [
      "name",
      "who",
      "objects",
      "delegate",
      "trustsHolderTo",
      "hostNetwork",
      "nested",
      "guard",
    ];
    const rule = this.#object(json, place, keys);
    const { name, objects = [], delegate = {} } = rule;
    if (typeof name !== "string" || name === "") {
      throw this.#wrong(`${place}.name`, "must be a string");
    }
    const who = this.#who(rule["who"], `${place}.who`);
    let delegation = Delegation.none;
    for (const path of this.#array(objects, `${place}.objects`)) {
      if (typeof path !== "string") {
        throw this.#wrong(`${place}.objects`, "must be a list of paths");
      }
      delegation = delegation.union(this.#planObject(path));
    }
    delegation = delegation.union(this.#words(delegate, `${place}.delegate`));
    if (delegation.empty) {
      throw this.#wrong(place, "grants nothing: list objects, or values to delegate");
    }
    if (rule["guard"] !== undefined) {
      throw this.#wrong(
        `${place}.guard`,
        "is reserved for limits by BPF LSM, which this version does not support",
      );
    }
    const holder = holderAccess(delegation);
    this.#trust(rule["trustsHolderTo"], holder, place);
    return {
      name,
      who,
      delegation,
      holder,
      hostNetwork: this.#flag(rule["hostNetwork"], `${place}.hostNetwork`),
      nested: this.#flag(rule["nested"], `${place}.nested`),
    };
  }

  /** Requires the trust sentence exactly where the rule grants what cannot be limited. */
  #trust(json: JsonValue | undefined, { reads }: HolderAccess, place: string): void {
    const needed = reads.memory === "host";
    if (needed && json !== TRUST) {
      throw this.#wrong(
        place,
        `grants prog_load, with which its holder can read the host's kernel memory; if you trust the ` +
          `holder, add "trustsHolderTo": ${JSON.stringify(TRUST)}`,
      );
    }
    if (!needed && json !== undefined) {
      throw this.#wrong(`${place}.trustsHolderTo`, "is not needed: the rule grants no prog_load");
    }
  }

  #wrongVersion(version: JsonValue | undefined): SkepError {
    return this.#wrong(
      "version",
      version === 1
        ? `is 1, and this version reads ${POLICY_VERSION}: remove "reach" from each rule (a token does not ` +
          `limit how far its holder reaches), add "trustsHolderTo": ${
            JSON.stringify(TRUST)
          } to the ` +
          `rules that give prog_load, and set "version": ${POLICY_VERSION}`
        : `must be ${POLICY_VERSION}`,
    );
  }

  #who(json: JsonValue | undefined, place: string): PolicyWho {
    const who = this.#object(json ?? null, place, ["owner", "uid", "cgroup"]);
    const cgroup = who["cgroup"];
    if (cgroup !== undefined && (typeof cgroup !== "string" || !cgroup.startsWith("/"))) {
      throw this.#wrong(`${place}.cgroup`, "must be an absolute path");
    }
    const owner = this.#uids(who["owner"], `${place}.owner`);
    const uid = this.#uids(who["uid"], `${place}.uid`);
    if (owner === undefined && uid === undefined && cgroup === undefined) {
      throw this.#wrong(place, "must have an owner, a uid or a cgroup");
    }
    return {
      owner,
      uid,
      cgroup,
    };
  }

  #uids(json: JsonValue | undefined, place: string): number[] | undefined {
    if (json === undefined) return undefined;
    return this.#array(json, place).map((uid) => {
      if (typeof uid === "number" && Number.isInteger(uid) && uid >= 0 && uid < 2 ** 32) return uid;
      throw this.#wrong(place, "must be a list of uids");
    });
  }

  #words(json: JsonValue, place: string): Delegation {
    const words = this.#object(json, place, DELEGATION_SETS);
    try {
      return Delegation.of(Object.fromEntries(DELEGATION_SETS.map((set) => {
        const { [set]: value = [] } = words;
        return [set, value === "any" ? "any" : this.#texts(value, `${place}.${set}`)];
      })));
    } catch (error) {
      throw error instanceof SkepError ? this.#wrong(place, error.why) : error;
    }
  }

  #limits(json: JsonValue | undefined): PolicyLimits {
    const keys = ["connections", "requestsPerMinute", "timeout"] as const;
    const limits = this.#object(json === undefined ? {} : json, "limits", keys);
    const read = (key: typeof keys[number]): number => {
      const { [key]: value = DEFAULT_LIMITS[key] } = limits;
      if (typeof value !== "number" || !Number.isInteger(value) || value < 1 || value > 100_000) {
        throw this.#wrong(`limits.${key}`, "must be an integer from 1 to 100000");
      }
      return value;
    };
    return {
      connections: read("connections"),
      requestsPerMinute: read("requestsPerMinute"),
      timeout: read("timeout"),
    };
  }

  #flag(json: JsonValue | undefined, place: string): boolean {
    if (json === undefined) return false;
    if (typeof json === "boolean") return json;
    throw this.#wrong(place, "must be true or false");
  }

  #object(
    json: JsonValue,
    place: string,
    keys: readonly string[],
  ): { readonly [key: string]: JsonValue } {
    if (typeof json !== "object" || json === null || Array.isArray(json)) {
      throw this.#wrong(place, "must be an object");
    }
    for (const key of Object.keys(json)) {
      if (!keys.includes(key)) {
        throw this.#wrong(place, `has no "${key}"; it may have ${keys.join(", ")}`);
      }
    }
    return json as { readonly [key: string]: JsonValue };
  }

  #texts(json: JsonValue, place: string): readonly string[] {
    return this.#array(json, place).map((text) => {
      if (typeof text === "string") return text;
      throw this.#wrong(place, "must be a list of names");
    });
  }

  #array(json: JsonValue | undefined, place: string): readonly JsonValue[] {
    if (Array.isArray(json)) return json as readonly JsonValue[];
    throw this.#wrong(place, "must be a list");
  }

  #wrong(place: string, why: string): SkepError {
    return new SkepError({
      doing: "read policy",
      subject: this.#file,
      why: `${place} ${why}`,
      stage: "usage",
    });
  }
}
