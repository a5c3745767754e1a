import type { CallEndCause } from '@parley/protocol';
import { asEdgeError, edgeError, EdgeClientError } from '../errors.ts';
import type { IncomingSession } from '../rendezvous/incoming-session.ts';
import type { CallContext } from './call-context.ts';
import { CallLeg } from './call-leg.ts';
import type { CallVoice, CallVoiceOptions } from './call-voice.ts';
import type { Call, IncomingCall } from './call.ts';

/** Whether this device rings now. `later`: the supernode could not be told; `over`: another device or the end was first. */
export type RingResult = 'rings' | 'later' | 'over';

/** A call that another user makes to this device. */
export class IncomingLeg extends CallLeg implements IncomingCall {
  readonly #incoming: IncomingSession;
  #accepting: Promise<Call> | undefined;

  constructor(context: CallContext, incoming: IncomingSession, voice: CallVoice) {
    super(context, {
      id: incoming.sessionId,
      direction: 'incoming',
      media: incoming.call?.media ?? [],
      voice,
    });
    this.#incoming = incoming;
    void incoming.ended.then((reason) => {
      if (reason === 'client-closed') this.apply('cancel', edgeError('EDGE_CLIENT_CLOSED'));
      else this.endedByServer(reason);
    });
  }

  get peer(): Call['peer'] {
    return this.#incoming.from;
  }

  /** Whether the user of this device decided to talk. */
  get isTaken(): boolean {
    return this.#accepting !== undefined;
  }

  /** Tells the caller that this device rings, and makes everything ready that may be ready before the user decides. */
  async ring(): Promise<RingResult> {
    try {
      await this.context.signalling.request('session.ringing', { sessionId: this.id });
    } catch (thrown) {
      const error = asEdgeError(thrown, 'EDGE_CONNECTION_LOST');
      if (error.retryable) return 'later';
      return 'over';
    }
    if (!this.apply('ring')) return 'over';
    this.#incoming.prepare();
    // The codec that failed to load fails again, and is reported, when the call is active.
    this.voice.prepare().catch(() => undefined);
    return 'rings';
  }

  override async forgotten(): Promise<void> {
    if (this.state !== 'ringing' || this.isTaken) return;
    try {
      await this.context.signalling.request('session.ringing', { sessionId: this.id });
    } catch (thrown) {
      // Where it could not be asked, the offer ends when it expires.
      if (!asEdgeError(thrown, 'EDGE_CONNECTION_LOST').retryable) this.#incoming.over('cancelled');
    }
  }

  accept(options: CallVoiceOptions = {}): Promise<Call> {
    if (this.#accepting) return this.#accepting;
    if (this.state === 'ended') return Promise.reject(edgeError('EDGE_CALL_OVER'));
    this.voice.configure(options);
    this.#accepting = this.#accept();
    return this.#accepting;
  }

  async reject(reason: 'rejected' | 'busy' = 'rejected'): Promise<void> {
    if (this.isTaken || !this.apply(reason === 'busy' ? 'busy' : 'reject')) {
      throw edgeError('EDGE_CALL_OVER');
    }
    await this.#incoming.reject(reason);
  }

  /** As `reject`, by the client itself: where the supernode is away, the offer ends when it expires. */
  async decline(): Promise<void> {
    await this.reject('busy').catch(ignoreTyped);
  }

  /** Goes on for an own call that crossed this one: what its user says and hears is the same. */
  takeOver(voice: CallVoice): void {
    this.adopt(voice);
  }

  async hangUp(): Promise<void> {
    if (this.state === 'ended') return;
    if (!this.isTaken) await this.reject().catch(ignoreTyped);
    else if (this.state === 'accepted' || this.state === 'active') await this.endAnswered();
    else await this.#hangUpOnceAnswered();
  }

  /** What was taken is let go of here; what was declined has ended by itself. */
  protected override release(_cause: CallEndCause): void {
    if (this.isTaken) this.#incoming.over('cancelled');
  }

  async #accept(): Promise<Call> {
    try {
      const session = await this.context.sessions.acceptCall(this.#incoming, () => this.apply('accept'));
      this.carry(session);
    } catch (thrown) {
      this.#failed(asEdgeError(thrown, 'EDGE_PATH_FAILED'));
    }
    return this.connected;
  }

  #failed(error: EdgeClientError): void {
    if (this.state === 'ended') return;
    if (this.state === 'accepted') this.failAccepted(error);
    else if (error.code === 'SESSION_TAKEN') this.apply('answered-elsewhere');
    else if (error.code === 'SESSION_UNKNOWN') this.apply('cancel');
    // Without an acknowledgement our answer may have been taken all the same: then the caller waits for us.
    else if (this.apply('cancel', error)) void this.context.endings.tell(this.id, 'failed');
  }

  /** Our answer is on its way: the call can be hung up as soon as it was taken. */
  async #hangUpOnceAnswered(): Promise<void> {
    for await (const { to } of this.states()) if (to === 'accepted') await this.endAnswered();
  }
}

/** The call is over here; elsewhere it ends when it expires. */
function ignoreTyped(thrown: unknown): void {
  if (!(thrown instanceof EdgeClientError)) throw thrown;
}
