import type {
  CallDirection,
  CallEndCause,
  CallMedia,
  CallOutcome,
  CallTransition,
  DeviceId,
  SessionId,
  UserId,
} from '@parley/protocol';
import type { EdgeClientError } from '../errors.ts';
import type { Session } from '../session/session.ts';
import type { VoiceStatistics } from '../voice/voice-statistics.ts';
import type { CallVoice, CallVoiceOptions, PcmListener } from './call-voice.ts';

/** A change of a call, after the state table of the protocol. */
export interface CallChange extends CallTransition {
  /** Milliseconds since the call began here. */
  readonly atMs: number;
}

/** How a call ended and how long each part of it took, in milliseconds since it began here. */
export interface CallEnd {
  readonly cause: CallEndCause;
  /** What it was to the user; null when it goes on elsewhere. */
  readonly outcome: CallOutcome | null;
  /** Why, when it was neither side's wish. */
  readonly error: EdgeClientError | undefined;
  /** The peer's call that goes on instead: both called each other at once. */
  readonly replacedBy: Call | undefined;
  readonly rangMs: number | undefined;
  readonly answeredMs: number | undefined;
  readonly connectedMs: number | undefined;
  /** From the first media to the end; 0 when there were none. */
  readonly durationMs: number;
  readonly voice: VoiceStatistics | undefined;
}

export interface CallEvents {
  readonly state: CallChange;
  /** Of outgoing calls: a device of the callee rings. */
  readonly ringing: { readonly deviceId: DeviceId };
}

/** One call as this device takes part in it. */
export interface Call {
  readonly id: SessionId;
  readonly direction: CallDirection;
  readonly media: readonly CallMedia[];
  /** The device is known once it answered. */
  readonly peer: { readonly userId: UserId; readonly deviceId: DeviceId | undefined };
  readonly state: CallTransition['to'];
  readonly voice: CallVoice;
  /** Streams and datagrams with the other end, once the call is active. */
  readonly session: Session | undefined;
  /** The call that talks: this one, or the peer's that took its place. Rejects with why there is none. */
  readonly connected: Promise<Call>;
  /** Never rejects. */
  readonly ended: Promise<CallEnd>;
  on<Name extends keyof CallEvents>(name: Name, listener: (event: CallEvents[Name]) => void): () => void;
  /** Every change from now on, until the end. */
  states(): AsyncIterableIterator<CallChange, undefined>;
  /** Says this PCM, mono at the rate of the call, in pieces of any length. Resolves when it was sent or the call is over. */
  playPcm(pcm: Int16Array | AsyncIterable<Int16Array>): Promise<void>;
  /** Hears the other end in frames of 20 ms. Returns the way to stop. */
  recordPcm(listener: PcmListener): () => void;
  /** Ends it, wherever it stands: takes it back, declines it for all devices, or hangs up. Harmless when it is over. */
  hangUp(): Promise<void>;
}

export type OutgoingCall = Call;

/** A call that rings here. */
export interface IncomingCall extends Call {
  /** Resolves when the other end is connected. @throws EDGE_ANSWERED_ELSEWHERE, EDGE_CALL_OVER, EDGE_PATH_FAILED, … */
  accept(options?: CallVoiceOptions): Promise<Call>;
  /** Declines for all devices of the user; as `busy` for this one, and for the caller once no other can answer. */
  reject(reason?: 'rejected' | 'busy'): Promise<void>;
}
