import { afterAll, beforeAll, expect, it } from '@jest/globals';
import type { Session } from '@parley/edge-client';
import { nextSession, readText } from '../system/clients.ts';
import { Cluster } from './cluster.ts';
import { describeCluster } from './describe-cluster.ts';
import { expectNothingBroken } from './failures.ts';
import { People, type Person } from './people.ts';
import { until } from './waiting.ts';

/** Ports of relays at the one that only relays; the others have the usual range. */
const RELAY_PORTS = { min: 41_000, max: 41_999 };
const RELAY_ONLY = {
  SUPERNODE_ROLES: 'relay',
  SUPERNODE_RELAY_MAX_ALLOCATIONS: '500',
  SUPERNODE_RELAY_PORT_RANGE: `${RELAY_PORTS.min}-${RELAY_PORTS.max}`,
};
const INDEX_ONLY = { SUPERNODE_ROLES: 'index' };
const NAME = 'node-3';

interface Pair {
  readonly ours: Session;
  readonly theirs: Session;
}

async function talkRelayed(caller: Person, callee: Person): Promise<Pair> {
  const arriving = nextSession(callee.client);
  const ours = await caller.client.openSession(callee.userId, { policy: 'relay-only' });
  return { ours, theirs: await arriving };
}

/** One stream from end to end. */
async function say({ ours, theirs }: Pair, text: string): Promise<string> {
  const stream = ours.openStream();
  await stream.write(Buffer.from(text));
  await stream.end();
  for await (const incoming of theirs.incomingStreams) return readText(incoming);
  throw new TypeError('no stream came');
}

function isThere(address: string | undefined): boolean {
  const port = Number(address?.slice(address.lastIndexOf(':') + 1));
  return port >= RELAY_PORTS.min && port <= RELAY_PORTS.max;
}

/** Resolves when each end says that the other one's relay is at the one that only relays. */
async function untilThere({ ours, theirs }: Pair): Promise<void> {
  await until(
    `relayed by ${NAME}`,
    () => [ours, theirs].every(({ relays }) => isThere(relays?.peer)) || undefined,
  );
}

async function untilVerified(cluster: Cluster): Promise<void> {
  await until(`${NAME} verified`, async () => {
    const listed = (await cluster.node('node-1').admin('/v1/supernodes')) as {
      readonly items: readonly { nodeId: string; lease: { reachability: string } | null }[];
    };
    return (
      listed.items.some(({ nodeId, lease }) => nodeId === NAME && lease?.reachability === 'verified') ||
      undefined
    );
  });
}

async function relaysOffered(cluster: Cluster, { userId }: Person): Promise<readonly string[]> {
  const explained = await cluster.node('node-1').admin(`/v1/explain/assignment?userId=${userId}`);
  return (explained as { readonly relays: readonly string[] }).relays;
}

describeCluster('a supernode that only relays, beside homes that do not', () => {
  let cluster: Cluster;
  let people: People;
  let alice: Person;
  let bob: Person;
  let pair: Pair;

  beforeAll(async () => {
    cluster = await Cluster.start({
      supernodes: 3,
      env: (at) => ({ SUPERNODE_DRAIN_SECONDS: '8', ...(at === 2 ? RELAY_ONLY : INDEX_ONLY) }),
    });
    await cluster.untilSeats(2);
    await untilVerified(cluster);
    people = new People(cluster);
    // Comes in at the one that is nobody's home.
    alice = await people.join('alice', { url: cluster.node(NAME).url });
    bob = await people.join('bob');
    await people.acquaint(alice, bob);
  }, 120_000);

  afterAll(async () => {
    await people.clear();
    await cluster.close();
  }, 60_000);

  it('has no seat, sends clients to their homes, and says what it is', async () => {
    const { seats } = await cluster.roster();
    expect(seats.map(({ nodeId }) => nodeId).sort()).toEqual(['node-1', 'node-2']);
    expect(['node-1', 'node-2']).toContain(people.homeOf(alice));

    const ready = await fetch(`${cluster.node(NAME).url}/health/ready`);
    expect(await ready.json()).toMatchObject({ status: 'ready', roles: ['relay'] });
    // The one that was asked until it was verified; another one may hear of that a moment later.
    expect(await cluster.node('node-1').admin(`/v1/supernodes/${NAME}/score`)).toMatchObject({
      objections: ['no-index-role'],
    });
  });

  it('relays sessions of their users', async () => {
    pair = await talkRelayed(alice, bob);
    expect(await say(pair, 'hello')).toBe('hello');
    await untilThere(pair);
  }, 60_000);

  it('is offered to nobody any more when it drains, and goes on relaying until its time is over', async () => {
    expect(await relaysOffered(cluster, alice)).toHaveLength(1);
    const stopped = cluster.node(NAME).terminate();
    await until('offered to nobody', async () =>
      (await relaysOffered(cluster, alice)).length === 0 ? true : undefined,
    );
    expect(cluster.node(NAME).isRunning).toBe(true);
    expect(await say(pair, 'still here')).toBe('still here');
    await pair.ours.close();

    expect(await stopped).toBe(0);
    await expectNothingBroken(people);
  }, 60_000);
});

describeCluster('a supernode that only relays, when the home that relayed dies', () => {
  let cluster: Cluster;
  let people: People;

  beforeAll(async () => {
    const roles = [{}, INDEX_ONLY, RELAY_ONLY];
    cluster = await Cluster.start({ supernodes: 3, env: (at) => roles[at] ?? {} });
    await cluster.untilSeats(2);
    await untilVerified(cluster);
    people = new People(cluster);
  }, 120_000);

  afterAll(async () => {
    await people.clear();
    await cluster.close();
  }, 60_000);

  it('has the session by then, without a break of it', async () => {
    const alice = await people.join('alice', { home: 'node-1' });
    const bob = await people.join('bob', { home: 'node-1' });
    await people.acquaint(alice, bob);
    const pair = await talkRelayed(alice, bob);
    expect(await say(pair, 'before')).toBe('before');
    await until('allocations of both', async () =>
      (await cluster.node(NAME).metric('parley_relay_allocations')) >= 2 ? true : undefined,
    );
    // Candidates have been told and checked when data was seen there: the checks themselves are relayed.
    await until('checks through it', async () =>
      (await cluster.node(NAME).metric('parley_relay_datagrams')) > 0 ? true : undefined,
    );

    await cluster.node('node-1').kill();

    expect(await say(pair, 'after')).toBe('after');
    await untilThere(pair);
    await expectNothingBroken(people);
  }, 90_000);
});
