import type { CallDescription, SessionId } from '@parley/protocol';
import { CallHistory } from '../../calls/call-history.service.ts';
import { CallRetention } from '../../calls/call-retention.service.ts';
import { CallRecorder } from '../../calls/call-recorder.ts';
import { MemoryCallLog } from '../../calls/testing/memory-call-log.ts';
import { PaddedRefusals } from '../../clock/padded-refusals.ts';
import { Metrics } from '../../observability/metrics.ts';
import type { ManualTime } from '../../clock/testing/manual-time.ts';
import { presenceWorld, type WorldParts } from '../../presence/testing/presence-world.ts';
import { BlockedRelays } from '../blocked-relays.service.ts';
import { CallLegs } from '../call-legs.service.ts';
import { CalleeReach } from '../callee-reach.service.ts';
import { EndedRelations } from '../ended-relations.service.ts';
import { OfferExpiry } from '../offer-expiry.service.ts';
import { ReachableDevices } from '../reachable-devices.service.ts';
import { RendezvousService } from '../rendezvous.service.ts';
import { MemorySessionBook } from '../session-book.memory.ts';
import type { SessionBook } from '../session-book.port.ts';
import { SessionNews } from '../session-news.service.ts';
import { SessionRelays } from '../session-relays.service.ts';
import { MemoryPeerFlows } from './memory-peer-flows.ts';
import {
  answerPayload,
  candidatesPayload,
  offerPayload,
  signAs,
  type SigningCaller,
} from './signed-halves.ts';

export const EXPIRY_MS = 30_000;

export interface RendezvousParts extends WorldParts {
  readonly book?: SessionBook;
  readonly log?: MemoryCallLog;
}

/** Brokering of sessions and calls with everything around it in memory and time moved by hand. */
export function rendezvousWorld(clock?: ManualTime, parts: RendezvousParts = {}) {
  const world = presenceWorld(clock, parts);
  const reports: unknown[] = [];
  const { time, notifier, background } = world;
  const metrics = new Metrics({ withProcess: false });
  const { book = new MemorySessionBook(), log = new MemoryCallLog() } = parts;
  const flows = new MemoryPeerFlows();
  const relays = new SessionRelays(flows, world.homes);
  const news = new SessionNews(notifier, relays);
  const reachable = new ReachableDevices(world.devices, notifier);
  const reach = new CalleeReach(world.contacts, reachable, new PaddedRefusals(time, time));
  const recorder = new CallRecorder(log, notifier, time, background, metrics);
  const retention = new CallRetention(log, { historyDays: 365 }, time, time, background, metrics);
  retention.onModuleInit();
  const history = new CallHistory(log, time, recorder, retention, metrics);
  const calls = new CallLegs(book, time, reachable, news, history, relays);
  const outcomes = { record: (report: unknown) => void reports.push(report) };
  const service = new RendezvousService(book, outcomes, time, reach, news, calls, relays);
  new OfferExpiry(book, time, time, news, calls, background).onModuleInit();
  new EndedRelations(book, world.contactsService, news, calls, background).onModuleInit();
  new BlockedRelays(world.contactsService, flows, world.ownership, world.links).onModuleInit();

  const offer = (from: SigningCaller, to: SigningCaller[], id: SessionId, over: object = {}) =>
    service.offer(from, {
      sessionId: id,
      to: to[0]!.userId,
      expiresInMs: EXPIRY_MS,
      offers: to.map((device) => ({
        deviceId: device.deviceId,
        offer: signAs(from, 'sessionOffer', offerPayload(from, device, id, time.now(), over)),
        flight: [],
      })),
    });
  /** A session offer that is a call; `signed` is what the caller's device signed, if that is something else. */
  const call = (
    from: SigningCaller,
    to: SigningCaller[],
    id: SessionId,
    description: CallDescription = { media: ['audio'] },
    signed: CallDescription | null = description,
  ) =>
    service.offer(from, {
      sessionId: id,
      to: to[0]!.userId,
      expiresInMs: EXPIRY_MS,
      call: description,
      offers: to.map((device) => ({
        deviceId: device.deviceId,
        offer: signAs(
          from,
          'sessionOffer',
          offerPayload(from, device, id, time.now(), signed ? { call: signed } : {}),
        ),
        flight: [],
      })),
    });
  const answer = (from: SigningCaller, to: SigningCaller, id: SessionId, over: object = {}) =>
    service.answer(from, {
      sessionId: id,
      answer: signAs(from, 'sessionAnswer', answerPayload(from, to, id, time.now(), over)),
      flight: [],
    });
  const candidates = (from: SigningCaller, to: SigningCaller, id: SessionId) =>
    service.candidates(from, {
      sessionId: id,
      to: to.deviceId,
      candidates: signAs(from, 'sessionCandidates', candidatesPayload(from, to, id, time.now())),
    });
  const records = async (user: SigningCaller, after = 0) => (await history.history(user, { after })).calls;
  return {
    ...world,
    book,
    service,
    calls,
    history,
    log,
    recorder,
    metrics,
    reports,
    flows,
    offer,
    call,
    answer,
    candidates,
    records,
  };
}

export type RendezvousWorld = ReturnType<typeof rendezvousWorld>;
