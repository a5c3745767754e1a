import type { SessionId, Signed } from '@parley/protocol';
import type { ClientClock } from '../client/client-clock.ts';
import type { DropCounter } from '../client/drop-counter.ts';
import type { DeviceTrust } from '../identity/device-trust.ts';
import type { Identity } from '../identity/identity.ts';
import type { Signalling } from '../signalling/signalling.ts';
import type { ClientEndpoint } from './client-endpoint.ts';
import { PathNegotiation } from './path-negotiation.ts';
import { isLost } from './patient-request.ts';
import type { Party, SessionDropReason, VerifiedParty } from './signed-session.ts';

/** Why something of a session was discarded. */
export type RendezvousDropReason =
  | `offer-${SessionDropReason}`
  | `candidates-${SessionDropReason}`
  | 'offer-replayed'
  | 'offer-replay-window-full'
  | 'offer-before-start'
  | 'offer-limit'
  | 'offer-unknown-device'
  | 'offer-list-refused'
  | 'offer-expired'
  | 'offer-ended'
  | 'offer-call-mismatch'
  | 'call-from-stranger'
  | 'ringing-unknown-session'
  | 'ringing-unexpected'
  | 'answer-unknown-session'
  | 'answer-early'
  | 'answer-early-refused'
  | 'answer-late'
  | 'candidates-replayed'
  | 'candidates-unknown-session'
  | 'candidates-not-delivered'
  | 'ended-unknown-session'
  | 'report-not-delivered';

/** What all parts of the rendezvous share. */
export interface RendezvousContext {
  readonly identity: Identity;
  readonly trust: DeviceTrust;
  readonly signalling: Signalling;
  readonly clock: ClientClock;
  readonly drops: DropCounter<RendezvousDropReason>;
  /** Milliseconds since the epoch by the supernode's clock. */
  readonly serverNow: () => number;
  /** @throws EDGE_NOT_CONNECTED before the first sign-in */
  readonly endpoint: () => ClientEndpoint;
  readonly isContact: (userId: Party['userId']) => boolean;
}

/** This device as a party. @throws EDGE_NOT_REGISTERED */
export function selfParty(context: RendezvousContext): Party {
  return { userId: context.identity.requireAccount().userId, deviceId: context.identity.deviceId };
}

export interface NegotiateOptions {
  readonly role: 'controlling' | 'controlled';
  readonly sessionId: SessionId;
  readonly peer: VerifiedParty;
  readonly policy: 'any' | 'direct-only' | 'relay-only';
  readonly holdDirect: boolean;
}

/** The key by which the endpoint knows a session's packets: one session id may stand for an offer to several devices. */
export function dataKeyOf(sessionId: SessionId, peer: Party): string {
  return `${sessionId} ${peer.deviceId}`;
}

/** Makes our end of a path to one device. */
export function negotiatePath(context: RendezvousContext, options: NegotiateOptions): PathNegotiation {
  const { sessionId, peer } = options;
  return new PathNegotiation({
    path: context.endpoint().createPath({
      role: options.role,
      dataKey: dataKeyOf(sessionId, peer),
      policy: options.policy,
      holdDirect: options.holdDirect,
    }),
    sessionId,
    self: selfParty(context),
    peer,
    deviceKey: context.identity.deviceKey,
    // Who hides its addresses does not tell what stands in front of them.
    hidesNat: options.holdDirect || options.policy === 'relay-only',
    isRelayOnly: options.policy === 'relay-only',
    freshNat: () => context.endpoint().freshNat(),
    now: context.serverNow,
    allocateRelay: () => {
      if (options.policy !== 'direct-only') context.endpoint().allocateRelay();
    },
    isOnline: () => context.signalling.isOnline,
    send: async (candidates: Signed) => {
      try {
        await context.signalling.request('session.candidates', { sessionId, to: peer.deviceId, candidates });
        return true;
      } catch (thrown) {
        context.drops.count('candidates-not-delivered');
        return !isLost(thrown);
      }
    },
  });
}
