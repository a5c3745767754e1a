import { callOutcome, type CallEndCause, type SessionId } from '@parley/protocol';
import fc from 'fast-check';
import { settled } from '../clock/testing/manual-time.ts';
import type { BrokeredSession } from './brokered-session.ts';
import { CallDevice, type CallFault } from './testing/call-device.ts';
import { rendezvousWorld } from './testing/rendezvous-world.ts';
import { sessionId, signingCaller } from './testing/signed-halves.ts';

const alices = [signingCaller('alice'), signingCaller('alice')];
const bobs = [signingCaller('bob'), signingCaller('bob'), signingCaller('bob')];
const everybody = [...alices, ...bobs];

const ACTIONS = [
  'call',
  'accept',
  'accept-everywhere',
  'reject',
  'busy',
  'hang-up',
  'crash',
  'kill',
  'advance',
] as const;
type Step =
  | { readonly kind: (typeof ACTIONS)[number]; readonly device: number }
  | { readonly kind: 'deliver' | 'lose'; readonly device: number; readonly at: number };

const device = fc.nat(everybody.length - 1);
const delivery = fc.record({ kind: fc.constant('deliver' as const), device, at: fc.nat(2) });
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 9, arbitrary: delivery },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('lose' as const), device, at: fc.nat(5) }) },
  { weight: 6, arbitrary: fc.record({ kind: fc.constantFrom(...ACTIONS), device }) },
);
/** Two users who call each other at once, and whatever order their devices hear of it in. */
const glare: Step[] = [
  { kind: 'call', device: 0 },
  { kind: 'call', device: alices.length },
];
const steps = fc.oneof(
  fc
    .array(step, { minLength: 10, maxLength: 60 })
    .map((list): Step[] => [{ kind: 'call', device: 1 }, ...list]),
  fc.array(delivery, { minLength: 4, maxLength: 20 }).map((deliveries) => [...glare, ...deliveries]),
);

async function modelWorld(fault: CallFault | undefined) {
  const world = rendezvousWorld();
  world.contacts.befriend(alices[0]!.tenant, alices[0]!.userId, bobs[0]!.userId);
  for (const caller of everybody) await world.signIn(caller);
  if (fault === 'answers-twice') {
    const change = world.book.change.bind(world.book);
    const reopened = (session: BrokeredSession): BrokeredSession => ({ ...session, state: 'offered' });
    world.book.change = (tenant, id, how) =>
      change(tenant, id, (current) => how(current) ?? how(reopened(current)));
  }
  world.notifier.events.length = 0;
  const devices = everybody.map((self) => new CallDevice(self, world, everybody, fault));
  return { world, devices };
}
type Model = Awaited<ReturnType<typeof modelWorld>>;

/** Lets everything that was sent arrive in inboxes. */
async function collect({ world, devices }: Model): Promise<void> {
  await settled();
  for (const event of world.notifier.events.splice(0)) {
    devices.find(({ self }) => self.deviceId === event.device.deviceId)?.inbox.push(event);
  }
}

async function advance(model: Model, milliseconds: number): Promise<void> {
  await model.world.time.advance(milliseconds);
  const isThere = (peer: { deviceId: string }, id: SessionId) =>
    model.devices.some((other) => other.self.deviceId === peer.deviceId && other.isIn(id));
  for (const each of model.devices) await each.tick(isThere);
}

async function take(model: Model, step: Step, index: number): Promise<void> {
  const { devices } = model;
  const actor = devices[step.device]!;
  const isAlice = step.device < alices.length;
  if (step.kind === 'deliver') await actor.deliver(step.at % Math.max(1, actor.inbox.length));
  else if (step.kind === 'lose') actor.inbox.splice(step.at, 1);
  else if (step.kind === 'call') await actor.call(sessionId((index * 89 + 7) % 256), isAlice ? bobs : alices);
  else if (step.kind === 'accept') await actor.accept();
  else if (step.kind === 'accept-everywhere') await Promise.all(devices.map((each) => each.accept()));
  else if (step.kind === 'hang-up') await actor.hangUp();
  else if (step.kind === 'crash') await actor.crash();
  else if (step.kind === 'kill') await actor.kill();
  else if (step.kind === 'advance') await advance(model, 5000);
  else await actor.decline(step.kind === 'reject' ? 'rejected' : 'busy');
  await collect(model);
}

/** Everything arrives, and all that waits for a time has had it. */
async function quiesce(model: Model): Promise<void> {
  for (let round = 0; round < 8; round++) {
    for (const each of model.devices) while (each.inbox.length > 0) await each.deliver(0);
    await collect(model);
    if (round % 2 === 1) await advance(model, 75_000);
    await collect(model);
  }
}

const END_CAUSES: CallEndCause[] = [
  'reject',
  'busy',
  'cancel',
  'expire',
  'unavailable',
  'hang-up',
  'lost',
  'failed',
];
const AGREEMENTS = new Set(
  END_CAUSES.map(
    (cause) => `${String(callOutcome(cause, 'outgoing'))} ${String(callOutcome(cause, 'incoming'))}`,
  ),
);

async function outcomes({ world }: Model): Promise<Map<SessionId, string>> {
  const [alice, bob] = [await world.records(alices[0]!), await world.records(bobs[0]!)];
  const ids = new Set([...alice, ...bob].map((record) => record.sessionId));
  const of = (id: SessionId, direction: 'outgoing' | 'incoming') =>
    [...alice, ...bob].find((record) => record.sessionId === id && record.direction === direction)?.outcome;
  return new Map([...ids].map((id) => [id, `${String(of(id, 'outgoing'))} ${String(of(id, 'incoming'))}`]));
}

async function check(model: Model): Promise<void> {
  const { devices } = model;
  const sessions = new Set(devices.flatMap(({ legs }) => [...legs.keys()]));
  for (const id of sessions) {
    expect(devices.filter(({ answered }) => answered.has(id)).length).toBeLessThanOrEqual(1);
    expect([0, 2]).toContain(devices.filter((each) => each.isIn(id)).length);
  }
  expect(devices.flatMap(({ violations }) => violations)).toEqual([]);
  const waiting = devices.flatMap(({ legs }) => [...legs.values()].map(({ state }) => state));
  expect(waiting).not.toContain('proposed');
  expect(waiting).not.toContain('ringing');
  for (const [id, outcome] of await outcomes(model)) {
    if (devices.some((each) => each.isIn(id))) expect(outcome).toBe('null null');
    else expect(AGREEMENTS).toContain(outcome);
  }
}

async function run(steps: readonly Step[], fault?: CallFault): Promise<Model> {
  const model = await modelWorld(fault);
  for (const [index, step] of steps.entries()) await take(model, step, index);
  await quiesce(model);
  await check(model);
  return model;
}

describe('calls on many devices', () => {
  it('are answered on one, ring no more after their end, and are remembered alike by both sides', async () => {
    await fc.assert(
      fc.asyncProperty(steps, async (list) => {
        await run(list);
      }),
      { numRuns: 250 },
    );
  }, 60_000);

  it('become one call when two users call each other at once, whoever hears of it first', async () => {
    const orders = fc.array(fc.record({ kind: fc.constant('deliver' as const), device, at: fc.nat(5) }), {
      maxLength: 15,
    });
    await fc.assert(
      fc.asyncProperty(orders, fc.boolean(), async (order, isBobFirst) => {
        const calls = isBobFirst ? [...glare].reverse() : glare;
        const model = await run([...calls, ...order]);
        expect([...(await outcomes(model)).values()]).toEqual(['null null']);
      }),
      { numRuns: 60 },
    );
  }, 60_000);

  it.each<CallFault>(['answers-twice', 'rings-after-the-end', 'never-yields'])(
    'would be caught with a planted fault: %s',
    async (fault) => {
      const property = fc.asyncProperty(steps, async (list) => {
        const model = await run(list, fault);
        const isGlareOnly = list.slice(2).every(({ kind }) => kind === 'deliver');
        if (isGlareOnly && list[0] === glare[0])
          expect([...(await outcomes(model)).values()]).toEqual(['null null']);
      });
      const { failed } = await fc.check(property, { numRuns: 1000, endOnFailure: true });
      expect(failed).toBe(true);
    },
    60_000,
  );
});
