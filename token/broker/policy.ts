/**
 * Who gets which token from a broker. What no rule gives is refused.
 *
 * @module
 */

import { type JsonValue, SkepError } from "../../errors/skep_error.ts";
import { programTypeName } from "../../uapi/enums.ts";
import { Delegation, DELEGATION_SETS, type DelegationMasks } from "../../plan/delegation.ts";
import { type HolderAccess, holderAccess } from "../../plan/holder.ts";
import { programAttaches } from "../../plan/program_types.ts";
import { parsePolicyText } from "./policy_text.ts";

/** Whom a rule is for: everything that is given has to hold. */
export interface PolicyWho {
  /** Uids, as the broker sees them, of which one owns the peer's user namespace. The right of the token is theirs too. */
  readonly owner?: readonly number[] | undefined;
  /** Uids, as the broker sees them, of which one is the peer's. */
  readonly uid?: readonly number[] | undefined;
  /** The peer's cgroup: a path, or one that ends in a slash and a star for all below. */
  readonly cgroup?: string | undefined;
}

/** A rule. */
export interface PolicyRule {
  /** For the audit log. */
  readonly name: string;
  /** Whom it is for. */
  readonly who: PolicyWho;
  /** The most that it gives. */
  readonly delegation: Delegation;
  /** What its holders can read and where they can attach: said in the audit, and trusted by the rule. */
  readonly holder: HolderAccess;
  /** Whether program types that act on a network are given to a peer whose network namespace its user namespace does not own. */
  readonly hostNetwork: boolean;
  /** Whether a user namespace within a user namespace is served. */
  readonly nested: boolean;
}

/** Bounds on what clients can make the broker do. */
export interface PolicyLimits {
  /** Connections at one time. */
  readonly connections: number;
  /** Requests of one account in a minute: of the owner of the outermost user namespace, or, where root owns it, of that namespace. */
  readonly requestsPerMinute: number;
  /** Seconds that a client may take for its request. */
  readonly timeout: number;
}

/** A policy, as the broker follows it. */
export interface Policy {
  /** In the order of the file; the first that fits is taken. */
  readonly rules: readonly PolicyRule[];
  /** Bounds. */
  readonly limits: PolicyLimits;
}

/** What the broker knows of a peer. */
export interface PeerFacts {
  /** Its pid, in the broker's pid namespace. */
  readonly pid: number;
  /** Its uid when it connected, in the broker's user namespace. */
  readonly uid: number;
  /** Its cgroup's path, when it has one. */
  readonly cgroup: string | undefined;
  /** Who owns its user namespace, in the broker's. */
  readonly owner: number;
  /** Inode of its user namespace. */
  readonly userNamespace: bigint;
  /** Whether that is the broker's own. */
  readonly initial: boolean;
  /** Whether it lies in another than the broker's. */
  readonly nested: boolean;
  /** Whether every process of its user namespace is in network namespaces that this user namespace owns. */
  readonly ownsNetwork: boolean;
}

/** What became of a request. */
export type Decision =
  | {
    readonly granted: true;
    readonly rule: PolicyRule;
    readonly delegation: Delegation;
  }
  | { readonly granted: false; readonly why: string };

/** The version of the schema that is read. */
export const POLICY_VERSION = 2;

/**
 * The sentence by which a rule trusts its holders. Any delegation with `prog_load` is this trust: the kernel
 * checks CAP_PERFMON in the holder's user namespace, and a token's descriptor can leave that namespace.
 */
export const TRUST =
  "read all memory of the host's kernel, and attach the given program types wherever a descriptor gets";

const DEFAULT_LIMITS: PolicyLimits = { connections: 64, requestsPerMinute: 60, timeout: 5 };

/** How objects named in a policy are turned into words: reads the file and plans. */
export type PlanObject = (path: string) => Delegation;

/**
 * Reads a policy: JSON, comments allowed, by the schema in `token/broker/policy.schema.json`.
 *
 * Throws a {@linkcode SkepError} that names the place for anything that the schema does not allow: a
 * mistyped key must not open a door.
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

/** As {@linkcode parsePolicy}, of the text's value. */
export function readPolicy(json: JsonValue, file: string, planObject: PlanObject): Policy {
  return new PolicyReader(file, planObject).policy(json);
}

/** Decides about a request: pure, so that it can be looked through and tested. */
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
  if (asked?.empty === true) return refuse("nothing was asked for");
  let why = "no rule is for this peer";
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
    return `it does not give ${missing.map(({ option, word }) => `${option}=${word}`).join(", ")}`;
  }
  if (peer.nested && !rule.nested) return "the peer's user namespace lies within another";
  if (actsOnNetwork(delegation) && !rule.hostNetwork && !peer.ownsNetwork) {
    return "the peer's user namespace does not own the network namespace that it is in";
  }
  return undefined;
}

/** Whether a rule is for a peer, whatever else it asks of it. */
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

/** Whether a program type acts in the network namespace that its holder is in, owned or not. */
function actsOnNetwork({ programs }: DelegationMasks): boolean {
  for (let number = 0; number < 64; number++) {
    const type = (programs >> BigInt(number) & 1n) === 0n ? "unspec" : programTypeName(number);
    if (type === undefined) return true;
    if (type !== "unspec" && programAttaches(type, undefined) === "network-namespaces") return true;
  }
  return false;
}

/** Reads what the schema allows and refuses everything else. */
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
    if (typeof $schema !== "string") throw this.#wrong("$schema", "has to be a text");
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
      throw this.#wrong(`${place}.name`, "has to be a text");
    }
    const who = this.#who(rule["who"], `${place}.who`);
    let delegation = Delegation.none;
    for (const path of this.#array(objects, `${place}.objects`)) {
      if (typeof path !== "string") {
        throw this.#wrong(`${place}.objects`, "has to be a list of paths");
      }
      delegation = delegation.union(this.#planObject(path));
    }
    delegation = delegation.union(this.#words(delegate, `${place}.delegate`));
    if (delegation.empty) {
      throw this.#wrong(place, "gives nothing: name objects, or words to delegate");
    }
    if (rule["guard"] !== undefined) {
      throw this.#wrong(
        `${place}.guard`,
        "is reserved for limits by BPF LSM, which this version lacks",
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

  /** What cannot be enforced has to be trusted in so many words, and only where it is given. */
  #trust(json: JsonValue | undefined, { reads }: HolderAccess, place: string): void {
    const needed = reads.memory === "host";
    if (needed && json !== TRUST) {
      throw this.#wrong(
        place,
        `gives prog_load, with which its holder can read the host's kernel memory; if you trust whom it ` +
          `is for, add "trustsHolderTo": ${JSON.stringify(TRUST)}`,
      );
    }
    if (!needed && json !== undefined) {
      throw this.#wrong(`${place}.trustsHolderTo`, "is not needed: the rule gives no prog_load");
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
        : `has to be ${POLICY_VERSION}`,
    );
  }

  #who(json: JsonValue | undefined, place: string): PolicyWho {
    const who = this.#object(json ?? null, place, ["owner", "uid", "cgroup"]);
    const cgroup = who["cgroup"];
    if (cgroup !== undefined && (typeof cgroup !== "string" || !cgroup.startsWith("/"))) {
      throw this.#wrong(`${place}.cgroup`, "has to be a path that begins with /");
    }
    const owner = this.#uids(who["owner"], `${place}.owner`);
    const uid = this.#uids(who["uid"], `${place}.uid`);
    if (owner === undefined && uid === undefined && cgroup === undefined) {
      throw this.#wrong(place, "has to name an owner, a uid or a cgroup");
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
      throw this.#wrong(place, "has to be a list of uids");
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
        throw this.#wrong(`limits.${key}`, "has to be a whole number from 1 to 100000");
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
    throw this.#wrong(place, "has to be true or false");
  }

  #object(
    json: JsonValue,
    place: string,
    keys: readonly string[],
  ): { readonly [key: string]: JsonValue } {
    if (typeof json !== "object" || json === null || Array.isArray(json)) {
      throw this.#wrong(place, "has to be an object");
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
      throw this.#wrong(place, "has to be a list of names");
    });
  }

  #array(json: JsonValue | undefined, place: string): readonly JsonValue[] {
    if (Array.isArray(json)) return json as readonly JsonValue[];
    throw this.#wrong(place, "has to be a list");
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
