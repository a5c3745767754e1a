import { Inject, Injectable } from '@nestjs/common';
import type { EventOf, RequestOf } from '@parley/protocol';
import { NOTIFIER, type Notifier } from '../gateway/notifier.port.ts';
import type { DeviceAddress } from '../identity/caller.ts';
import type { BrokeredSession } from './brokered-session.ts';
import { SessionRelays } from './session-relays.service.ts';

export type EndReason = EventOf<'session.ended'>['reason'];

/** Brings what one party did to the others. Signed things pass through as they came. */
@Injectable()
export class SessionNews {
  constructor(
    @Inject(NOTIFIER) private readonly notifier: Notifier,
    private readonly relays: SessionRelays,
  ) {}

  offered(session: BrokeredSession, { offers, expiresInMs, call }: RequestOf<'session.offer'>): void {
    const { sessionId, areContacts: contact } = session;
    const from = partyOf(session.caller);
    for (const device of session.offered) {
      const own = offers.find(({ deviceId }) => deviceId === device.deviceId);
      if (!own) continue;
      const { offer, flight } = own;
      const event = { sessionId, from, contact, expiresInMs, ...(call && { call }), offer, flight };
      const network = this.relays.toCallee(session, device);
      this.notifier.notifyDevice(device, 'session.offered', { ...event, ...network });
    }
  }

  answered(session: BrokeredSession, by: DeviceAddress, request: RequestOf<'session.answer'>): void {
    const { sessionId, answer, flight } = request;
    // An early answer is of a device whose user may still say no.
    const network = session.state === 'answered' ? this.relays.toCaller(session, by) : {};
    const event = { sessionId, from: partyOf(by), answer, flight, ...network };
    this.notifier.notifyDevice(session.caller, 'session.answered', event);
  }

  candidates(
    session: BrokeredSession,
    to: DeviceAddress,
    from: DeviceAddress,
    { candidates }: RequestOf<'session.candidates'>,
  ): void {
    const event = { sessionId: session.sessionId, from: partyOf(from), candidates };
    this.notifier.notifyDevice(to, 'session.candidates', {
      ...event,
      ...this.relays.ofSender(session, from),
    });
  }

  endedForCaller(session: BrokeredSession, reason: EndReason): void {
    this.ended(session.caller, session, reason);
  }

  /** To the devices that were offered the session, but not `except`. */
  endedForOffered(session: BrokeredSession, reason: EndReason, except?: DeviceAddress): void {
    if (session.isMuted) return;
    for (const device of session.offered) {
      if (device.deviceId !== except?.deviceId) this.ended(device, session, reason);
    }
  }

  ringing({ caller, sessionId }: BrokeredSession, by: DeviceAddress): void {
    this.notifier.notifyDevice(caller, 'session.ringing', { sessionId, from: partyOf(by) });
  }

  /** To everybody who still waits for, or takes part in, a session; but not to `ender`, who ended it. */
  endedForParties(session: BrokeredSession, reason: EndReason, ender?: DeviceAddress): void {
    const others = session.isMuted ? [] : session.offered;
    const parties = [session.caller, ...(session.answeredBy ? [session.answeredBy] : others)];
    for (const party of parties) {
      if (party.deviceId !== ender?.deviceId) this.ended(party, session, reason);
    }
  }

  ended(device: DeviceAddress, { sessionId }: Pick<BrokeredSession, 'sessionId'>, reason: EndReason): void {
    this.notifier.notifyDevice(device, 'session.ended', { sessionId, reason });
  }
}

function partyOf({ userId, deviceId }: DeviceAddress): Pick<DeviceAddress, 'userId' | 'deviceId'> {
  return { userId, deviceId };
}
