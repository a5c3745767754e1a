import { execFile } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { promisify } from 'node:util';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { MemoryIdentityStore } from '@parley/edge-client';
import { ClientBench } from '../system/clients.ts';
import { presenceFlaps } from './checkers.ts';
import { Cluster } from './cluster.ts';
import { describeCluster } from './describe-cluster.ts';
import { expectConverged, expectNothingBroken, untilHealed } from './failures.ts';
import { People, type Person } from './people.ts';
import { until } from './waiting.ts';

const PACKAGE = createRequire(import.meta.url).resolve('@parley/supernode/package.json');
const MAIN = join(dirname(PACKAGE), 'dist/main.js');
const MESSAGE_EVERY_MS = 100;

describeCluster('operators of a cluster', () => {
  let cluster: Cluster;
  let people: People;
  let alice: Person;
  let bob: Person;

  beforeEach(async () => {
    cluster = await Cluster.start();
    await cluster.untilSeats(3);
    people = new People(cluster);
    alice = await people.join('alice', { home: 'node-1' });
    bob = await people.join('bob', { home: 'node-2' });
    await people.acquaint(alice, bob);
  }, 120_000);

  afterEach(async () => {
    await people.clear();
    await cluster.close();
  }, 60_000);

  /** A command on the database of the cluster; the object that it prints. */
  async function command(...args: readonly string[]): Promise<unknown> {
    const env = { ...process.env, DATABASE_URL: cluster.postgres.url };
    const { stdout } = await promisify(execFile)(process.execPath, [MAIN, ...args], { env });
    return JSON.parse(stdout);
  }

  async function expectBothWork(): Promise<void> {
    const healedAt = await untilHealed(cluster, people, [alice, bob]);
    for (const [from, to] of [
      [alice, bob],
      [bob, alice],
    ] as const)
      await people.send(from, to, 'after').then((id) => people.untilShown(id, to));
    const wanted = [alice, bob].map((person) => [person, 'online'] as const);
    await expectConverged(people, wanted, healedAt);
  }

  const faults = async () => {
    const counts = await Promise.all(
      cluster.nodes.map((node) => node.metric('parley_edge_requests_total', { outcome: 'INTERNAL' })),
    );
    return counts.reduce((sum, count) => sum + count, 0);
  };

  it('restart all supernodes one after the other: no flap, nothing lost, every return without a gap', async () => {
    const since = people.history.now();
    const flows = [
      people.flow(alice, bob, MESSAGE_EVERY_MS),
      people.flow(bob, alice, MESSAGE_EVERY_MS),
    ] as const;
    const returns: unknown[] = [];
    for (const { client } of [alice, bob])
      client.on('state', ({ to, recovered }) => to === 'online' && returns.push(recovered));

    const { coordinator } = await cluster.roster();
    const others = cluster.nodes.filter(({ nodeId }) => nodeId !== coordinator);
    for (const node of [...others, cluster.node(coordinator)]) {
      expect(await node.terminate()).toBe(0);
      await node.start();
      await cluster.untilSeats(3, 60_000);
    }

    const [toBob, toAlice] = [await flows[0].stop(), await flows[1].stop()];
    for (const id of toBob) await people.untilShown(id, bob);
    for (const id of toAlice) await people.untilShown(id, alice);
    expect(returns.length).toBeGreaterThan(1);
    expect(new Set(returns)).toEqual(new Set([true]));
    const users = new Set([alice.userId, bob.userId]);
    expect(presenceFlaps(people.history.events, users, since)).toEqual([]);
    await expectBothWork();
    await expectNothingBroken(people);
  }, 180_000);

  it('restart the database: the roster stays, and no request of a client ends with a fault', async () => {
    const before = await cluster.roster();
    const flow = people.flow(alice, bob, MESSAGE_EVERY_MS);

    await cluster.restartDatabase(async () => {
      const outcome = await alice.client.contacts.block(bob.userId).then(
        () => 'done',
        (error: unknown) => error,
      );
      expect(outcome).toMatchObject({ code: 'STORE_UNAVAILABLE' });
    });

    for (const id of await flow.stop()) await people.untilShown(id, bob);
    await expectBothWork();
    expect((await cluster.roster()).seats.map(({ incarnation }) => incarnation)).toEqual(
      before.seats.map(({ incarnation }) => incarnation),
    );
    expect(await faults()).toBe(0);
    await expectNothingBroken(people);
  }, 120_000);

  it('rotate the roster key: a client that was away for it follows', async () => {
    const identityStore = new MemoryIdentityStore();
    const pinned = async () => (await identityStore.load('hosts'))?.rosterKeys;
    const { client } = await people.join('carol', { identityStore });
    const first = await until('a pinned key', async () => (await pinned())?.[0]);
    expect(await pinned()).toEqual([first]);
    await client.close();

    const rotated = await command('rotate-keys', 'roster');
    expect(rotated).toMatchObject({ event: 'rotate-keys', purpose: 'roster', version: 2 });
    // The minutes in which the new key is announced are over before she comes back.
    const begin = "UPDATE cluster_key SET not_before = now() WHERE purpose = 'roster' AND version = 2";
    await cluster.database.query(begin);
    for (const node of cluster.nodes) {
      await node.terminate();
      await node.start();
    }
    await cluster.untilSeats(3, 60_000);

    const bench = new ClientBench(cluster.nodes[0]?.url ?? '');
    const back = await bench.open({ identityStore });
    await back.connect();

    const keys = await until('both keys', async () =>
      (await pinned())?.length === 2 ? pinned() : undefined,
    );
    expect(keys[1]).toBe(first);
    await bench.clear();
  }, 180_000);

  it('restore the database of yesterday, raise its epochs, and all who are there are served again', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'parley-restore-'));
    try {
      const file = join(folder, 'all.jsonl');
      await command('export', file);
      // What happens after the backup: rosters of higher epochs, which supernodes, stores and clients see.
      await cluster.node('node-3').terminate();
      await cluster.node('node-3').start();
      await cluster.untilSeats(3, 60_000);
      const { epoch: seen } = await cluster.roster();
      await Promise.all(cluster.nodes.map((node) => node.terminate()));
      await cluster.database.query('DROP SCHEMA public CASCADE');
      await cluster.database.query('CREATE SCHEMA public');
      await command('import', file);
      expect((await cluster.roster()).epoch).toBeLessThan(seen);

      const raised = (await command('raise-epoch')) as { readonly epoch: number };

      expect(raised.epoch).toBeGreaterThan(seen);
      // Redis still holds the fences of the time that is gone.
      await Promise.all(cluster.nodes.map((node) => node.start()));
      await cluster.untilRoster(
        'seats above it',
        ({ epoch, seats }) => epoch > raised.epoch && seats.length === 3,
      );
      await expectBothWork();
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }, 180_000);
});
