import type { ClientClock } from '../client/client-clock.ts';
import type { DropCounter } from '../client/drop-counter.ts';
import type { Sessions } from '../rendezvous/sessions.ts';
import type { Signalling } from '../signalling/signalling.ts';
import type { OpusCodec } from '../voice/opus-codec.ts';
import type { CallEndings } from './call-endings.ts';

/** Why something of a call was passed over. */
export type CallDropReason =
  /** A call by another user has the id of one that goes on. */
  | 'id-in-use'
  | 'glare-lost-by-peer'
  | 'nobody-listens'
  | 'over-before-ringing'
  | 'lost-though-heard'
  | 'ending-not-told'
  | 'impossible-end';

/** What all calls of a client share. */
export interface CallContext {
  readonly signalling: Signalling;
  readonly sessions: Sessions;
  readonly endings: CallEndings;
  readonly clock: ClientClock;
  readonly codec: OpusCodec;
  readonly drops: DropCounter<CallDropReason>;
}
