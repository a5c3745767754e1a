export {
  accepted,
  acknowledgementSchema,
  refused,
  wireErrorSchema,
  type Acknowledgement,
  type WayOut,
  type WireError,
} from './acknowledgement.ts';
export {
  callOutcome,
  settledCallRecord,
  type CallDirection,
  type CallEndCause,
  type CallOutcome,
  type CallRecord,
} from './calls/call-record.ts';
export {
  CALL_STATES,
  CALL_TRANSITIONS,
  callTransition,
  causeOfSessionEnd,
  type CallCause,
  type CallState,
  type CallTransition,
} from './calls/call-state.ts';
export { glareWinner } from './calls/glare.ts';
export { decodeBase64url, encodeBase64url } from './encoding/base64url.ts';
export { WIRE_ERROR_CODES, WIRE_ERRORS, type WireErrorCode } from './error-code.ts';
export {
  CLIENT_REQUESTS,
  eventMetaSchema,
  SERVER_EVENTS,
  type ClientRequestName,
  type ClientToServerEvents,
  type EventMeta,
  type EventOf,
  type RequestAudience,
  type RequestInputOf,
  type RequestOf,
  type ResponseOf,
  type ServerEventName,
  type ServerToClientEvents,
} from './events.ts';
export { flightHashInput } from './flight.ts';
export {
  DEFAULT_TENANT,
  deviceIdSchema,
  handleSchema,
  sessionIdSchema,
  tenantIdSchema,
  userIdSchema,
  type DeviceId,
  type Handle,
  type SessionId,
  type TenantId,
  type UserId,
} from './ids.ts';
export { LIMITS } from './limits.ts';
export { decodeLinkCode, encodeLinkCode, type LinkCode } from './link-code.ts';
export type { Welcome } from './messages/account.ts';
export { CALL_DIRECTIONS, CALL_END_CAUSES, CALL_OUTCOMES } from './messages/calls.ts';
export { CONTACT_STATES, type Contact } from './messages/contacts.ts';
export type { DirectoryEntry } from './messages/directory.ts';
export type { Envelope, MailboxItem } from './messages/mailbox.ts';
export {
  PRESENCE_STATES,
  SETTABLE_PRESENCE,
  type Presence,
  type PresenceState,
} from './messages/presence.ts';
export type { FlowCredentials, RelayPairToken } from './messages/flow.ts';
export type { RelayCredentials } from './messages/relay.ts';
export { SESSION_END_REASONS } from './messages/rendezvous.ts';
export { leadingZeroBits, puzzleInput } from './puzzle.ts';
export { authenticationProofSchema, type AuthenticationProof } from './signed/authentication.ts';
export { CALL_MEDIA, callDescriptionSchema, type CallDescription, type CallMedia } from './signed/call.ts';
export { deviceListSchema, type DeviceList, type ListedDevice } from './signed/device-list.ts';
export { homesSchema, signedHomesSchema, type Homes } from './signed/homes.ts';
export {
  conversationIdInput,
  conversationIdSchema,
  messageIdSchema,
  messageSchema,
  type ConversationId,
  type Message,
  type MessageContent,
  type MessageId,
} from './signed/message.ts';
export {
  candidateSchema,
  natBehaviourSchema,
  type NatBehaviour,
  sessionAnswerSchema,
  sessionCandidatesSchema,
  sessionOfferSchema,
  type SessionAnswer,
  type SessionCandidates,
  type SessionOffer,
  type WireCandidate,
} from './signed/session.ts';
export {
  decodePayload,
  encodePayload,
  signedSchema,
  SIGNING_CONTEXTS,
  signingInput,
  type Signed,
  type SigningContext,
} from './signed/signed.ts';
export { negotiateVersion, PROTOCOL_VERSIONS, type ProtocolVersion } from './version.ts';
