import { Inject, Injectable } from '@nestjs/common';
import type { DeviceId, EventOf, SessionOffer } from '@parley/protocol';
import type { DeviceAddress } from '../identity/caller.ts';
import type { BrokeredSession } from './brokered-session.ts';
import { HomeLinks } from '../links/home-links.ts';
import { PEER_FLOWS, type PeerFlows } from './peer-flows.port.ts';

/** What the supernode adds to the news of a session about the network of the other side. */
export type NetworkOfPeer = Pick<EventOf<'session.offered'>, 'observedAddresses' | 'relay'>;

/** An answer that came in time may be handled a little later. */
const ANSWER_SLACK_MS = 1000;

/**
 * Native relays of sessions, minted with the offer and opened by the accepted answer, and what the parties are told of each
 * other's addresses: never more than the other one tells, or may not hide any more, itself (DESIGN 6.5).
 */
@Injectable()
export class SessionRelays {
  constructor(
    @Inject(PEER_FLOWS) private readonly flows: PeerFlows,
    private readonly homes: HomeLinks,
  ) {}

  /** What a session has to remember. */
  plan(
    caller: DeviceAddress,
    offered: readonly DeviceAddress[],
    policies: readonly SessionOffer['policy'][],
    expiresInMs: number,
  ): Pick<BrokeredSession, 'policy' | 'relays'> {
    const relays = new Map<DeviceId, string>();
    const policy = strictestOf(policies);
    for (const device of policy === 'direct-only' ? [] : offered) {
      // A native relay pairs two flows of one supernode. Devices of other homes have the TURN servers of both.
      if (!this.homes.isHere(device.tenant, device.userId)) continue;
      const id = this.flows.mintRelay(caller, device, expiresInMs + ANSWER_SLACK_MS);
      if (id !== undefined) relays.set(device.deviceId, id);
    }
    return { policy, relays };
  }

  toCallee(session: BrokeredSession, device: DeviceAddress): NetworkOfPeer {
    return {
      ...(session.areContacts ? this.observed(session, session.caller) : {}),
      ...relayOf(session, device),
    };
  }

  /** With an accepted answer. */
  toCaller(session: BrokeredSession, answerer: DeviceAddress): NetworkOfPeer {
    return { ...this.observed(session, answerer), ...relayOf(session, answerer) };
  }

  /** With candidates: who may send some to the other may be known to it. */
  ofSender(session: BrokeredSession, sender: DeviceAddress): Pick<NetworkOfPeer, 'observedAddresses'> {
    return session.areContacts || session.state === 'answered' ? this.observed(session, sender) : {};
  }

  open(session: BrokeredSession): void {
    const { caller, answeredBy, relays } = session;
    if (!answeredBy) return;
    for (const [deviceId, id] of relays) {
      if (deviceId === answeredBy.deviceId) this.flows.openRelay(id, caller, answeredBy);
      else this.flows.closeRelay(id);
    }
  }

  close({ relays }: Pick<BrokeredSession, 'relays'>): void {
    for (const id of relays.values()) this.flows.closeRelay(id);
  }

  private observed(
    { policy }: BrokeredSession,
    device: DeviceAddress,
  ): Pick<NetworkOfPeer, 'observedAddresses'> {
    const addresses = policy === 'relay-only' ? [] : this.flows.observedAddresses(device);
    return addresses.length > 0 ? { observedAddresses: [...addresses] } : {};
  }
}

function relayOf({ relays }: BrokeredSession, device: DeviceAddress): Pick<NetworkOfPeer, 'relay'> {
  const id = relays.get(device.deviceId);
  return id === undefined ? {} : { relay: { id } };
}

/** The offers of one session should all say the same; where they do not, nothing of what one of them hides is told. */
function strictestOf(policies: readonly SessionOffer['policy'][]): SessionOffer['policy'] {
  if (policies.includes('relay-only')) return 'relay-only';
  return policies.includes('direct-only') ? 'direct-only' : 'any';
}
