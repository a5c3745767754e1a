export * from './errors.ts';
export * from './crypto/constant-time-equal.ts';
export type { NatCrypto } from './crypto/crypto.port.ts';
export type {
  FilteringReport,
  MappingReport,
  NatBehaviourReport,
  PortAllocationReport,
} from './discovery/behaviour-report.ts';
export type { DiscoverySocket } from './discovery/discovery-probe.ts';
export * from './discovery/nat-discovery.ts';
export type { EndpointDependence } from './net/endpoint-dependence.ts';
export type { CandidateBase, CandidateKind, IceCandidate, LocalCandidate } from './ice/candidate.ts';
export * from './ice/candidate-foundation.ts';
export * from './ice/candidate-priority.ts';
export * from './ice/ice-agent.ts';
export type { IceCredentials } from './ice/ice-credentials.ts';
export type * from './ice/ice-io.ts';
export { DEFAULT_ICE_LIMITS, type IceLimits } from './ice/ice-limits.ts';
export type { IceRole } from './ice/ice-role.ts';
export { FRESH_PORTS_MS } from './ice/hard-nat/probing.ts';
export { isConclusive } from './ice/hard-nat/traversal-plan.ts';
export type { NatReport, RemoteNetwork } from './ice/remote-network.ts';
export * from './ice/reflexive-query.ts';
export {
  decodeFlowControl,
  encodeFlowControl,
  encodeRelayData,
  FlowFrameType,
  looksLikeFlowFrame,
  RELAY_HEADER_BYTES,
} from './flow/flow-frame.ts';
export { DEFAULT_FLOW_LIMITS, type FlowLimits } from './flow/flow-limits.ts';
export * from './flow/flow-registration.ts';
export type * from './flow/flow-server-types.ts';
export { FlowServer } from './flow/flow-server.ts';
export * from './net/five-tuple.ts';
export * from './net/ip-address.ts';
export * from './net/source-prefix.ts';
export * from './net/transport-address.ts';
export type { MappingProtocol, PortMappingDrop } from './port-mapping/mapping-dialect.ts';
export * from './port-mapping/port-mapping-client.ts';
export type { Core } from './time/core.ts';
export * from './time/instant.ts';
export * from './stun/attribute-type.ts';
export * from './stun/attributes/address.ts';
export type {
  AttributeCodec,
  AttributeFailure,
  AttributeFailureReason,
  AttributeResult,
} from './stun/attributes/attribute-codec.ts';
export * from './stun/attributes/behaviour.ts';
export * from './stun/attributes/error.ts';
export * from './stun/attributes/ice.ts';
export * from './stun/attributes/opaque.ts';
export * from './stun/attributes/password-algorithm.ts';
export { AlternateDomain, Nonce, Realm, Software, Username } from './stun/attributes/text.ts';
export * from './stun/attributes/turn.ts';
export * from './stun/client-transaction.ts';
export * from './stun/credentials.ts';
export * from './stun/error-code.ts';
export { verifyFingerprint } from './stun/fingerprint.ts';
export * from './stun/integrity.ts';
export * from './stun/message.ts';
export * from './stun/message-builder.ts';
export * from './stun/message-type.ts';
export * from './stun/nonce-cookie.ts';
export * from './stun/reply-budget.ts';
export * from './stun/server-addresses.ts';
export * from './stun/stun-server.ts';
export * from './stun/transaction-id.ts';
export * from './turn/channel-data.ts';
export * from './turn/client/turn-client.ts';
export type * from './turn/client/turn-client-types.ts';
export * from './turn/connection-limit.ts';
export * from './turn/credentials.ts';
export * from './turn/policy/ip-prefix.ts';
export * from './turn/policy/peer-policy.ts';
export { isSpecialPurpose, SPECIAL_PURPOSE_RANGES } from './turn/policy/special-purpose.ts';
export * from './turn/server/turn-server.ts';
export type * from './turn/server/turn-server-types.ts';
