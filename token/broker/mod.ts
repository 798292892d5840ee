/**
 * A daemon that hands out tokens by a policy, and its client.
 *
 * @module
 */

export { DEFAULT_BROKER } from "./client.ts";
export { withoutComments } from "./json_comments.ts";
export {
  decide,
  type Decision,
  parsePolicy,
  type PeerFacts,
  type PlanObject,
  type Policy,
  type PolicyLimits,
  type PolicyRule,
  type PolicyWho,
  reachOf,
} from "./policy.ts";
export { type BrokerOptions, serveBroker } from "./server.ts";
