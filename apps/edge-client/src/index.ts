export { EdgeClient } from './client/edge-client.ts';
export type { ClientDrops, ClientIdentity, EdgeClientEvents, VerifiedDevices } from './client/edge-client.ts';
export type { ClientClock } from './client/client-clock.ts';
export type { EdgeClientOptions } from './client/client-options.ts';
export {
  receiveFile,
  sendFile,
  type FileOffer,
  type FileProgress,
  type ReceivedFile,
  type ReceiveFileOptions,
  type SendFileOptions,
  type SentFile,
} from './client/file-transfer.ts';
export type { CallDropReason } from './calls/call-context.ts';
export type { CallHistoryOptions } from './calls/call-history.ts';
export type { CallVoice, CallVoiceOptions, PcmListener } from './calls/call-voice.ts';
export type { Call, CallChange, CallEnd, CallEvents, IncomingCall, OutgoingCall } from './calls/call.ts';
export type { CallOptions, Calls } from './calls/calls.ts';
export type { Contacts } from './contacts/contacts.ts';
export type { Directory, SearchPage } from './directory/directory.ts';
export type { AnnounceOptions, ResourceName, Resources } from './directory/resources.ts';
export { EDGE_ERRORS, EdgeClientError, type EdgeErrorCode, type ErrorCode } from './errors.ts';
export type { DocumentName, DocumentOf } from './identity/identity-format.ts';
export { MemoryIdentityStore, type IdentityStore } from './identity/identity-store.ts';
export type { LinkInvitation } from './identity/linking.ts';
export type { PuzzleProgress } from './identity/puzzle-solver.ts';
export type { Recovery } from './identity/recovery.ts';
export type { RegisterOptions, Registration } from './identity/registration.ts';
export type {
  ChatMessage,
  DeviceReceipt,
  HistoryMessage,
  MessageStatus,
  ReceivedMessage,
} from './messages/chat-message.ts';
export { FileMessageStore } from './messages/file-message-store.ts';
export type { CatchUp } from './messages/mailbox.ts';
export { MemoryMessageStore } from './messages/memory-message-store.ts';
export type { MessageRequests } from './messages/message-requests.ts';
export type { HistoryQuery, MessageStore, StoreChange, WorkingState } from './messages/message-store.ts';
export type {
  HistoryOptions,
  MessageEvents,
  MessageReceipt,
  Messages,
  StatusChange,
} from './messages/messages.ts';
export type { DeviceReceiptTime, SentMessage } from './messages/sent-tracker.ts';
export type { MessageKey, OrderKey, StoredMessage } from './messages/stored-message.ts';
export type { NetcheckOptions, NetcheckReport, NetcheckStep } from './netcheck/netcheck.ts';
export type { CrossCheck } from './netcheck/reflexive-cross-check.ts';
export type { RelayCheck, TlsRelayCheck } from './netcheck/relay-check.ts';
export type { PresenceSetting, PresenceWatch } from './presence/presence-watch.ts';
export type { GatewayCheck } from './port-mapping/gateway-check.ts';
export type { TlsOptions, UdpOptions } from './rendezvous/client-endpoint.ts';
export type { RequestEnd, SessionRequest } from './rendezvous/incoming-session.ts';
export type { PathPolicy } from './rendezvous/outgoing-session.ts';
export type { AutoAccept, OpenSessionOptions, Sessions, SessionTarget } from './rendezvous/sessions.ts';
export type { Party } from './rendezvous/signed-session.ts';
export type { SessionPath, SessionRelays } from './session/datagram-path.ts';
export type { PathChange } from './session/path-history.ts';
export type { SessionStream } from './session/session-stream.ts';
export type { PathListener, Session, SessionClosure, SessionStats } from './session/session.ts';
export type { BackoffOptions } from './signalling/backoff.ts';
export type { ConnectionCause, ConnectionChange, ConnectionState } from './signalling/connection-state.ts';
export { WavSink, WavSource } from './voice/wav-audio.ts';
export type { VoiceSink, VoiceSource } from './voice/voice-driver.ts';
export type { VoiceStatistics } from './voice/voice-statistics.ts';
export type { NatBehaviourReport, TransportAddress } from '@parley/nat';
export type {
  CallCause,
  CallMedia,
  CallOutcome,
  CallRecord,
  CallState,
  Contact,
  ConversationId,
  DeviceId,
  DirectoryEntry,
  Handle,
  MessageId,
  Presence,
  PresenceState,
  SessionId,
  TenantId,
  UserId,
} from '@parley/protocol';
