/**
 * A daemon that issues tokens by a policy.
 *
 * Imports: uapi, errors, object, plan, kernel, token/facts, token/protocol, token.
 *
 * @module
 */

export { DEFAULT_BROKER } from "../protocol/client.ts";
export {
  decide,
  type Decision,
  parsePolicy,
  type PeerFacts,
  type PlanObject,
  type Policy,
  POLICY_VERSION,
  type PolicyLimits,
  type PolicyRule,
  type PolicyWho,
  readPolicy,
  TRUST,
} from "./policy.ts";
export type { AuditSink } from "./audit.ts";
export { DescriptorSink } from "./audit_sink.ts";
export type { BrokerAddress } from "./broker_socket.ts";
export { type BrokerOptions, serveBroker } from "./server.ts";
export { type BrokerUser, chooseBrokerUser } from "./user.ts";
