import type { CallEndCause, CallMedia, SessionId, UserId } from '@parley/protocol';
import { asEdgeError, edgeError, type EdgeClientError, type ErrorCode } from '../errors.ts';
import { newSessionId, type OutgoingSession, type PathPolicy } from '../rendezvous/outgoing-session.ts';
import type { SessionTarget } from '../rendezvous/sessions.ts';
import type { CallContext } from './call-context.ts';
import { CallLeg } from './call-leg.ts';
import type { CallVoice } from './call-voice.ts';
import type { Call, OutgoingCall } from './call.ts';
import type { IncomingLeg } from './incoming-leg.ts';

export interface ProposalOptions {
  readonly media: readonly CallMedia[];
  readonly policy: PathPolicy;
  readonly ringMs: number;
  readonly voice: CallVoice;
}

/** A call that this device makes. */
export class OutgoingLeg extends CallLeg implements OutgoingCall {
  readonly #target: SessionTarget;
  readonly #options: ProposalOptions;
  #answeredBy: Call['peer'] | undefined;
  #outgoing: OutgoingSession | undefined;
  #yieldedTo: IncomingLeg | undefined;

  constructor(context: CallContext, target: SessionTarget, options: ProposalOptions) {
    const { media, voice } = options;
    super(context, { id: newSessionId(), direction: 'outgoing', media, voice });
    this.#target = target;
    this.#options = options;
  }

  get peer(): Call['peer'] {
    if (this.#answeredBy) return this.#answeredBy;
    const target = this.#target;
    return typeof target === 'string'
      ? { userId: target, deviceId: undefined }
      : { userId: target.userId, deviceId: target.deviceId };
  }

  /** Whether the callee may still answer, so that a call of its own would cross this one. */
  isOpenTo(userId: UserId): boolean {
    return this.peer.userId === userId && (this.state === 'proposed' || this.state === 'ringing');
  }

  /** Offers the call to the callee's devices. */
  async propose(): Promise<void> {
    const { media, policy, ringMs } = this.#options;
    try {
      const outgoing = await this.context.sessions.prepare(this.#target, {
        id: this.id,
        policy,
        timeoutMs: ringMs,
        call: {
          description: { media: [...media] },
          onRinging: ({ deviceId }) => {
            this.apply('ring');
            this.events.emit('ringing', { deviceId });
          },
          onAnswered: (device) => {
            this.#answeredBy = device;
            this.apply('accept');
          },
        },
      });
      if (this.state === 'ended') return;
      this.#outgoing = outgoing;
      void this.#prepareVoice();
      const { session } = await this.context.sessions.run(outgoing);
      this.carry(session);
    } catch (thrown) {
      this.#failed(asEdgeError(thrown, 'EDGE_PATH_FAILED'));
    }
  }

  override forgotten(): void {
    if (this.#outgoing) this.apply('cancel', edgeError('EDGE_CONNECTION_LOST'));
  }

  async hangUp(): Promise<void> {
    if (this.#yieldedTo) await this.#yieldedTo.hangUp();
    else if (!this.apply('cancel')) await this.endAnswered();
  }

  /** The callee called us at the same time and its call is the one that goes on: it takes over, voice and all. */
  yieldTo(winner: IncomingLeg): void {
    this.#yieldedTo = winner;
    this.apply('glare-yield');
  }

  protected override get replacement(): Call | undefined {
    return this.#yieldedTo;
  }

  protected override release(cause: CallEndCause): void {
    const yieldsTo: SessionId | undefined = this.#yieldedTo?.id;
    if (cause === 'cancel' || cause === 'glare-yield') this.#outgoing?.withdraw(yieldsTo);
    else this.#outgoing?.abandon(edgeError('EDGE_CALL_OVER'));
  }

  /** The codec that failed to load fails again, and is reported, when the call is active. */
  #prepareVoice(): Promise<void> {
    return this.voice.prepare().catch(() => undefined);
  }

  #failed(error: EdgeClientError): void {
    if (this.state === 'ended') return;
    if (this.state === 'accepted') {
      this.failAccepted(error);
      return;
    }
    const cause = CAUSES[error.code] ?? 'cancel';
    // What cannot be in this state any more is a call that this end gives up.
    if (!this.apply(cause, error)) this.apply('cancel', error);
  }
}

/** What a failed offer was to the call. */
const CAUSES: Partial<Record<ErrorCode, CallEndCause>> = {
  PEER_UNAVAILABLE: 'unavailable',
  EDGE_PEER_NO_ANSWER: 'expire',
  EDGE_PEER_REJECTED: 'reject',
  EDGE_PEER_BUSY: 'busy',
};
