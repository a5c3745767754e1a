import {
  callTransition,
  causeOfSessionEnd,
  glareWinner,
  LIMITS,
  type CallCause,
  type CallState,
  type EventOf,
  type SessionId,
} from '@parley/protocol';
import type { RecordedEvent } from '../../gateway/testing/recording-notifier.ts';
import { EXPIRY_MS, type RendezvousWorld } from './rendezvous-world.ts';
import type { SigningCaller } from './signed-halves.ts';

/** Faults that can be planted, to see that the model finds them. */
export type CallFault = 'answers-twice' | 'rings-after-the-end' | 'never-yields';

interface Leg {
  state: CallState;
  readonly side: 'caller' | 'callee';
  readonly peer: SigningCaller;
  readonly startedAt: number;
}

type Arrival =
  | RecordedEvent
  | { readonly event: 'accepted' | 'refused'; readonly sessionId: SessionId; readonly code?: string };

/**
 * A device that calls and is called by the rules of docs/architecture/calls.md. What arrives waits in its inbox until the
 * test delivers it, in whatever order, or loses it; answers of the supernode to its own requests wait there too.
 */
export class CallDevice {
  readonly legs = new Map<SessionId, Leg>();
  readonly inbox: Arrival[] = [];
  /** Sessions whose answer by this device the supernode took. */
  readonly answered = new Set<SessionId>();
  readonly violations: string[] = [];
  private readonly over = new Set<SessionId>();
  private killedAt: number | undefined;

  constructor(
    readonly self: SigningCaller,
    private readonly world: RendezvousWorld,
    private readonly everybody: readonly SigningCaller[],
    private readonly fault: CallFault | undefined,
  ) {}

  async call(sessionId: SessionId, callee: readonly SigningCaller[]): Promise<void> {
    if (this.killedAt !== undefined) return;
    if ([...this.legs.values()].some(({ state }) => state !== 'ended')) return;
    this.legs.set(sessionId, {
      state: 'proposed',
      side: 'caller',
      peer: callee[0]!,
      startedAt: this.world.time.now(),
    });
    await this.world.call(this.self, [...callee], sessionId);
  }

  async deliver(at: number): Promise<void> {
    const [arrival] = this.inbox.splice(at, 1);
    if (!arrival || this.killedAt !== undefined) return;
    if ('payload' in arrival) await this.hear(arrival);
    else if (arrival.event === 'accepted') this.change(arrival.sessionId, 'accept');
    else this.change(arrival.sessionId, arrival.code === 'SESSION_TAKEN' ? 'answered-elsewhere' : 'cancel');
  }

  async accept(): Promise<void> {
    const [sessionId, leg] = this.find('callee', ['ringing']) ?? [];
    if (sessionId && leg) await this.answer(sessionId, leg.peer);
  }

  async decline(reason: 'rejected' | 'busy'): Promise<void> {
    const [sessionId] = this.find('callee', ['ringing']) ?? [];
    if (!sessionId) return;
    this.change(sessionId, reason === 'busy' ? 'busy' : 'reject');
    await this.tell(() => this.world.service.reject(this.self, { sessionId, reason }));
  }

  async hangUp(): Promise<void> {
    const [sessionId, leg] =
      this.find(undefined, ['accepted', 'active']) ?? this.find('caller', ['proposed', 'ringing']) ?? [];
    if (!sessionId || !leg) return;
    const isAnswered = leg.state === 'accepted' || leg.state === 'active';
    this.change(sessionId, isAnswered ? 'hang-up' : 'cancel');
    if (isAnswered) await this.end(sessionId, 'hung-up');
    else await this.tell(() => this.world.service.cancel(this.self, { sessionId }));
  }

  /** The process dies and starts anew, with the same key and nothing else. */
  async crash(): Promise<void> {
    this.legs.clear();
    this.inbox.length = 0;
    await this.world.service.deviceGone(this.self);
    await this.world.calls.deviceGone(this.self);
  }

  /** The process dies and stays away: the supernode sees a lost connection, and a device that does not resume. */
  async kill(): Promise<void> {
    if (this.killedAt !== undefined) return;
    this.killedAt = this.world.time.now();
    this.legs.clear();
    await this.world.calls.deviceUnreachable(this.self);
  }

  /** What a device does by itself as time passes: connect media, give up waiting, notice that the other side is silent. */
  async tick(isThere: (peer: SigningCaller, sessionId: SessionId) => boolean): Promise<void> {
    if (this.killedAt !== undefined && this.world.time.now() >= this.killedAt + LIMITS.resumeWindowMs) {
      this.killedAt = undefined;
      await this.crash();
    }
    for (const [sessionId, leg] of this.legs) {
      if (leg.state === 'accepted' || leg.state === 'active') {
        const peers = this.everybody.filter(({ userId }) => userId === leg.peer.userId);
        if (peers.some((peer) => isThere(peer, sessionId))) this.change(sessionId, 'connect');
        else if (this.inbox.length === 0) {
          this.change(sessionId, 'lost');
          await this.end(sessionId, 'lost');
        }
      } else if (leg.state !== 'ended' && this.world.time.now() > leg.startedAt + EXPIRY_MS + 2000) {
        this.change(sessionId, 'expire');
        if (leg.side === 'caller') await this.tell(() => this.world.service.cancel(this.self, { sessionId }));
      }
    }
  }

  isIn(sessionId: SessionId): boolean {
    const state = this.legs.get(sessionId)?.state;
    return state === 'accepted' || state === 'active';
  }

  private async hear({ event, payload }: RecordedEvent): Promise<void> {
    if (event === 'session.offered') await this.offered(payload as EventOf<'session.offered'>);
    if (event === 'session.ringing') this.change((payload as EventOf<'session.ringing'>).sessionId, 'ring');
    if (event === 'session.answered')
      this.change((payload as EventOf<'session.answered'>).sessionId, 'accept');
    if (event !== 'session.ended') return;
    const { sessionId, reason } = payload as EventOf<'session.ended'>;
    this.over.add(sessionId);
    this.change(sessionId, causeOfSessionEnd(reason, this.legs.get(sessionId)?.state ?? 'ended'));
  }

  private async offered({ sessionId, from }: EventOf<'session.offered'>): Promise<void> {
    if (this.over.has(sessionId) && this.fault !== 'rings-after-the-end') return;
    if (this.legs.has(sessionId)) return;
    const peer = this.everybody.find(({ deviceId }) => deviceId === from.deviceId)!;
    const [own] = this.find('caller', ['proposed', 'ringing']) ?? [];
    if (own) {
      if (glareWinner(own, sessionId) === own || this.fault === 'never-yields') return;
      this.change(own, 'glare-yield');
      this.legs.set(sessionId, { state: 'proposed', side: 'callee', peer, startedAt: this.world.time.now() });
      await this.tell(() => this.world.service.cancel(this.self, { sessionId: own, yieldsTo: sessionId }));
      return this.answer(sessionId, peer);
    }
    if (this.find(undefined, ['accepted', 'active'])) {
      return this.tell(() => this.world.service.reject(this.self, { sessionId, reason: 'busy' }));
    }
    this.legs.set(sessionId, { state: 'proposed', side: 'callee', peer, startedAt: this.world.time.now() });
    if (this.over.has(sessionId)) this.violations.push('rings for a call that has ended');
    this.change(sessionId, 'ring');
    await this.tell(() => this.world.calls.ringing(this.self, { sessionId }));
  }

  private async answer(sessionId: SessionId, caller: SigningCaller): Promise<void> {
    try {
      await this.world.answer(this.self, caller, sessionId);
      this.answered.add(sessionId);
      this.inbox.push({ event: 'accepted', sessionId });
    } catch (error) {
      this.inbox.push({ event: 'refused', sessionId, code: (error as { code: string }).code });
    }
  }

  private async end(sessionId: SessionId, cause: 'hung-up' | 'lost'): Promise<void> {
    await this.tell(() => this.world.calls.end(this.self, { sessionId, cause }));
  }

  /** A request that may come too late: then the other side was first. */
  private async tell(request: () => Promise<unknown>): Promise<void> {
    try {
      await request();
    } catch (error) {
      const { code } = error as { code?: string };
      if (code !== 'SESSION_UNKNOWN' && code !== 'SESSION_TAKEN') throw error;
    }
  }

  private change(sessionId: SessionId, cause: CallCause): void {
    const leg = this.legs.get(sessionId);
    const transition = leg && callTransition(leg.state, cause);
    if (!transition) return;
    leg.state = transition.to;
    if (leg.state === 'ended') this.over.add(sessionId);
  }

  private find(side: Leg['side'] | undefined, states: readonly CallState[]): [SessionId, Leg] | undefined {
    return [...this.legs].find(
      ([, leg]) => (side === undefined || leg.side === side) && states.includes(leg.state),
    );
  }
}
